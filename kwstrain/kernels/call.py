"""The call of a kernel from JAX: in jit, scan, shard_map and custom_vjp, on a CPU."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import cache
from typing import Any

import jax
import jax.ffi
import numpy as np

from kwstrain.kernels.declaration import Kernel

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
    _register(kernel)
    attribute = np.array([numbers[name] for name in kernel.numbers], np.int64)
    found = jax.ffi.ffi_call(kernel.target, list(results))(*arrays, numbers=attribute)
    return found[0] if len(results) == 1 else tuple(found)


@cache
def _register(kernel: Kernel) -> None:
    """Once in a process."""
    jax.ffi.register_ffi_target(kernel.target, jax.ffi.pycapsule(_HANDLER(kernel.address)), platform="cpu")
