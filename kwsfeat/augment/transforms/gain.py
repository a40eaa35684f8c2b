"""Loudness."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kwsfeat.augment.clips import as_clips
from kwsfeat.augment.transform import Parameters, Transform, between, check_bounds


@dataclass(frozen=True)
class Gain(Transform, kind="gain"):
    """Louder or softer, by decibels from a range."""

    gain_db: tuple[float, float] = (-6.0, 6.0)
    n_uniform = 1

    def __post_init__(self) -> None:
        check_bounds("gain_db", self.gain_db, -100.0, 100.0)

    def parameters(self, u: Sequence[float]) -> Parameters:
        """``{"gain_db": value}``."""
        return {"gain_db": between(self.gain_db, u[0])}

    def apply(self, y: ArrayLike, parameters: Parameters) -> NDArray[np.float32]:
        """The shape of `y`; not clipped."""
        return as_clips(y) * np.float32(10.0 ** (parameters["gain_db"] / 20.0))
