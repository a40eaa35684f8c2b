"""Random mutations, and calls in a process of their own that may fail with one sentence, and with nothing else.

A few mutations are tried in every run of the tests. ``KWS_FUZZ_SECONDS=3600 pytest tests/system -k fuzz`` goes on with new ones
for an hour; a failure names the seed that makes it again.
"""

from __future__ import annotations

import faulthandler
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from kwsfeat.errors import KwsError

_HANGS_S = 600  # a child that waits for something that never comes


def seeds(n: int) -> Iterator[int]:
    """The first `n` seeds, and more until the time that the environment grants is over."""
    until = time.monotonic() + float(os.environ.get("KWS_FUZZ_SECONDS", 0))
    first = int(os.environ.get("KWS_FUZZ_SEED", 0))
    seed = first
    while seed < first + n or time.monotonic() < until:
        yield seed
        seed += 1


def outcome(call: Callable[[], object], *, seconds: int = 20, megabytes: int = 512) -> str:
    """What becomes of a call: ``works``, ``refused`` (a KwsError of one line), or what is wrong: traceback, signal, time or memory."""
    ours, theirs = os.pipe()
    child = os.fork()
    if not child:
        os.dup2(theirs, 2)
        faulthandler.enable(open(2, "w", closefd=False))  # noqa: SIM115
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + megabytes * 2**20
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))  # of its own time, whatever else the machine does
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(_HANGS_S)
        os._exit(_judged(call))
    os.close(theirs)
    said = b""
    while part := os.read(ours, 1 << 16):
        said += part
    os.close(ours)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code < 0:
        return f"{signal.Signals(-code).name}: {said.decode(errors='replace')[-800:]}"
    return {0: "works", 1: "refused"}.get(code, said.decode(errors="replace")[-1500:])


def _judged(call: Callable[[], object]) -> int:
    try:
        call()
    except KwsError as error:
        if len(str(error).splitlines()) == 1:
            return 1
        print(f"not one line: {error}", file=sys.stderr, flush=True)
        return 2
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        return 2
    return 0


def damage(data: bytes, rng: np.random.Generator, *, keep: int = 0) -> bytes:
    """Bytes that were cut off, flipped, overwritten, moved or repeated, after the first `keep`."""
    changed = np.frombuffer(data, np.uint8).copy()
    where = int(rng.integers(keep, len(data)))
    n = int(min(len(data) - where, 2 ** rng.uniform(0, 14)))
    match rng.integers(6):
        case 0:
            return data[:where]
        case 1:
            changed[rng.integers(keep, len(data), 1 + int(rng.exponential(4)))] ^= np.uint8(1 << rng.integers(8))
        case 2:
            changed[where : where + n] = rng.choice([0, 255, 1, 127])
        case 3:
            changed[where : where + n] = rng.integers(0, 256, n)
        case 4:
            source = int(rng.integers(0, len(data) - n + 1))
            changed[where : where + n] = changed[source : source + n].copy()
        case _:
            return data[: where + n] + data[where:]
    return changed.tobytes()
