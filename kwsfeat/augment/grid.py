"""Every combination of fixed rates and semitones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kwsfeat.augment.clips import as_clips
from kwsfeat.augment.stretch import MAX_RATE, MAX_STEPS, MIN_RATE, Method, pitch_shift, stretch_and_shift, time_stretch
from kwsfeat.augment.transform import Parameters, Transform, check_bounds
from kwsfeat.errors import ConfigError


@dataclass(frozen=True)
class Grid(Transform):
    """Every rate with every number of semitones, rates outermost; a draw takes one of them."""

    rates: tuple[float, ...]
    steps: tuple[float, ...]
    method: Method = "wsola"
    sr: int = 16000
    n_uniform = 1

    def __post_init__(self) -> None:
        if not self.rates or not self.steps:
            raise ConfigError("a grid needs at least one rate and one number of steps")
        check_bounds("rates", (min(self.rates), max(self.rates)), MIN_RATE, MAX_RATE)
        check_bounds("steps", (min(self.steps), max(self.steps)), -MAX_STEPS, MAX_STEPS)
        if self.method not in set(get_args(Method)) - {"speed"}:
            raise ConfigError(f"method={self.method!r} must be wsola, vocoder or vocoder-locked")

    def all(self) -> list[Parameters]:
        """The parameters of every variant, in order."""
        return [{"rate": rate, "n_steps": n_steps} for rate in self.rates for n_steps in self.steps]

    def parameters(self, u: Sequence[float]) -> Parameters:
        """``{"rate", "n_steps"}``."""
        return self.all()[int(u[0] * len(self.rates) * len(self.steps))]

    def apply(self, y: ArrayLike, parameters: Parameters) -> NDArray[np.float32]:
        """Shape (..., round(n_samples / rate))."""
        if np.ndim(y) == 1:
            return stretch_and_shift(as_clips(y), self.sr, (parameters["rate"],), (parameters["n_steps"],), self.method)[0]
        stretched = time_stretch(y, parameters["rate"], sr=self.sr, method=self.method)
        return pitch_shift(stretched, self.sr, parameters["n_steps"], method=self.method)
