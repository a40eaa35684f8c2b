"""How long a training takes to start: from the call of Python to the first step on the clips of a file.

    python benchmarks/first_step.py words.h5 --arch bcresnet-2 ds-cnn-s

Each network is started three times, in processes of their own: with no compiled kernels and programs, and twice with those that the
first start has left. Fresh augmentation, if the network has it, is on.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

START = """
    from pathlib import Path
    from kwstrain.cli.compiled import kept_compiled
    with kept_compiled():
        from kwstrain.config import changed, defaults
        from kwstrain.training.fit import fit

        def first(tick):
            print("first step", flush=True)
            raise SystemExit

        fit({file!r}, changed(defaults({arch!r}), {{"epochs": 1}}), Path({out!r}), overwrite=True, progress=first)
"""


def seconds(code: str, environment: dict[str, str]) -> float:
    """From the start of the process to its first line."""
    began = time.perf_counter()
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True, env=environment) as child:
        assert child.stdout is not None
        if child.stdout.readline() != "first step\n":
            sys.exit("no step was made")
        took = time.perf_counter() - began
    return took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--arch", nargs="+", default=["bcresnet-2"])
    given = parser.parse_args()
    print("| network | nothing compiled, s | second start | third |\n|---|---|---|---|", flush=True)
    for arch in given.arch:
        with tempfile.TemporaryDirectory() as place:
            environment = {**os.environ, "KWSFEAT_CACHE_DIR": f"{place}/kernels", "KWSTRAIN_CACHE": f"{place}/programs"}
            code = START.format(file=str(given.file), arch=arch, out=f"{place}/run")
            took = [seconds(code, environment) for _ in range(3)]
        print(f"| `{arch}` | {' | '.join(f'{one:.1f}' for one in took)} |", flush=True)


if __name__ == "__main__":
    main()
