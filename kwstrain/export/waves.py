"""Cosines and sines that a graph computes when it is loaded: two tables of `n_fft` values instead of a matrix of a megabyte.

Their phases are the integers ``k n mod n_fft``, so that float32 rounds only the values; rounding ``2 pi k n / n_fft`` would cost 1e-4.
"""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from jax.extend.core import Primitive
from numpy.typing import NDArray

waves_p = Primitive("waves")


def waves(first: int, n_bins: int, *, n_fft: int, length: int) -> jax.Array:
    """``cos(2 pi k n / n_fft)`` of bins k = `first` .. `first` + `n_bins` - 1, then the sines: float32 ``(2 n_bins, length)``."""
    found: jax.Array = waves_p.bind(first=first, n_bins=n_bins, n_fft=n_fft, length=length)
    return found


def phases(first: int, n_bins: int, length: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """k ``(n_bins, 1)`` and n ``(1, length)``, whose product is the phase in steps of ``2 pi / n_fft``."""
    return np.arange(first, first + n_bins)[:, None], np.arange(length)[None]


def tables(n_fft: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """A period of the cosine and of the sine, ``(n_fft,)``."""
    turn = 2 * np.pi * np.arange(n_fft) / n_fft
    return np.cos(turn).astype(np.float32), np.sin(turn).astype(np.float32)


@waves_p.def_impl  # type: ignore[untyped-decorator]
def _values(*, first: int, n_bins: int, n_fft: int, length: int) -> jax.Array:
    k, n = phases(first, n_bins, length)
    return jax.numpy.asarray(np.concatenate([table[k * n % n_fft] for table in tables(n_fft)]))


@waves_p.def_abstract_eval  # type: ignore[untyped-decorator]
def _shape(*, first: int, n_bins: int, n_fft: int, length: int) -> Any:
    return jax.core.ShapedArray((2 * n_bins, length), np.dtype(np.float32))
