"""Transforms of the waveform, each a frozen description: see :mod:`kwsfeat.augment.transform`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kwsfeat.augment.clips import as_clips
from kwsfeat.augment.noise import Noise
from kwsfeat.augment.stretch import MAX_RATE, MAX_STEPS, MIN_RATE, Method, pitch_shift, time_stretch
from kwsfeat.augment.transform import Parameters, Transform, between, check_bounds
from kwsfeat.errors import ConfigError
from kwsfeat.features.filtering import butter_sos, sosfilt


@dataclass(frozen=True)
class TimeStretch(Transform):
    """:func:`time_stretch` by a rate from a range; the clip's length changes with it."""

    rate: tuple[float, float] = (0.85, 1.15)
    method: Method = "wsola"
    sr: int = 16000
    n_uniform = 1

    def __post_init__(self) -> None:
        check_bounds("rate", self.rate, MIN_RATE, MAX_RATE)

    def parameters(self, u: Sequence[float]) -> Parameters:
        """``{"rate": above 1 is faster}``."""
        return {"rate": between(self.rate, u[0])}

    def apply(self, y: ArrayLike, parameters: Parameters) -> NDArray[np.float32]:
        """Shape (..., round(n_samples / rate))."""
        return time_stretch(y, parameters["rate"], sr=self.sr, method=self.method)


@dataclass(frozen=True)
class PitchShift(Transform):
    """:func:`pitch_shift` by a number of semitones from a range."""

    n_steps: tuple[float, float] = (-2.0, 2.0)
    method: Method = "wsola"
    sr: int = 16000
    n_uniform = 1

    def __post_init__(self) -> None:
        check_bounds("n_steps", self.n_steps, -MAX_STEPS, MAX_STEPS)

    def parameters(self, u: Sequence[float]) -> Parameters:
        """``{"n_steps": semitones}``."""
        return {"n_steps": between(self.n_steps, u[0])}

    def apply(self, y: ArrayLike, parameters: Parameters) -> NDArray[np.float32]:
        """The shape of `y`."""
        return pitch_shift(y, self.sr, parameters["n_steps"], method=self.method)


@dataclass(frozen=True)
class TimeShift(Transform):
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


@dataclass(frozen=True)
class MixNoise(Transform):
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
        """``{"recording": index, "position": share of the recording, "amplitude" or "snr_db": value}``."""
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


@dataclass(frozen=True)
class Gain(Transform):
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


@dataclass(frozen=True)
class Room(Transform):
    """The clip as heard in a room: convolution with an impulse response, at the clip's own level.

    With `responses` (1-D arrays at `sr`) one of them is taken. Without, one is made: the direct sound, and behind it noise that
    decays by 60 dB in a time from `rt60_ms`, with the energy of the direct sound divided by a ratio from `direct_db`.
    """

    responses: tuple[NDArray[np.float32], ...] = field(default=(), repr=False)
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


@dataclass(frozen=True)
class Filter(Transform):
    """Take a part of the band away: Butterworth, causal.

    ``band-stop`` removes a band of a width from `octaves` around a centre from `hz`; ``low-pass`` removes what lies above a
    frequency from `hz`. Frequencies are drawn evenly in octaves, and end just below half the
    sampling rate; where `kinds` has both, each has the same chance.
    """

    kinds: tuple[str, ...] = ("band-stop", "low-pass")
    hz: tuple[float, float] = (300.0, 6000.0)
    octaves: tuple[float, float] = (0.2, 1.0)
    order: int = 4
    sr: int = 16000
    n_uniform = 3

    def __post_init__(self) -> None:
        if not self.kinds or any(kind not in ("band-stop", "low-pass") for kind in self.kinds):
            raise ConfigError(f"kinds={list(self.kinds)} must be band-stop, low-pass or both")
        check_bounds("octaves", self.octaves, 0.01, 6.0)
        check_bounds("hz", self.hz, 1.0, 1e6)
        if self.order < 1:
            raise ConfigError(f"order={self.order} must be >= 1")

    def parameters(self, u: Sequence[float]) -> Parameters:
        """``{"kind", "hz"}``, and ``"octaves"`` of a band-stop."""
        kind = self.kinds[int(u[0] * len(self.kinds))]
        low, high = np.log2(self.hz)
        drawn = {"kind": kind, "hz": float(2.0 ** between((low, high), u[1]))}
        return drawn | {"octaves": between(self.octaves, u[2])} if kind == "band-stop" else drawn

    def apply(self, y: ArrayLike, parameters: Parameters) -> NDArray[np.float32]:
        """The shape of `y`."""
        clips, top_hz = as_clips(y), 0.49 * self.sr
        if not clips.size:
            return clips
        if parameters["kind"] == "low-pass":
            sos = butter_sos(self.order, min(parameters["hz"], top_hz), sr=self.sr)
        else:
            half = 2.0 ** (parameters["octaves"] / 2.0)
            edges = min(parameters["hz"] / half, 0.9 * top_hz), min(parameters["hz"] * half, top_hz)
            sos = butter_sos(self.order, edges, sr=self.sr, btype="bandstop")
        filtered = sosfilt(sos, clips)
        assert isinstance(filtered, np.ndarray)
        return filtered


@dataclass(frozen=True)
class Clip(Transform):
    """A microphone driven too far: samples beyond a share (from `level`) of the clip's peak are cut flat."""

    level: tuple[float, float] = (0.2, 0.9)
    n_uniform = 1

    def __post_init__(self) -> None:
        check_bounds("level", self.level, 0.001, 1.0)

    def parameters(self, u: Sequence[float]) -> Parameters:
        """``{"level": share of the peak}``."""
        return {"level": between(self.level, u[0])}

    def apply(self, y: ArrayLike, parameters: Parameters) -> NDArray[np.float32]:
        """The shape of `y`."""
        clips = as_clips(y)
        bound = np.float32(parameters["level"]) * _peak(clips)
        return np.clip(clips, -bound, bound)


@dataclass(frozen=True)
class Tanh(Transform):
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
