"""Butterworth filters as second-order sections."""

from __future__ import annotations

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
