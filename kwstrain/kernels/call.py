"""The call of a kernel from JAX: in jit, scan, shard_map and custom_vjp, on a CPU."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Event
from typing import Any

import jax
import jax.ffi
import numpy as np

from kwstrain.kernels.declaration import Kernel
from kwstrain.kernels.together import compile_together
from kwstrain.kernels.xla.stand_in import StandIns

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
def noted() -> Iterator[list[Kernel]]:
    """The kernels of the programs that are traced within, and not run: they are not compiled."""
    traced: dict[Kernel, None] = {}
    kernels: list[Kernel] = []
    token = _traced.set(traced)
    try:
        yield kernels
    finally:
        _traced.reset(token)
        kernels += traced


@contextmanager
def compiled_meanwhile(kernels: Sequence[Kernel]) -> Iterator[None]:
    """Within, XLA knows `kernels`, and can compile programs that call them; at the end these can run, and not before.

    Kernels that are not on disk are compiled by a thread and by a helper of it.
    """
    missing = [kernel for kernel in kernels if kernel not in _registered and not kernel.kept]
    for kernel in kernels:
        if kernel not in missing:
            _register(kernel)
    if not missing:
        yield
        return
    stand_ins = StandIns(len(missing))
    for kernel, address in zip(missing, stand_ins.addresses, strict=True):
        _register(kernel, address)
    _kept.append(stand_ins)
    stopped = Event()
    with ThreadPoolExecutor(1) as pool:
        compiled = pool.submit(compile_together, missing, stopped)
        try:
            yield
            compiled.result()
        finally:
            stopped.set()
    for i, kernel in enumerate(missing):
        stand_ins.fill(i, kernel.address)


_traced: ContextVar[dict[Kernel, None] | None] = ContextVar("_traced", default=None)
_registered: set[Kernel] = set()
_kept: list[StandIns] = []  # XLA calls them as long as the process


def _register(kernel: Kernel, address: int | None = None) -> None:
    """Once in a process."""
    if kernel not in _registered:
        jax.ffi.register_ffi_target(kernel.target, jax.ffi.pycapsule(_HANDLER(address or kernel.address)), platform="cpu")
        _registered.add(kernel)
