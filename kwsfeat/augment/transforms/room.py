"""Reverberation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kwsfeat.augment.clips import as_clips
from kwsfeat.augment.transform import Parameters, Transform, between, check_bounds
from kwsfeat.errors import ConfigError
from kwsfeat.kernels.waveform.level import mean_square


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
        clips = as_clips(y)
        if not clips.size:
            return clips
        given = "response" in parameters
        response = np.asarray(self.responses[parameters["response"]] if given else self._synthetic(parameters), np.float32)
        direct, n = int(np.abs(response).argmax()), clips.shape[-1]
        heard = _convolved(clips, response)[..., direct : direct + n]
        if clips.ndim == 1:
            heard *= _level(clips, heard)
        else:
            for clip, one in zip(clips, heard, strict=True):
                one *= _level(clip, one)
        return np.ascontiguousarray(heard)

    def _synthetic(self, parameters: Parameters) -> NDArray[np.float64]:
        n = max(2, round(parameters["rt60_ms"] * 1e-3 * self.sr))
        tail: NDArray[np.float64] = np.random.default_rng(parameters["seed"]).standard_normal(n)
        tail *= np.exp(np.arange(n) * (-3.0 * np.log(10.0) / n))
        tail[0] = 0.0
        tail *= np.sqrt(10.0 ** (-parameters["direct_db"] / 10.0) / np.sum(tail * tail))
        tail[0] = max(1.0, 1.001 * np.abs(tail).max())
        return tail


def _convolved(clips: NDArray[np.float32], response: NDArray[np.float32]) -> NDArray[np.float32]:
    """All of the convolution along the last axis, in float32."""
    from scipy.fft import irfft, next_fast_len, rfft

    n_fft = next_fast_len(clips.shape[-1] + response.size - 1, real=True)
    convolved: NDArray[np.float32] = irfft(rfft(clips, n_fft) * rfft(response, n_fft), n_fft, overwrite_x=True)
    return convolved


def _level(clip: NDArray[np.float32], heard: NDArray[np.float32]) -> np.float32:
    """What brings `heard` to the mean square of the clip."""
    return np.float32(np.sqrt(mean_square(clip) / max(mean_square(heard), 1e-30)))
