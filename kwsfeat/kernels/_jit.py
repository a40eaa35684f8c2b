"""The ways to compile a kernel: the flags, what Python can call and what only kernels can, and where compiled code is kept.

The cache folder is named by a hash of every kernel file, the flags, the lane count, numba's version and the processor: changed
code is never found in it.
"""

from __future__ import annotations

import hashlib
import logging
import os
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite
import llvmlite.binding as llvm
import numba
from numba.core import sigutils, types
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import CPUDispatcher

from kwsfeat.kernels._cache import KernelCache

# Not "nnan" and "ninf": a NaN in a recording must come out as a NaN, not as a number.
FASTMATH = frozenset({"contract", "reassoc", "nsz", "arcp", "afn"})


def jit(function: Callable[..., Any]) -> Any:
    """Compile `function` for Python on first call: nogil, NumPy's error model, the project's flags, the project's disk cache."""
    kernel = _Kernel(function, targetoptions=_options())
    folder = cache_folder()
    if folder is not None:
        kernel._cache = KernelCache(function, folder)
    return kernel


def stage(function: Callable[..., Any]) -> Any:
    """A part of kernels, compiled into each that calls it; Python cannot call it."""
    return _Stage(function, targetoptions=_options(no_cpython_wrapper=True), pipeline_class=_StageCompiler)


def inlined(function: Callable[..., Any]) -> Any:
    """A small `stage` that vanishes into the kernels that call it."""
    return _Stage(function, targetoptions=_options(no_cpython_wrapper=True, forceinline=True), pipeline_class=_StageCompiler)


def c_address(function: Callable[[int], int]) -> int:
    """Compile `function`, int64 to int64, and return the address at which C calls it, valid as long as the process; kept like a `jit`."""
    kernel = _Kernel(function, targetoptions=_options(no_cfunc_wrapper=False))
    folder = cache_folder()
    if folder is not None:
        kernel._cache = KernelCache(function, folder)
    kernel.compile(_CALLED_FROM_C)
    compiled = kernel.overloads[_CALLED_FROM_C]
    _called_from_c.append(kernel)
    return compiled.library.get_pointer_to_function(compiled.fndesc.llvm_cfunc_wrapper_name)


def is_kept(function: Callable[[int], int]) -> bool:
    """Whether `c_address` finds `function` on disk, and has nothing to compile."""
    folder = cache_folder()
    return folder is not None and KernelCache(function, folder).has(_CALLED_FROM_C)


_CALLED_FROM_C = (types.int64,)
_called_from_c: list[Any] = []  # their code must stay


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
    """Where compiled kernels are kept; None for a user without a home.

    ``$KWSFEAT_CACHE_DIR``, else ``$XDG_CACHE_HOME/kwsfeat``, else ``~/.cache/kwsfeat``.
    """
    try:
        base = os.environ.get("KWSFEAT_CACHE_DIR") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "kwsfeat")
    except RuntimeError:
        return None
    return Path(base) / cache_key()


def _options(**more: bool) -> dict[str, Any]:
    return {
        "nopython": True,
        "boundscheck": None,
        "nogil": True,
        "error_model": "numpy",
        "fastmath": set(FASTMATH),
        "no_cfunc_wrapper": True,
        **more,
    }


class _Kernel(CPUDispatcher):
    """Numba's dispatcher, which would compile f(x, 0) and f(x, 1) apart when another kernel calls them: here a number is a number."""

    def get_call_template(self, args, kws):
        plain = {name: types.unliteral(kind) for name, kind in kws.items()}
        return super().get_call_template(tuple(types.unliteral(kind) for kind in args), plain)

    def compile(self, sig):
        with global_compiler_lock, _watch:
            return super().compile(sig)


class _Stage(_Kernel):
    """A function without an entry point; the kernels that call it find it by what describes it."""

    def __call__(self, *args, **kws):
        raise TypeError(f"{self.py_func.__qualname__} is a stage of kernels: Python calls only what is decorated with jit")

    def add_overload(self, cres):
        self.overloads[tuple(cres.signature.args)] = cres
        self.targetctx.insert_user_function(cres.fndesc, cres.fndesc, [cres.library])

    def get_overload(self, sig):
        args, _ = sigutils.normalize_signature(sig)
        return self.overloads[tuple(args)].fndesc


class _StageCompiler(CompilerBase):
    """Numba would optimise every function and make machine code of it, and again inside each caller: three quarters of the time.

    A stage stops before both, and is optimised once, as a part of its kernel.
    """

    def define_pipelines(self):
        self.state.library = _StageLibrary(self.state.targetctx.codegen(), self.state.func_id.func_qualname)
        self.state.flags.no_compile = True
        return [DefaultPassBuilder.define_nopython_pipeline(self.state)]


class _StageLibrary(JITCodeLibrary):
    def _optimize_final_module(self):
        pass

    def _finalize_final_module(self):
        self._finalize_dynamic_globals()
        self._finalized = True


class _Watch:
    """Says once in a process that kernels are being compiled, when that has taken a second."""

    def __init__(self) -> None:
        self._depth, self._began, self._spent, self._said = 0, 0.0, 0.0, False

    def __enter__(self) -> None:
        now = time.monotonic()
        if self._depth == 0:
            self._began = now
        elif not self._said and self._spent + now - self._began > 1.0:
            self._said = True
            kept = f"kept in {cache_folder()}" if cache_folder() else "not kept"
            logging.getLogger("kwsfeat").info(f"compiling kernels, about 10 s, {kept}")
        self._depth += 1

    def __exit__(self, *error: object) -> None:
        self._depth -= 1
        if self._depth == 0:
            self._spent += time.monotonic() - self._began


_watch = _Watch()
