"""Moving a clip in time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kwsfeat.augment.clips import as_clips
from kwsfeat.augment.transform import Parameters, Transform
from kwsfeat.errors import ConfigError


@dataclass(frozen=True)
class TimeShift(Transform, kind="time_shift"):
    """Move the clip by up to `max_ms` to either side; zeros come in."""

    max_ms: float = 100.0
    sr: int = 16000
    n_uniform = 1

    def __post_init__(self) -> None:
        if not self.max_ms >= 0:
            raise ConfigError(f"max_ms={self.max_ms} must be >= 0")

    def parameters(self, u: Sequence[float]) -> Parameters:
        """``{"shift": samples}``; positive is later."""
        return {"shift": round((2.0 * u[0] - 1.0) * self.max_ms * 1e-3 * self.sr)}

    def apply(self, y: ArrayLike, parameters: Parameters) -> NDArray[np.float32]:
        """The shape of `y`."""
        clips, shift = as_clips(y), parameters["shift"]
        out = np.zeros_like(clips)
        if shift >= 0:
            out[..., shift:] = clips[..., : clips.shape[-1] - shift] if shift < clips.shape[-1] else 0.0
        else:
            out[..., :shift] = clips[..., -shift:]
        return out
