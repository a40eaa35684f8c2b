"""Analysis windows in every library's convention."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from kwsfeat.errors import ConfigError

SpectrumNorm = Literal["none", "window", "win_length", "n_fft", "density"]
Window = Literal["hann", "hann-symmetric", "hann-offset", "hamming", "hamming-symmetric", "povey", "blackman", "rectangular"]

_LONGEST = 1 << 24


def analysis_window(name: Window, win_length: int) -> NDArray[np.float64]:
    """One of the analysis windows of speech processing.

    Parameters
    ----------
    name : str
        ``hann``, ``hamming``, ``blackman``: periodic, as librosa, torchaudio and TensorFlow use them (period `win_length`).
        ``hann-symmetric``, ``hamming-symmetric``: period ``win_length - 1`` (Kaldi's hanning and hamming). ``hann-offset``:
        periodic, shifted by half a sample (TensorFlow's micro_frontend). ``povey``: symmetric Hann to the power 0.85 (Kaldi).
        ``rectangular``: ones.
    win_length : int, 1 to 2 ** 24
        Length in samples.

    Returns
    -------
    window : ndarray, float64, shape (win_length,)

    Raises
    ------
    ConfigError
        If there is no such window, or its length is out of bounds.

    Examples
    --------
    >>> analysis_window("hann", 4)
    array([0. , 0.5, 1. , 0.5])
    """
    if name not in get_args(Window):
        raise ConfigError(f"window={name!r} must be one of {', '.join(get_args(Window))}")
    if not 1 <= win_length <= _LONGEST:
        raise ConfigError(f"win_length={win_length} must be >= 1 and <= {_LONGEST:,}")
    n = np.arange(win_length) + (0.5 if name == "hann-offset" else 0.0)
    symmetric = name in ("hann-symmetric", "hamming-symmetric", "povey")
    turn = 2.0 * np.pi * n / max(1, win_length - 1 if symmetric else win_length)
    if win_length == 1 or name == "rectangular":
        return np.ones(win_length)
    if name == "blackman":
        return 0.42 - 0.5 * np.cos(turn) + 0.08 * np.cos(2.0 * turn)
    if name in ("hamming", "hamming-symmetric"):
        return 0.54 - 0.46 * np.cos(turn)
    hann = 0.5 - 0.5 * np.cos(turn)
    return np.maximum(hann, 0.0) ** 0.85 if name == "povey" else hann


def window_in_frame(window: NDArray[np.float64], n_fft: int, align: Literal["center", "left"] = "center") -> NDArray[np.float64]:
    """A window with zeros around it, as long as the FFT.

    Parameters
    ----------
    window : ndarray, float64, shape (win_length,)
        ``win_length <= n_fft``.
    n_fft : int
        Length of the FFT in samples.
    align : {"center", "left"}
        Centred, with the smaller half of the zeros in front (librosa, torchaudio), or at the beginning (Kaldi, TensorFlow).

    Returns
    -------
    frame : ndarray, float64, shape (n_fft,)
    """
    left = (n_fft - window.size) // 2 if align == "center" else 0
    return np.pad(window, (left, n_fft - window.size - left))


def power_scale(norm: SpectrumNorm, window: NDArray[np.float64], *, n_fft: int, sr: float) -> float:
    """Factor on the power spectrum of windowed frames.

    Parameters
    ----------
    norm : {"none", "window", "win_length", "n_fft", "density"}
        Divisor: 1, the window's energy ``sum w^2``, its length, the FFT's length; ``density`` gives the one-sided spectral
        density in 1/Hz, ``2 / (sr sum w^2)``, whose first and, for an even n_fft, last bin count half
        (``scipy.signal.spectrogram``).
    window : ndarray, float64, shape (win_length,)
    n_fft : int, >= 1
    sr : float, > 0
        Sampling rate in Hz.

    Returns
    -------
    scale : float
    """
    energy = float(np.sum(window**2))
    return {
        "none": 1.0,
        "window": 1.0 / energy,
        "win_length": 1.0 / window.size,
        "n_fft": 1.0 / n_fft,
        "density": 2.0 / (sr * energy),
    }[norm]
