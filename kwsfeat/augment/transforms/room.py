"""Reverberation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kwsfeat.augment.clips import as_clips
from kwsfeat.augment.transform import Parameters, Transform, between, check_bounds
from kwsfeat.errors import ConfigError


@dataclass(frozen=True)
class Room(Transform, kind="room"):
    """The clip as heard in a room: convolution with an impulse response, at the clip's own level.

    With `responses` (1-D arrays at `sr`) one of them is taken. Without, one is made: the direct sound, and after it noise that
    decays by 60 dB in a time from `rt60_ms`, with the energy of the direct sound divided by a ratio from `direct_db`.
    """

    responses: tuple[NDArray[np.float32], ...] = field(default=(), repr=False, metadata={"toml": False})
    rt60_ms: tuple[float, float] = (100.0, 500.0)
    direct_db: tuple[float, float] = (0.0, 12.0)
    sr: int = 16000
    n_uniform = 3

    def __post_init__(self) -> None:
        check_bounds("rt60_ms", self.rt60_ms, 1.0, 10_000.0)
        check_bounds("direct_db", self.direct_db, -60.0, 60.0)
        if any(np.ndim(h) != 1 or not np.any(h) for h in self.responses):
            raise ConfigError("responses must be one-dimensional and not silent")

    def parameters(self, u: Sequence[float]) -> Parameters:
        """``{"response": index}``, or ``{"rt60_ms", "direct_db", "seed"}`` of a synthetic one."""
        if self.responses:
            return {"response": int(u[0] * len(self.responses))}
        return {"rt60_ms": between(self.rt60_ms, u[0]), "direct_db": between(self.direct_db, u[1]), "seed": int(u[2] * 2**32)}

    def apply(self, y: ArrayLike, parameters: Parameters) -> NDArray[np.float32]:
        """The shape of `y`; the strongest sample of the response, its direct sound, stays in place."""
        from scipy.signal import fftconvolve

        clips = as_clips(y)
        response = self.responses[parameters["response"]] if "response" in parameters else self._synthetic(parameters)
        response = response.reshape((1,) * (clips.ndim - 1) + (-1,))
        direct = int(np.abs(response).argmax())
        heard = fftconvolve(clips, response, axes=-1)[..., direct : direct + clips.shape[-1]] if clips.size else clips
        power, heard_power = (np.sum(np.square(x, dtype=np.float64), axis=-1, keepdims=True) for x in (clips, heard))
        level = np.sqrt(power / np.maximum(heard_power, 1e-30))
        return np.asarray(heard * level, np.float32)

    def _synthetic(self, parameters: Parameters) -> NDArray[np.float64]:
        n = max(2, round(parameters["rt60_ms"] * 1e-3 * self.sr))
        decay: NDArray[np.float64] = 10.0 ** (-3.0 * np.arange(n) / n)
        tail: NDArray[np.float64] = np.random.default_rng(parameters["seed"]).standard_normal(n) * decay
        tail[0] = 0.0
        tail *= np.sqrt(10.0 ** (-parameters["direct_db"] / 10.0) / np.sum(tail**2))
        tail[0] = max(1.0, 1.001 * np.abs(tail).max())
        return tail
