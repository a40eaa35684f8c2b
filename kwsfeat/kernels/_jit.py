"""The one way to compile a kernel: the flags, and where the compiled code is kept.

Numba's cache does not notice an edit in another file, so the cache folder is named by a hash of every kernel file, the
flags, the lane count, numba's version and the processor: changed code is never found in it.
"""

from __future__ import annotations

import hashlib
import os
import sys
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite
import llvmlite.binding as llvm
import numba
from numba import njit

# Not "nnan" and "ninf": a NaN in a recording must come out as a NaN, not as a number.
FASTMATH = frozenset({"contract", "reassoc", "nsz", "arcp", "afn"})


def cpu() -> tuple[str, str]:
    """Name and features of the processor that Numba compiles for; ``NUMBA_CPU_NAME`` overrides the host's."""
    name = os.environ.get("NUMBA_CPU_NAME") or llvm.get_host_cpu_name()
    if "NUMBA_CPU_FEATURES" in os.environ:
        return name, os.environ["NUMBA_CPU_FEATURES"]
    return name, "" if os.environ.get("NUMBA_CPU_NAME") else llvm.get_host_cpu_features().flatten()


def _lanes() -> int:
    """float32 values in one register: 16 with AVX-512, 8 with AVX (the kernels' natural width), 4 otherwise."""
    name, features = cpu()
    enabled = set(features.split(","))
    if "+avx512f" in enabled or name.startswith(("skylake-avx512", "cascadelake", "icelake", "sapphirerapids", "znver4", "znver5")):
        return 16
    if "+avx2" in enabled or name.startswith(("haswell", "broadwell", "skylake", "znver")):
        return 8
    return 4


LANES = _lanes()


def cache_key() -> str:
    """What the compiled code depends on, as 16 hexadecimal digits."""
    digest = hashlib.sha256(repr((sorted(FASTMATH), LANES, numba.__version__, llvmlite.__version__, sys.version_info[:2], cpu())).encode())
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(path.relative_to(Path(__file__).parent).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:16]


@cache
def cache_folder() -> Path | None:
    """Where compiled kernels are kept; None, after one warning, when no such folder can be written.

    ``$KWSFEAT_CACHE_DIR``, else ``$XDG_CACHE_HOME/kwsfeat``, else ``~/.cache/kwsfeat``.
    """
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(os.environ.get("KWSFEAT_CACHE_DIR") or Path(base, "kwsfeat")) / cache_key()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".probe-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        warnings.warn(
            f"kernels are compiled anew in every process, because {folder} cannot be written ({error.strerror}): set KWSFEAT_CACHE_DIR",
            stacklevel=2,
        )
        return None
    return folder


def jit(function: Callable[..., Any]) -> Any:
    """Compile `function` on first call: nogil, NumPy's error model, the project's flags, the project's disk cache."""
    return _compiled(function, cached=True)


def inlined(function: Callable[..., Any]) -> Any:
    """A small helper that vanishes into the kernels that call it."""
    return _compiled(function, cached=False, forceinline=True)


def _compiled(function: Callable[..., Any], *, cached: bool, **options: Any) -> Any:
    folder = cache_folder() if cached else None
    before = numba.config.CACHE_DIR
    try:
        if folder is not None:
            numba.config.CACHE_DIR = str(folder)  # read once, while the dispatcher is made
        return njit(fastmath=set(FASTMATH), error_model="numpy", nogil=True, cache=folder is not None, **options)(function)
    finally:
        numba.config.CACHE_DIR = before
