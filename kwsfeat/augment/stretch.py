"""Time-stretching and pitch-shifting: what a clip is asked, checked; the work is in the kernels.

A stretcher does what every rate shares (the forward FFT, the onsets) once, and is then asked for each rate.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kwsfeat.augment.clips import as_clips, each_clip
from kwsfeat.augment.phase_vocoder import PhaseVocoder, phase_vocoder
from kwsfeat.errors import ConfigError, unknown_name
from kwsfeat.kernels._jit import LANES
from kwsfeat.kernels.simd import aligned
from kwsfeat.kernels.waveform import resample as _resample
from kwsfeat.kernels.waveform import wsola as _wsola
from kwsfeat.kernels.waveform.level import mean_square

Method = Literal["wsola", "vocoder", "vocoder-locked", "speed"]

MIN_RATE, MAX_RATE = 0.1, 10.0
MAX_STEPS = 36.0


def time_stretch(y: ArrayLike, rate: float, *, sr: int = 16000, method: Method = "wsola") -> NDArray[np.float32]:
    """Change how long a recording lasts.

    Parameters
    ----------
    y : array_like, shape (n_samples,) or (n_clips, n_samples)
        Waveform in [-1, 1], or int16.
    rate : float, 0.1 <= rate <= 10
        Above 1 is faster; 1 returns the samples unchanged.
    sr : int, Hz
        Sampling rate; only ``wsola`` needs it, for the length of its pieces.
    method : {"wsola", "vocoder", "vocoder-locked", "speed"}
        ``wsola`` (for speech): copies pieces of the waveform; keeps onsets sharp and in place, and the level. A clip that is
        not longer than a piece (30 ms), before or after, is resampled like ``speed``. ``vocoder``: librosa's phase vocoder
        with its defaults (n_fft 2048, hop 512). ``vocoder-locked``: the same with identity phase locking, at the clip's level
        and with a fade at the end, where the textbook stops in the middle of a sound. ``speed``: resampling, the pitch moves
        with the rate.

    Returns
    -------
    y_stretched : ndarray, float32, shape (..., round(n_samples / rate))

    Raises
    ------
    ConfigError
        If `rate`, `sr` or `method` is out of bounds.
    AudioError
        If a sample is NaN or infinite.

    Examples
    --------
    >>> import numpy as np
    >>> y = np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)
    >>> time_stretch(y, 1.25).shape
    (12800,)
    """
    _check(rate, sr, method)

    def stretched(clip: NDArray[np.float32]) -> NDArray[np.float32]:
        if rate == 1.0:
            return clip.copy()
        with stretcher(clip, sr, method) as stretch:
            return stretch.stretched(rate)

    return each_clip(as_clips(y), stretched)


def pitch_shift(y: ArrayLike, sr: int, n_steps: float, *, method: Method = "wsola") -> NDArray[np.float32]:
    """Move the pitch and keep the length: stretch by ``2 ** (-n_steps / 12)``, then resample to the same length.

    Parameters
    ----------
    y : array_like, shape (n_samples,) or (n_clips, n_samples)
        Waveform in [-1, 1], or int16.
    sr : int, Hz
        Sampling rate.
    n_steps : float, -36 <= n_steps <= 36
        Semitones; 0 returns the samples unchanged.
    method : {"wsola", "vocoder", "vocoder-locked"}
        How the clip is stretched, see :func:`time_stretch`. ``vocoder`` is ``librosa.effects.pitch_shift`` with its
        defaults, within 1e-3: it also has the low-pass of soxr, by which librosa resamples.

    Returns
    -------
    y_shifted : ndarray, float32, the shape of `y`

    Raises
    ------
    ConfigError, AudioError
        As :func:`time_stretch`.

    Examples
    --------
    >>> import numpy as np
    >>> y = np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)
    >>> pitch_shift(y, 16000, 12.0).shape
    (16000,)
    """
    if not abs(n_steps) <= MAX_STEPS:
        raise ConfigError(f"n_steps={n_steps} must be between -{MAX_STEPS:g} and {MAX_STEPS:g} semitones")
    if method == "speed":
        raise ConfigError("method='speed' moves the pitch by itself: use time_stretch, or another method")
    _check(1.0, sr, method)

    def shifted(clip: NDArray[np.float32]) -> NDArray[np.float32]:
        if n_steps == 0:
            return clip.copy()
        with stretcher(clip, sr, method) as stretch:
            return stretch.shifted(1.0, n_steps, clip.size)

    return each_clip(as_clips(y), shifted)


def stretch_and_shift(
    y: NDArray[np.float32], sr: int, rates: tuple[float, ...], steps: tuple[float, ...], method: Method = "wsola"
) -> list[NDArray[np.float32]]:
    """Every rate with every number of semitones, rates outermost: ``pitch_shift(time_stretch(y, rate), sr, n_steps)``.

    Both changes are one stretch by ``rate * 2 ** (-n_steps / 12)``, and the forward work is shared by all of them.

    Parameters
    ----------
    y : ndarray, float32, shape (n_samples,)
    sr : int, Hz
    rates, steps : tuple of float
        Bounds as in :func:`time_stretch` and :func:`pitch_shift`.

    Returns
    -------
    variants : list of ndarray, float32, shape (round(n_samples / rate),) each; rate 1 with 0 steps is `y` itself
    """
    variants = []
    with stretcher(y, sr, method) as stretch:
        for rate in rates:
            for n_steps in steps:
                if n_steps:
                    variants.append(stretch.shifted(rate, n_steps, round(y.size / rate)))
                else:
                    variants.append(y if rate == 1.0 else stretch.stretched(rate))
    return variants


class Stretcher:
    """What turns a rate into the stretched clip; take one with :func:`stretcher`."""

    def stretched(self, rate: float) -> NDArray[np.float32]:
        """The clip `rate` times as fast."""
        raise NotImplementedError

    def shifted(self, rate: float, n_steps: float, n_out: int) -> NDArray[np.float32]:
        """The clip `rate` times as fast and `n_steps` semitones higher, `n_out` samples."""
        ratio = 2.0 ** (n_steps / 12.0)
        stretched = self.stretched(rate * (1.0 / ratio))
        return _levelled(resample(stretched, ratio, n_out), mean_square(stretched)) if n_out else stretched


@contextmanager
def stretcher(y: NDArray[np.float32], sr: int, method: Method) -> Iterator[Stretcher]:
    """The stretcher of the clip `y`, float32, shape (n_samples,), within the block."""
    if y.size == 0 or method == "speed" or (method == "wsola" and y.size <= Pieces.at(sr).length):
        yield _Resampler(y)
    elif method == "wsola":
        yield _Wsola(y, Pieces.at(sr))
    else:
        with phase_vocoder(y) as vocoder:
            yield _LockedVocoder(vocoder, y) if method == "vocoder-locked" else _Vocoder(vocoder)


class _Resampler(Stretcher):
    def __init__(self, y: NDArray[np.float32]) -> None:
        self.y = y

    def stretched(self, rate: float) -> NDArray[np.float32]:
        return resample(self.y, rate, round(self.y.size / rate))


_FADE = 96


class _LockedVocoder(Stretcher):
    """With a fade at the end, where the textbook stops in the middle of a sound, and at the level of the clip."""

    def __init__(self, vocoder: PhaseVocoder, y: NDArray[np.float32]) -> None:
        self.vocoder, self.power = vocoder, mean_square(y)

    def stretched(self, rate: float) -> NDArray[np.float32]:
        out = self.vocoder.stretched(rate, locked=True)
        n_fade = min(out.size, _FADE)
        out[out.size - n_fade :] *= np.linspace(1.0, 0.0, n_fade, dtype=np.float32)
        return _levelled(out, self.power)


class _Vocoder(Stretcher):
    """librosa's: nothing but the algorithm."""

    def __init__(self, vocoder: PhaseVocoder) -> None:
        self.vocoder = vocoder

    def stretched(self, rate: float) -> NDArray[np.float32]:
        return self.vocoder.stretched(rate, locked=False)

    def shifted(self, rate: float, n_steps: float, n_out: int) -> NDArray[np.float32]:
        ratio = 2.0 ** (n_steps / 12.0)
        return self.vocoder.shifted(rate * (1.0 / ratio), ratio, n_out)


def _levelled(out: NDArray[np.float32], power: float) -> NDArray[np.float32]:
    """`out`, scaled in place to the mean square `power`, by 6 dB at most: what was moved out of the band stays lost."""
    found = mean_square(out) if out.size else 0.0
    if found > 0.0:
        out *= np.float32(min(max(math.sqrt(power / found), 0.5), 2.0))
    return out


def _check(rate: float, sr: int, method: str) -> None:
    if not MIN_RATE <= rate <= MAX_RATE:
        raise ConfigError(f"rate={rate} must be between {MIN_RATE} and {MAX_RATE:g}")
    if sr < 1000:
        raise ConfigError(f"sr={sr} must be >= 1000 Hz")
    if method not in get_args(Method):
        raise unknown_name("stretching method", method, get_args(Method))


# --- resampling

_TAPS = 96  # zero crossings of the sinc that are kept, both sides together
_KAISER_BETA = 8.96  # 90 dB down outside the pass-band (Kaiser 1974)
_RESOLUTION = 512
_ROLL_OFF = 0.94  # middle of the transition band, as a fraction of the lower Nyquist frequency
_FRACTIONS = (128, 256, 512)


def resample(y: NDArray[np.float32], ratio: float, n_out: int) -> NDArray[np.float32]:
    """``out[i]`` is the band-limited signal at sample ``i * ratio``; zeros outside the clip.

    `ratio` is rounded to a fraction: for most to within 0.1 cents, for those beside a simple fraction to within 1.7 cents.
    """
    numerator, denominator = _fraction(ratio)
    bank = _bank(numerator, denominator)
    before = bank.shape[1] // 2 - 1
    padded = np.zeros(max(-(-n_out * numerator // denominator), y.size) + bank.shape[1] + 1, np.float32)
    padded[before : before + y.size] = y
    out = np.empty(n_out, np.float32)
    _resample.resample(padded, bank, numerator, out)
    return out


def _fraction(ratio: float) -> tuple[int, int]:
    """Numerator and denominator near enough to `ratio`, with few filters if possible: they are made anew for every ratio."""
    for limit in _FRACTIONS:
        numerator, denominator = _nearest_fraction(ratio, limit)
        if abs(numerator / denominator - ratio) < 6e-5 * ratio:
            break
    return numerator, denominator


def _nearest_fraction(value: float, limit: int) -> tuple[int, int]:
    """``Fraction(value).limit_denominator(limit)``, in a tenth of the time: continued fractions, in integers alone."""
    n, whole = value.as_integer_ratio()
    if whole <= limit:
        return n, whole
    p0, q0, p1, q1, d = 0, 1, 1, 0, whole
    while True:
        a, rest = divmod(n, d)
        if (q2 := q0 + a * q1) > limit:
            break
        p0, q0, p1, q1, n, d = p1, q1, p0 + a * p1, q2, d, rest
    k = (limit - q0) // q1
    between = p0 + k * p1, q0 + k * q1  # on the other side of `value` than p1 / q1
    return (p1, q1) if 2 * d * between[1] <= whole else between


@lru_cache(maxsize=64)
def _bank(numerator: int, denominator: int) -> NDArray[np.float32]:
    cutoff = min(1.0, 1.0 / (numerator / denominator))
    taps = _round_up(math.ceil(_TAPS / cutoff), LANES)
    bank = aligned(denominator * taps).reshape(denominator, taps)
    _resample.filter_bank(_prototype(), _RESOLUTION, cutoff, bank)
    return bank


@lru_cache(maxsize=1)
def _prototype() -> NDArray[np.float64]:
    x = np.arange(_TAPS // 2 * _RESOLUTION + 1) / _RESOLUTION
    return _ROLL_OFF * np.sinc(_ROLL_OFF * x) * np.kaiser(2 * x.size - 1, _KAISER_BETA)[x.size - 1 :]


# --- WSOLA


class Pieces(NamedTuple):
    """Lengths in samples: from piece to piece, of the cross-fade, of half the search, and of the guard around an onset.

    `past` is in blocks, see the kernel; `fade` is the cross-fade itself.
    """

    hop: int
    overlap: int
    search: int
    guard: int
    past: int
    fade: NDArray[np.float32]

    @property
    def length(self) -> int:
        return self.hop + self.overlap

    @staticmethod
    @lru_cache(maxsize=8)
    def at(sr: int) -> Pieces:
        overlap = _round_up(round(0.008 * sr), _wsola.BLOCK)  # one period of a voice of 125 Hz
        fade = (0.5 - 0.5 * np.cos(np.pi * (np.arange(overlap) + 0.5) / overlap)).astype(np.float32)
        # The whole search is as wide as a period of 50 Hz, below the lowest voice, so that a match always lies in it.
        # An onset stands out from 16 ms, more than a period of most voices: the beats of a voice are not onsets.
        return Pieces(round(0.022 * sr), overlap, round(0.010 * sr), round(0.002 * sr), max(2, round(0.016 * sr / _wsola.BLOCK)), fade)


class _Wsola(Stretcher):
    """`kwsfeat.kernels.waveform.wsola` for one clip."""

    def __init__(self, y: NDArray[np.float32], pieces: Pieces) -> None:
        self.n, self.pieces, self.power = y.size, pieces, mean_square(y)
        self.pad = pieces.length + pieces.overlap + 8 * LANES  # what the search reads beyond its last candidate, rounded up
        self.padded = aligned(y.size + 2 * self.pad)
        self.padded[self.pad : self.pad + y.size] = y
        self.energy = aligned(self.padded.size)
        _wsola.run_energy(self.padded, self.energy[: -2 * LANES])
        level = np.empty(y.size // _wsola.BLOCK, np.float32)
        marks = np.empty(level.size // pieces.past + 1, np.int64)
        self.marks = marks[: _wsola.onsets(self.padded, self.energy, self.pad, pieces.past, level, marks)]

    def stretched(self, rate: float) -> NDArray[np.float32]:
        hop, overlap, search, guard, _, fade = self.pieces
        n_out = round(self.n / rate)
        if n_out <= self.pieces.length:
            return resample(self.padded[self.pad : self.pad + self.n], rate, n_out)
        n_pieces = -(-(n_out - overlap) // hop)
        low, high, starts = np.empty((3, n_pieces), np.int64)
        _wsola.plan(self.marks, self.n, n_out, rate, hop, overlap, search, guard, low, high)
        out = np.empty(n_pieces * hop + overlap, np.float32)
        score = np.empty(2 * search + 1 + 4 * LANES, np.float32)
        _wsola.wsola(self.padded, self.energy, self.pad, low, high, hop, search, fade, score, starts, out)
        return _levelled(out[:n_out], self.power)


def _round_up(n: int, multiple: int) -> int:
    return -(-n // multiple) * multiple
