"""Distortion: hard, as of an overdriven microphone, and soft."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kwsfeat.augment.clips import as_clips
from kwsfeat.augment.transform import Parameters, Transform, between, check_bounds


@dataclass(frozen=True)
class Clipping(Transform, kind="clip"):
    """A microphone driven too far: samples beyond a fraction (from `level`) of the clip's peak are cut flat."""

    level: tuple[float, float] = (0.2, 0.9)
    n_uniform = 1

    def __post_init__(self) -> None:
        check_bounds("level", self.level, 0.001, 1.0)

    def parameters(self, u: Sequence[float]) -> Parameters:
        """``{"level": fraction of the peak}``."""
        return {"level": between(self.level, u[0])}

    def apply(self, y: ArrayLike, parameters: Parameters) -> NDArray[np.float32]:
        """The shape of `y`."""
        clips = as_clips(y)
        bound = np.float32(parameters["level"]) * _peak(clips)
        return np.clip(clips, -bound, bound)


@dataclass(frozen=True)
class Tanh(Transform, kind="tanh"):
    """A soft distortion: ``tanh(drive * y / peak)``, scaled so that the peak stays."""

    drive: tuple[float, float] = (0.5, 5.0)
    n_uniform = 1

    def __post_init__(self) -> None:
        check_bounds("drive", self.drive, 0.001, 1000.0)

    def parameters(self, u: Sequence[float]) -> Parameters:
        """``{"drive": value}``."""
        return {"drive": between(self.drive, u[0])}

    def apply(self, y: ArrayLike, parameters: Parameters) -> NDArray[np.float32]:
        """The shape of `y`."""
        clips, drive = as_clips(y), np.float32(parameters["drive"])
        peak = _peak(clips)
        scaled = np.tanh(clips * (drive / np.maximum(peak, np.float32(1e-30))))
        return np.asarray(scaled * (peak / np.tanh(drive)), np.float32)


def _peak(clips: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(np.abs(clips).max(axis=-1, keepdims=True, initial=0.0), np.float32)
