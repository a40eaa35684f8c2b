"""Butterworth filters as second-order sections."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from kwsfeat.errors import ConfigError


def butter_sos(
    order: int,
    cutoff_hz: float | tuple[float, float],
    *,
    sr: float,
    btype: Literal["lowpass", "highpass", "bandpass", "bandstop"] = "lowpass",
) -> NDArray[np.float64]:
    """Butterworth filter as second-order sections.

    Parameters
    ----------
    order : int, 1 to 100
        Twice as many poles for band filters.
    cutoff_hz : float or pair of float, in (0, sr / 2)
        Frequency (or two, ascending, for band filters) at which the gain is -3 dB, in Hz.
    sr : float, > 0
        Sampling rate in Hz.
    btype : {"lowpass", "highpass", "bandpass", "bandstop"}
        What passes.

    Returns
    -------
    sos : ndarray, float64, shape (n_sections, 6)

    Raises
    ------
    ConfigError
        If a value is out of bounds.

    Notes
    -----
    ``scipy.signal.butter(..., output="sos")``: bilinear transform of the analogue prototype. High orders are only usable as
    sections; as one polynomial they are not stable.

    Examples
    --------
    >>> butter_sos(4, 1000.0, sr=16000).shape
    (2, 6)
    >>> butter_sos(2, (300.0, 3400.0), sr=16000, btype="bandpass").shape
    (2, 6)
    """
    from scipy.signal import butter

    edges = np.atleast_1d(np.asarray(cutoff_hz, np.float64))
    if not 1 <= order <= 100:
        raise ConfigError(f"order={order} must be >= 1 and <= 100")
    if not (np.all(edges > 0) and np.all(edges < sr / 2)):
        raise ConfigError(f"cutoff_hz={cutoff_hz} must lie between 0 and sr / 2 = {sr / 2:g}")
    if (edges.size == 2) != btype.startswith("band") or (edges.size == 2 and edges[0] >= edges[1]):
        raise ConfigError(f"cutoff_hz={cutoff_hz} does not fit btype={btype!r}: one frequency, or two ascending ones for a band")
    return np.asarray(butter(order, edges if edges.size == 2 else edges[0], btype, fs=sr, output="sos"), np.float64)


def even_sos(order: int, edges_hz: tuple[float, ...], *, sr: float) -> NDArray[np.float64]:
    """:func:`butter_sos` of an even order, to rounding, thirty times as fast: for filters that are drawn anew for each clip.

    One edge is a low-pass, two are a band-stop. All poles of an even order are conjugate pairs, so that each section is one of them and
    nothing has to be sorted into real and complex ones. Formulas: Oppenheim & Schafer, Discrete-Time Signal Processing, section 7.1.

    Parameters
    ----------
    order : int, even, >= 2
    edges_hz : tuple of one float, or of two ascending ones, in (0, sr / 2)
    sr : float
        Sampling rate in Hz.

    Returns
    -------
    sos : ndarray, float64, shape (order / 2, 6) of a low-pass, (order, 6) of a band-stop
    """
    angle = np.pi * np.arange(1, order, 2) / (2 * order)
    poles = -np.sin(angle) + 1j * np.cos(angle)  # of the analogue prototype, one of each pair
    warped = [2.0 * math.tan(math.pi * edge / sr) for edge in edges_hz]
    if len(warped) == 1:
        poles, middle = warped[0] * poles, -1.0
    else:
        square = warped[0] * warped[1]
        half = 0.5 * (warped[1] - warped[0]) / poles
        root = np.sqrt(half * half - square)
        poles, middle = np.concatenate([half + root, half - root]), (4.0 - square) / (4.0 + square)
    z = (2.0 + poles) / (2.0 - poles)
    z = z[np.argsort(np.abs(z))]  # as scipy has them: the nearest to the unit circle last
    sos = np.ones((z.size, 6))
    sos[:, 1] = -2.0 * middle  # zeros: at half the rate, or in the middle of what is stopped
    sos[:, 4] = -2.0 * z.real
    sos[:, 5] = z.real**2 + z.imag**2
    sos[0, :3] *= np.prod(sos[:, 3:].sum(axis=1) / (2.0 - 2.0 * middle))  # 1 at 0 Hz
    return sos
