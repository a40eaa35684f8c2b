"""Samples in memory: float32 in [-1, 1] or int16, and the one way from one to the other."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kwsfeat.errors import AudioError

Samples = NDArray[Any]


def as_int16(y: Samples) -> NDArray[np.int16]:
    """16-bit samples of `y` in [-1, 1]: times 32768, rounded, clipped; int16 passes through."""
    if y.dtype == np.int16:
        return y
    return np.clip(np.rint(y * np.float32(32768.0)), -32768, 32767).astype(np.int16)


def as_float32(y: Samples) -> NDArray[np.float32]:
    """`y` in [-1, 1] as float32: int16 is divided by 32768."""
    return y * np.float32(1 / 32768) if y.dtype == np.int16 else y.astype(np.float32, copy=False)


def require_finite(values: NDArray[np.generic], name: str, check_finite: bool) -> None:
    """Raise AudioError when `check_finite` and `values`, called `name` in the message, hold NaN or infinity.

    A sum is not finite when a term is not, and costs a third of looking at every value, which is left for when it is not.
    """
    if not check_finite or values.dtype.kind in "iu":
        return
    with np.errstate(invalid="ignore", over="ignore"):
        total = values.sum()
    if not np.isfinite(total) and not np.isfinite(values).all():
        raise AudioError(f"{name} holds NaN or infinity: repair the recording, or pass check_finite=False")
