"""Time-stretching and pitch-shifting by a random amount."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kwsfeat.augment.stretch import MAX_RATE, MAX_STEPS, MIN_RATE, Method, pitch_shift, time_stretch
from kwsfeat.augment.transform import Parameters, Transform, between, check_bounds
from kwsfeat.config.option import Bound, checked


@dataclass(frozen=True)
class TimeStretch(Transform, kind="time_stretch"):
    """:func:`time_stretch` by a rate from a range; the clip's length changes with it."""

    rate: tuple[float, float] = (0.85, 1.15)
    method: Method = "wsola"
    sr: int = 16000
    n_uniform = 1

    def __post_init__(self) -> None:
        check_bounds("rate", self.rate, MIN_RATE, MAX_RATE)
        checked("method", self.method, Method, Bound())

    def parameters(self, u: Sequence[float]) -> Parameters:
        """``{"rate": above 1 is faster}``."""
        return {"rate": between(self.rate, u[0])}

    def apply(self, y: ArrayLike, parameters: Parameters) -> NDArray[np.float32]:
        """Shape (..., round(n_samples / rate))."""
        return time_stretch(y, parameters["rate"], sr=self.sr, method=self.method)


@dataclass(frozen=True)
class PitchShift(Transform, kind="pitch_shift"):
    """:func:`pitch_shift` by a number of semitones from a range."""

    n_steps: tuple[float, float] = (-2.0, 2.0)
    method: Method = "wsola"
    sr: int = 16000
    n_uniform = 1

    def __post_init__(self) -> None:
        check_bounds("n_steps", self.n_steps, -MAX_STEPS, MAX_STEPS)
        checked("method", self.method, Literal["wsola", "vocoder", "vocoder-locked"], Bound())

    def parameters(self, u: Sequence[float]) -> Parameters:
        """``{"n_steps": semitones}``."""
        return {"n_steps": between(self.n_steps, u[0])}

    def apply(self, y: ArrayLike, parameters: Parameters) -> NDArray[np.float32]:
        """The shape of `y`."""
        return pitch_shift(y, self.sr, parameters["n_steps"], method=self.method)
