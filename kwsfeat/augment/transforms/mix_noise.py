"""Noise in the background."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kwsfeat.augment.clips import as_clips
from kwsfeat.augment.noise import Noise
from kwsfeat.augment.transform import Parameters, Transform, between, check_bounds
from kwsfeat.errors import ConfigError


@dataclass(frozen=True)
class MixNoise(Transform, kind="mix_noise"):
    """Add a piece of the corpus's own noise, at an amplitude (factor on the noise) or at a signal-to-noise ratio.

    Exactly one of `amplitude` and `snr_db` is given. The sum is clipped to [-1, 1], as a converter would.
    """

    noise: Noise
    amplitude: tuple[float, float] | None = None
    snr_db: tuple[float, float] | None = None
    n_uniform = 3

    def __post_init__(self) -> None:
        if (self.amplitude is None) == (self.snr_db is None):
            raise ConfigError("mix_noise takes exactly one of amplitude and snr_db")
        if self.amplitude is not None:
            check_bounds("amplitude", self.amplitude, 0.0, 100.0)
        if self.snr_db is not None:
            check_bounds("snr_db", self.snr_db, -100.0, 100.0)

    def parameters(self, u: Sequence[float]) -> Parameters:
        """``{"recording": index, "position": fraction of the recording, "amplitude" or "snr_db": value}``."""
        drawn = {"recording": int(u[0] * self.noise.n_recordings), "position": u[1]}
        if self.amplitude is not None:
            return drawn | {"amplitude": between(self.amplitude, u[2])}
        assert self.snr_db is not None
        return drawn | {"snr_db": between(self.snr_db, u[2])}

    def apply(self, y: ArrayLike, parameters: Parameters) -> NDArray[np.float32]:
        """The shape of `y`; silence stays as it is under `snr_db`, for no noise is that far below nothing."""
        clips = as_clips(y)
        if not clips.size:
            return clips
        piece = self.noise.piece(parameters["recording"], parameters["position"], clips.shape[-1])
        if "amplitude" in parameters:
            factor: NDArray[np.float32] | np.float32 = np.float32(parameters["amplitude"])
        else:
            power = np.mean(np.square(clips, dtype=np.float64), axis=-1, keepdims=True)
            noise_power = max(float(np.mean(np.square(piece, dtype=np.float64))), 1e-20)
            factor = np.sqrt(power / noise_power * 10.0 ** (-parameters["snr_db"] / 10.0)).astype(np.float32)
        return np.clip(clips + factor * piece, np.float32(-1), np.float32(1))
