"""Spectra of one clip, for use without a FeatureConfig. They run on the kernels that FrontEnd runs on.

Arrays are frames first: librosa's results are the transposes.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kwsfeat.audio.waveform import Samples, as_float32, as_samples, require_finite
from kwsfeat.config.features import FeatureConfig, Framing
from kwsfeat.design.mel import MelNorm, MelScale, TriangleDomain
from kwsfeat.design.windows import Window, analysis_window
from kwsfeat.errors import AudioError, ConfigError
from kwsfeat.features.front_end import FrontEnd, checked_frames
from kwsfeat.features.plan import make_plan
from kwsfeat.kernels._jit import LANES
from kwsfeat.kernels.fft.real import fft_plan
from kwsfeat.kernels.spectrum import stft as stft_kernel
from kwsfeat.kernels.spectrum.plan import build_scratch
from kwsfeat.renamed import renamed


@renamed(edges="framing")
def stft(
    y: ArrayLike,
    *,
    n_fft: int = 2048,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Window = "hann",
    framing: Framing = "zero",
    check_finite: bool = True,
) -> NDArray[np.complex64]:
    """Short-time Fourier transform.

    Parameters
    ----------
    y : array_like, shape (n_samples,)
        Mono waveform, n_samples >= 1.
    n_fft : int, >= 4
        FFT length in samples; prime factors 2, 3 and 5.
    hop_length : int, >= 1, optional
        Samples between frames; ``n_fft // 4`` by default.
    win_length : int, in 1 .. n_fft, optional
        Window length in samples, centred inside n_fft; `n_fft` by default.
    window : str
        See :func:`kwsfeat.analysis_window`.
    framing : {"zero", "reflect", "none"}
        Frames centred with zero or reflected padding of ``n_fft // 2``, or whole frames only.
    check_finite : bool
        Refuse NaN and infinity.

    Returns
    -------
    S : ndarray, complex64, shape (n_frames, n_fft // 2 + 1)
        ``n_frames = 1 + n_samples // hop_length`` (even n_fft), or ``1 + (n_samples - n_fft) // hop_length`` with framing none.

    Raises
    ------
    ConfigError
        If a length is out of bounds.
    AudioError
        If `y` is empty, not one-dimensional, or not finite.

    Notes
    -----
    ``S[t, k] = sum_n window[n] y[t hop_length + n - n_fft // 2] exp(-2 pi i k n / n_fft)``: librosa 0.11's ``stft``, transposed.

    Examples
    --------
    >>> import numpy as np
    >>> y = np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)
    >>> stft(y, n_fft=512).shape
    (126, 257)
    """
    samples = as_float32(as_clip(y), check_finite=check_finite)
    if framing not in ("zero", "reflect", "none"):
        raise ConfigError(f"framing={framing!r} must be zero, reflect or none")
    config = FeatureConfig(
        n_samples=any_length(n_fft, hop_length),
        n_fft=n_fft,
        hop_length=hop_length or n_fft // 4,
        win_length=win_length or n_fft,
        window=window,
        framing=framing,
        output="spectrum",
        log="none",
    )
    plan, n_frames = _cached_plan(config), checked_frames(config, samples.size)
    re, im = (np.empty((n_frames, config.n_features), np.float32) for _ in range(2))
    stft_kernel.stft(samples, re, im, plan, build_scratch(plan, n_frames + plan.settings.overlap))
    out = np.empty(re.shape, np.complex64)
    out.real, out.imag = re, im
    return out


@renamed(edges="framing")
def istft(
    S: ArrayLike,
    *,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Window = "hann",
    framing: Literal["zero", "reflect", "none"] = "zero",
    n_samples: int | None = None,
    n_fft: int | None = None,
    check_finite: bool = True,
) -> NDArray[np.float32]:
    """Inverse of :func:`stft` by weighted overlap-add.

    Parameters
    ----------
    S : array_like, complex, shape (n_frames, n_fft // 2 + 1)
    hop_length, win_length, window, framing
        As given to :func:`stft`.
    n_samples : int, >= 0, optional
        Length of the result in samples, cut or filled with zeros; by default what the frames cover.
    n_fft : int, optional
        Needed only when it is odd; ``2 * (n_bins - 1)`` by default.
    check_finite : bool
        Refuse NaN and infinity.

    Returns
    -------
    y : ndarray, float32, shape (n_samples,)
        Within 1e-5 of the input of `stft` wherever the windows overlap to more than nothing; zero elsewhere.

    Raises
    ------
    AudioError
        If `S` has another shape, or is not finite.
    ConfigError
        If a length is out of bounds or does not fit `S`.

    Notes
    -----
    ``y = sum_t w x_t / sum_t w^2``: Griffin & Lim 1984, equation 6; librosa 0.11's ``istft``.

    Examples
    --------
    >>> import numpy as np
    >>> y = np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)
    >>> from kwsfeat import stft
    >>> restored = istft(stft(y, n_fft=512), n_samples=16000)
    >>> bool(np.abs(restored - y).max() < 1e-5)
    True
    """
    spectrum = np.asarray(S, np.complex64)
    if spectrum.ndim != 2 or spectrum.shape[0] < 1 or spectrum.shape[1] < 2:
        raise AudioError(f"S has shape {spectrum.shape} and must have (n_frames, n_fft // 2 + 1)")
    require_finite(spectrum.view(np.float32), "S", check_finite)
    n_frames, n_bins = spectrum.shape
    length = 2 * (n_bins - 1) if n_fft is None else n_fft
    if length // 2 + 1 != n_bins:
        raise ConfigError(f"n_fft={length} has {length // 2 + 1} bins and S has {n_bins}")
    hop = hop_length or length // 4
    config = FeatureConfig(
        n_samples=any_length(length, hop), n_fft=length, hop_length=hop, win_length=win_length or length, window=window, output="spectrum"
    )
    padded = np.zeros(length, np.float32)
    left = (length - config.win_length) // 2
    padded[left : left + config.win_length] = analysis_window(window, config.win_length)
    n_groups = -(-n_frames // LANES)
    lanes = np.zeros((n_groups * LANES, n_bins), np.complex64)
    lanes[:n_frames] = spectrum
    lanes = lanes.reshape(n_groups, LANES, n_bins).transpose(0, 2, 1)
    y = np.zeros((n_groups * LANES - 1) * hop + length, np.float32)
    stft_kernel.istft(np.ascontiguousarray(lanes.real), np.ascontiguousarray(lanes.imag), padded, hop, y, fft_plan(length))
    covered = (n_frames - 1) * hop + length
    weight = _window_sum(padded, hop, n_frames)
    np.divide(y[:covered], weight, out=y[:covered], where=weight > 1e-10)
    start = 0 if framing == "none" else length // 2
    end = covered if framing == "none" else covered - length // 2
    wanted = end - start if n_samples is None else n_samples
    result = np.zeros(wanted, np.float32)
    part = y[start : min(start + wanted, covered)]
    result[: part.size] = part
    return result


@renamed(edges="framing")
def spectrogram(
    y: ArrayLike,
    *,
    sr: int = 16000,
    n_fft: int = 2048,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Window = "hann",
    framing: Framing = "zero",
    spectrum: Literal["power", "magnitude"] = "power",
    norm: Literal["none", "window", "win_length", "n_fft", "density"] = "none",
    check_finite: bool = True,
) -> NDArray[np.float32]:
    """Power or magnitude spectrogram.

    Parameters
    ----------
    y, n_fft, hop_length, win_length, window, framing, check_finite
        As for :func:`stft`; `framing` may be any of FeatureConfig's.
    sr : int, >= 1
        Sampling rate in Hz; matters for ``norm="density"`` only.
    spectrum : {"power", "magnitude"}
        What a bin holds: ``|X|^2`` or ``|X|``.
    norm : {"none", "window", "win_length", "n_fft", "density"}
        Divisor of the power; ``density`` is ``scipy.signal.spectrogram``'s one-sided density with detrend=False, in 1/Hz.

    Returns
    -------
    S : ndarray, float32, shape (n_frames, n_fft // 2 + 1)

    Raises
    ------
    ConfigError
        If a choice or a length is out of bounds.
    AudioError
        If `y` is empty, not one-dimensional, or not finite.

    Examples
    --------
    >>> import numpy as np
    >>> y = np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)
    >>> S = spectrogram(y, n_fft=1024, hop_length=160)
    >>> S.shape
    (101, 513)
    >>> float(S[50].argmax() * 16000 / 1024)  # the loudest bin, in Hz
    437.5
    """
    config = FeatureConfig(
        n_samples=any_length(n_fft, hop_length), sr=sr, n_fft=n_fft, hop_length=hop_length or n_fft // 4,
        win_length=win_length or n_fft, window=window, framing=framing,
        output="spectrum", spectrum=spectrum, spectrum_norm=norm, log="none",
    )  # fmt: skip
    return cached_front_end(config).extract_recording(as_clip(y), check_finite=check_finite)


@renamed(edges="framing", formula="mel_scale", weights="triangle_domain")
def melspectrogram(
    y: ArrayLike,
    *,
    sr: int = 16000,
    n_fft: int = 2048,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Window = "hann",
    framing: Framing = "zero",
    spectrum: Literal["power", "magnitude"] = "power",
    n_mels: int = 128,
    fmin_hz: float = 0.0,
    fmax_hz: float | None = None,
    mel_scale: MelScale = "slaney",
    triangle_domain: TriangleDomain = "hz",
    norm: MelNorm = "slaney",
    check_finite: bool = True,
) -> NDArray[np.float32]:
    """Mel spectrogram; :func:`kwsfeat.power_to_db` gives its logarithm.

    Parameters
    ----------
    y, sr, n_fft, hop_length, win_length, window, framing, spectrum, check_finite
        As for :func:`spectrogram`.
    n_mels, fmin_hz, fmax_hz, mel_scale, triangle_domain, norm
        As for :func:`kwsfeat.mel_filterbank`.

    Returns
    -------
    S : ndarray, float32, shape (n_frames, n_mels)
        The transpose of librosa 0.11's ``feature.melspectrogram`` with the defaults.

    Raises
    ------
    ConfigError
        If a choice or a length is out of bounds.
    AudioError
        If `y` is empty, not one-dimensional, or not finite.

    Examples
    --------
    >>> import numpy as np
    >>> y = np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)
    >>> melspectrogram(y, sr=16000, n_fft=1024, hop_length=160, n_mels=64).shape
    (101, 64)
    """
    config = FeatureConfig(
        n_samples=any_length(n_fft, hop_length), sr=sr, n_fft=n_fft, hop_length=hop_length or n_fft // 4,
        win_length=win_length or n_fft, window=window, framing=framing,
        spectrum=spectrum, n_mels=n_mels, fmin_hz=fmin_hz, fmax_hz=fmax_hz, mel_scale=mel_scale, triangle_domain=triangle_domain,
        mel_norm=norm, log="none",
    )  # fmt: skip
    return cached_front_end(config).extract_recording(as_clip(y), check_finite=check_finite)


def amplitude_spectrum(y: ArrayLike, *, sr: int, check_finite: bool = True) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """One-sided amplitude spectrum of a whole clip.

    Parameters
    ----------
    y : array_like, shape (n_samples,)
        n_samples >= 1; any length.
    sr : int, >= 1
        Sampling rate in Hz.
    check_finite : bool
        Refuse NaN and infinity.

    Returns
    -------
    frequency_hz : ndarray, float64, shape (n_samples // 2,)
        In Hz, from 0.
    amplitude : ndarray, float32, shape (n_samples // 2,)
        ``2 / n |FFT(y)|``: a sine of amplitude a that fits the clip shows as a.

    Raises
    ------
    ConfigError
        If `sr` is out of bounds.
    AudioError
        If `y` is empty, not one-dimensional, or not finite.

    Examples
    --------
    >>> import numpy as np
    >>> y = 0.5 * np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)
    >>> frequency_hz, amplitude = amplitude_spectrum(y, sr=16000)
    >>> float(frequency_hz[amplitude.argmax()]), round(float(amplitude.max()), 3)
    (440.0, 0.5)
    """
    samples = as_float32(as_clip(y), check_finite=check_finite)
    if sr < 1:
        raise ConfigError(f"sr={sr} must be >= 1")
    n = samples.size
    amplitude = 2.0 / n * np.abs(np.fft.rfft(samples.astype(np.float64)))[: n // 2]
    frequency_hz: NDArray[np.float64] = np.arange(n // 2, dtype=np.float64) * (sr / n)
    return frequency_hz, amplitude.astype(np.float32)


def as_clip(y: ArrayLike) -> Samples:
    """`y` as (n_samples,) float32 or int16 with at least one sample."""
    samples = as_samples(y)
    if samples.ndim != 1 or samples.size == 0:
        raise AudioError(f"y has shape {samples.shape} and must be one-dimensional with at least one sample")
    return samples


def any_length(n_fft: int, hop_length: int | None) -> int:
    """The n_samples of a config that is used for recordings of any length: one value, so that they share their tables."""
    return max(1, 2 * n_fft + (hop_length or 0))


@lru_cache(maxsize=32)
def cached_front_end(config: FeatureConfig) -> FrontEnd:
    """The tables of the last calls: a function called in a loop builds them once."""
    return FrontEnd(config)


_cached_plan = lru_cache(maxsize=32)(make_plan)


def _window_sum(window: NDArray[np.float32], hop: int, n_frames: int) -> NDArray[np.float32]:
    """Sum of the squared windows of the frames that exist."""
    total = np.zeros((n_frames - 1) * hop + window.size, np.float32)
    for t in range(n_frames):
        total[t * hop : t * hop + window.size] += window**2
    return total
