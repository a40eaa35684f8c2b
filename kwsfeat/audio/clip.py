"""A recording as a clip of fixed rate and length: trim, resample, pad or crop. Thin enough for thousands of small files."""

from __future__ import annotations

from math import ceil

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kwsfeat.audio.faults import CUT, LEFT_S, LOUDEST_CUT, OVERDRIVEN, TRIMMED, Remark, Source, no_remark
from kwsfeat.audio.long import LongRecording
from kwsfeat.audio.read import read_samples
from kwsfeat.audio.waveform import Samples, as_float32, as_int16, as_samples, check_samples, is_overdriven
from kwsfeat.config.clip import ClipConfig
from kwsfeat.errors import AudioError, ConfigError


def load_clip(
    source: Source,
    config: ClipConfig,
    *,
    start: int = 0,
    stop: int | None = None,
    seed: tuple[int, ...] = (0,),
    out: NDArray[np.int16] | None = None,
    remark: Remark = no_remark,
) -> tuple[NDArray[np.int16], int]:
    """Read a recording as the clip that `config` describes.

    Channels are averaged, another sample rate is resampled to ``config.sr``, the length becomes ``config.n_samples``. A mono
    16-bit source at the right rate passes through bit for bit; everything else is rounded to 16 bits, and clipped.

    Parameters
    ----------
    source : path or binary file object
        Anything libsndfile reads.
    config : ClipConfig
        What a clip is; a FeatureConfig is one, too.
    start, stop : int, samples at the source's own rate, ``0 <= start < stop``
        The part to read; None is the end.
    seed : tuple of int
        For ``crop="random"``.
    out : ndarray, int16, shape (n_samples,), optional
        Written in place and returned.
    remark : callable, optional
        Called with a sentence for each thing that was lost or guessed and that does not make the recording unusable.

    Returns
    -------
    y : ndarray, int16, shape (n_samples,)
    length : int, 1 to n_samples
        Samples that come from the recording; the others are padding.

    Raises
    ------
    AudioError
        One line with the name and what is wrong: missing, not a recording, truncated, no samples, NaN or infinite samples.

    Examples
    --------
    >>> from kwsfeat import preset
    >>> y, length = load_clip("recordings/yes/ann_nohash_0.wav", preset("logmel"))
    >>> y.shape, y.dtype, length
    ((16000,), dtype('int16'), 12000)
    """
    long = LongRecording(source, config, seed, remark)
    y, sr = read_samples(source, start=start, stop=stop, remark=remark, choose=long)
    if is_overdriven(y):
        remark(OVERDRIVEN)
    if long.taken:
        y, sr = resample(y, sr, long.rate, config.resample)[long.skip : long.skip + long.n], long.rate
        remark(CUT)
        fixed, length = _fixed_at_rate(y, sr, config, seed, remark)
    else:
        fixed, length = _trimmed_and_fixed(y, sr, config, seed, remark)
    if out is None:
        out = np.empty(config.n_samples, np.int16)
    out[:] = as_int16(fixed)
    return out, length


def as_clip(y: ArrayLike, config: ClipConfig, *, seed: tuple[int, ...] = (0,), remark: Remark = no_remark) -> tuple[Samples, int]:
    """What :func:`load_clip` makes of a recording, of a waveform in memory; its samples are not rounded to 16 bits.

    Parameters
    ----------
    y : array_like, shape (n,)
        Mono waveform at ``config.sr``, float in [-1, 1] or int16.
    config : ClipConfig
        What a clip is; a FeatureConfig is one, too.
    seed : tuple of int
        For ``crop="random"``.
    remark : callable, optional
        Called with a sentence for each thing that was lost.

    Returns
    -------
    y : ndarray, float32 or int16, shape (n_samples,)
    length : int, 1 to n_samples
        Samples that come from the waveform; the others are padding.

    Raises
    ------
    AudioError
        If `y` is not one-dimensional, is empty, has a type or values of another scale, or holds NaN or infinity.

    Examples
    --------
    >>> import numpy as np
    >>> from kwsfeat import preset
    >>> y, length = as_clip(np.zeros(24000, np.float32), preset("logmel"), remark=print)
    longer than a clip: the rest was cut off
    >>> y.shape, length
    ((16000,), 16000)
    """
    samples = as_samples(y, "the clip")
    if samples.ndim != 1:
        raise AudioError(f"a clip has shape {samples.shape} and must be one-dimensional (n_samples,): give one waveform")
    if samples.size == 0:
        raise AudioError("a clip has no samples: at least one is needed")
    check_samples(samples, "the clip")
    return _trimmed_and_fixed(samples, config.sr, config, seed, remark)


def fix_length(y: Samples, config: ClipConfig, *, seed: tuple[int, ...] = (0,), n_samples: int | None = None) -> tuple[Samples, int]:
    """Pad with zeros or crop to ``config.n_samples``, as ``config.pad`` and ``config.crop`` say.

    Parameters
    ----------
    y : ndarray, any dtype, shape (n,)
    config : ClipConfig
    seed : tuple of int
        For ``crop="random"``: the crop starts at ``default_rng(seed).integers(n - n_samples + 1)``.
    n_samples : int, optional
        Another length than ``config.n_samples``.

    Returns
    -------
    y : ndarray, same dtype, shape (n_samples,)
        The array itself when it has the right length, a view when it is longer.
    length : int
        ``min(n, n_samples)``.
    """
    wanted = config.n_samples if n_samples is None else n_samples
    n = len(y)
    if n == wanted:
        return y, n
    if n > wanted:
        first = _crop_start(y, wanted, config, seed)
        return y[first : first + wanted], wanted
    padded = np.zeros(wanted, y.dtype)
    first = {"end": 0, "front": wanted - n, "center": (wanted - n) // 2}[config.pad]
    padded[first : first + n] = y
    return padded, n


def _crop_start(y: Samples, wanted: int, config: ClipConfig, seed: tuple[int, ...]) -> int:
    spare = len(y) - wanted
    if config.crop == "start":
        return 0
    if config.crop == "center":
        return spare // 2
    if config.crop == "random":
        return int(np.random.default_rng(seed).integers(spare + 1))
    energy = np.concatenate([[0.0], np.cumsum(np.square(y, dtype=np.float64))])
    return int(np.argmax(energy[wanted:] - energy[:-wanted]))


def trim_silence(y: Samples, sr: int, top_db: float) -> Samples:
    """The part of `y` from the first to the last 20 ms frame whose power is within `top_db` (> 0) dB of the loudest frame's."""
    frame = max(1, sr // 50)
    power = frame_power(y, frame)
    if power.max() == 0.0:
        return y
    loud = np.flatnonzero(power >= power.max() * 10.0 ** (-top_db / 10.0))
    return y[loud[0] * frame : (loud[-1] + 1) * frame]


def frame_power(y: Samples, frame: int) -> NDArray[np.float64]:
    """Mean power of each `frame` samples of `y` (n >= 1,), the last of them perhaps fewer."""
    starts = np.arange(0, len(y), frame)
    return np.asarray(np.add.reduceat(np.square(y, dtype=np.float64), starts) / np.diff([*starts, len(y)]), np.float64)


def check_rates(sr: int, new_sr: int) -> None:
    """Raise ConfigError for what is no rate."""
    for name, rate in (("sr", sr), ("new_sr", new_sr)):
        if not (rate >= 1 and float(rate).is_integer()):
            raise ConfigError(f"{name}={rate} must be a whole number of Hz, >= 1")


def resample(y: Samples, sr: int, new_sr: int, method: str = "soxr") -> NDArray[np.float32]:
    """A waveform at another sampling rate.

    Parameters
    ----------
    y : ndarray, float in [-1, 1] or int16, shape (n,)
    sr, new_sr : int, Hz, >= 1
        The rate that it has and the one that it gets.
    method : {"soxr", "fft"}
        ``soxr`` (HQ) is band-limited, ``fft`` is scipy.signal.resample.

    Returns
    -------
    ndarray, float32, shape (m,)
        ``ceil(n * new_sr / sr)`` samples for ``fft``, the nearest number for ``soxr``.

    Raises
    ------
    AudioError
        If `y` is not one waveform of these types.
    ConfigError
        If a rate is out of bounds, or `method` is not one of these.

    Examples
    --------
    >>> import numpy as np
    >>> resample(np.zeros(48000, np.int16), 48000, 16000).shape
    (16000,)
    """
    y = as_float32(y)
    if y.ndim != 1:
        raise AudioError(f"y has shape {y.shape} and must be one waveform, (n,)")
    check_rates(sr, new_sr)
    if method not in ("soxr", "fft"):
        raise ConfigError(f"method={method!r} must be soxr or fft")
    if sr == new_sr or not y.size:
        return y
    if method == "fft":
        from scipy.signal import resample as fft_resample

        return np.asarray(fft_resample(y, ceil(len(y) * new_sr / sr)), np.float32)
    import soxr

    return np.asarray(soxr.resample(y, sr, new_sr, quality="HQ"), np.float32)


def _trimmed_and_fixed(y: Samples, sr: int, config: ClipConfig, seed: tuple[int, ...], remark: Remark) -> tuple[Samples, int]:
    if config.trim_db is not None:
        n = len(y)
        y = trim_silence(y, sr, config.trim_db)
        if len(y) < min(n, LEFT_S * sr):
            remark(TRIMMED)
    return _fixed_at_rate(y, sr, config, seed, remark)


def _fixed_at_rate(y: Samples, sr: int, config: ClipConfig, seed: tuple[int, ...], remark: Remark) -> tuple[Samples, int]:
    """`y` at ``config.sr`` with ``config.n_samples``; untouched int16 stays int16."""
    if config.resample_from_hz:
        # logspec8k fixes the clip at its recorded rate and resamples the result, so that the FFT sees the zeros too.
        between = config.resample_from_hz
        if sr != between:
            y = _some(resample(y, sr, between), between)
        n_samples = ceil(config.n_samples * between / config.sr)
        fixed, length = fix_length(y, config, seed=seed, n_samples=n_samples)
        _say_what_was_cut(y, fixed, remark)
        resampled = resample(fixed, between, config.sr, config.resample)
        return fix_length(resampled, config)[0], min(config.n_samples, ceil(length * config.sr / between))
    if sr != config.sr:
        y = _some(resample(y, sr, config.sr, config.resample), config.sr)
    fixed, length = fix_length(y, config, seed=seed)
    _say_what_was_cut(y, fixed, remark)
    return fixed, length


def _say_what_was_cut(y: Samples, kept: Samples, remark: Remark) -> None:
    """Remark that `kept` is a part of `y`, and whether another part of that length is 1 dB louder."""
    if len(y) > len(kept):
        remark(LOUDEST_CUT if is_louder_elsewhere(y, kept) else CUT)


def is_louder_elsewhere(y: Samples, kept: Samples) -> bool:
    """Whether a longer `y` has a part of the length of `kept`, itself a part of it, that is at least 1 dB louder."""
    energy = np.concatenate([[0.0], np.cumsum(np.square(y, dtype=np.float64))])
    loudest = float((energy[len(kept) :] - energy[: -len(kept)]).max())
    return loudest > 1.25 * float(np.square(kept, dtype=np.float64).sum())


def _some(y: NDArray[np.float32], sr: int) -> NDArray[np.float32]:
    if not len(y):
        raise AudioError(f"a recording of less than one sample at {sr} Hz: record it again or remove it")
    return y
