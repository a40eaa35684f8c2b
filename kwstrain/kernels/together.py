"""Kernels that two processes compile: this one begins with the first of them, a helper with the last.

What the helper has compiled is found in the disk cache, so that the two need not speak to each other.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from threading import Event

from kwstrain.kernels.declaration import Kernel

_FEWEST = 4  # below, the helper would have read its imports when all is done
_MOST_WAITING_S = 60.0  # for the one that the helper is at


def compile_together(kernels: Sequence[Kernel], stopped: Event) -> None:
    """Have all `kernels` compiled, on two processors; no more of them once `stopped` is set."""
    missing = [one for one in kernels if not one.kept]
    helper = None
    if len(missing) >= _FEWEST:
        logging.getLogger("kwsfeat").info(f"compiling {len(missing)} kernels of the network, once on this computer")
        helper = _helper(missing[::-1])
    for i, kernel in enumerate(missing):
        if stopped.is_set():
            if helper:
                helper.kill()
            return
        if helper and not kernel.kept and all(later.kept for later in missing[i + 1 :]):
            with suppress(subprocess.TimeoutExpired):
                helper.wait(_MOST_WAITING_S)
        _ = kernel.address


def _helper(kernels: Sequence[Kernel]) -> subprocess.Popen[bytes] | None:
    """A process that compiles `kernels` in their order; it is silent, and what it fails at is compiled here."""
    code = f"from {__name__} import _compile; _compile({[kernel.target for kernel in kernels]!r})"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONSAFEPATH": "1"}
    nothing = subprocess.DEVNULL
    try:
        return subprocess.Popen([sys.executable, "-c", code], env=environment, stdin=nothing, stdout=nothing, stderr=nothing)
    except OSError:
        return None


def _compile(targets: Sequence[str]) -> None:
    for target in targets:
        module, _, name = target.rpartition(".")
        kernel = getattr(import_module(module), name)
        if not kernel.kept:
            _ = kernel.address
