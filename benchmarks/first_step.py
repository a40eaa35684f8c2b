"""How long a training takes to start: from the call of Python until it trains, and until it first says how it goes.

    python benchmarks/first_step.py words.h5 --arch bcresnet-2 ds-cnn-s

Each network is started three times, in processes of their own: with no compiled kernels and programs, and twice with those that the
first start has left. Fresh augmentation, if the network has it, is on. It trains when everything is compiled and the first call of the
steps' program has been made; such a call makes many steps, and what they gave is said after them, when the second call has been made.
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
        from kwstrain.training.step import TrainStep

        def said(tick):
            print("said", flush=True)
            raise SystemExit

        def train(self, *given, train=TrainStep.train):
            called = train(self, *given)
            print("trains", flush=True)
            return called

        TrainStep.train = train
        fit({file!r}, changed(defaults({arch!r}), {{"epochs": 1}}), Path({out!r}), overwrite=True, progress=said)
"""


def seconds(code: str, environment: dict[str, str]) -> tuple[float, float]:
    """From the start of the process until it trains, and until it says something."""
    began, took = time.perf_counter(), {}
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True, env=environment) as child:
        assert child.stdout is not None
        for line in child.stdout:
            took.setdefault(line.strip(), time.perf_counter() - began)
    if set(took) != {"trains", "said"}:
        sys.exit("no step was made")
    return took["trains"], took["said"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--arch", nargs="+", default=["bcresnet-2"])
    given = parser.parse_args()
    print("| network | until | nothing compiled, s | second start | third |\n|---|---|---|---|---|", flush=True)
    for arch in given.arch:
        with tempfile.TemporaryDirectory() as place:
            environment = {**os.environ, "KWSFEAT_CACHE_DIR": f"{place}/kernels", "KWSTRAIN_CACHE": f"{place}/programs"}
            code = START.format(file=str(given.file), arch=arch, out=f"{place}/run")
            took = [seconds(code, environment) for _ in range(3)]
        for until, times in zip(("it trains", "it says how it goes"), zip(*took, strict=True), strict=True):
            print(f"| `{arch}` | {until} | {' | '.join(f'{one:.1f}' for one in times)} |", flush=True)


if __name__ == "__main__":
    main()
