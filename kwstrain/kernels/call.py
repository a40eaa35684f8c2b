"""The call of a kernel from JAX: in jit, scan, shard_map and custom_vjp, on a CPU."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any

import jax
import jax.ffi
import numpy as np

from kwstrain.kernels.declaration import Kernel
from kwstrain.kernels.together import compile_together

_HANDLER = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)


def kernel_call(
    kernel: Kernel, results: Sequence[jax.ShapeDtypeStruct], *arrays: jax.Array, parts: int | None = None, **numbers: int
) -> Any:
    """The results of `kernel`, a tuple, or the one that it has.

    Parameters
    ----------
    kernel : Kernel
        What :func:`~kwstrain.kernels.declaration.kernel` made.
    results : sequence of ShapeDtypeStruct
        Of each result.
    *arrays : jax.Array
        The arguments, of the declared dtypes and shapes.
    parts : int, >= 1, optional
        Into how many parts the work is cut; without it, the first argument's first axis.
    **numbers : int
        The declared whole numbers.

    Raises
    ------
    ValueError
        If anything is not what the kernel declares.
    """
    numbers = {"parts": arrays[0].shape[0] if parts is None and arrays else parts or 0, **numbers}
    kernel.check(arrays, results, numbers)
    traced = _traced.get()
    if traced is None:
        _register(kernel)
    else:
        traced[kernel] = None
    attribute = np.array([numbers[name] for name in kernel.numbers], np.int64)
    found = jax.ffi.ffi_call(kernel.target, list(results))(*arrays, numbers=attribute)
    return found[0] if len(results) == 1 else tuple(found)


@contextmanager
def compiled_together() -> Iterator[None]:
    """Compile the kernels of the programs that are traced within, and not run, all at once at the end: by two processes."""
    traced: dict[Kernel, None] = {}
    token = _traced.set(traced)
    try:
        yield
    finally:
        _traced.reset(token)
    compile_together([*traced])
    for kernel in traced:
        _register(kernel)


_traced: ContextVar[dict[Kernel, None] | None] = ContextVar("_traced", default=None)


@cache
def _register(kernel: Kernel) -> None:
    """Once in a process."""
    jax.ffi.register_ffi_target(kernel.target, jax.ffi.pycapsule(_HANDLER(kernel.address)), platform="cpu")
