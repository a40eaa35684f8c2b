"""Per-channel energy normalisation: the smoother's coefficient."""

from __future__ import annotations

import math


def pcen_smoothing(time_s: float, *, sr: float, hop_length: int) -> float:
    """Coefficient s of the smoother ``M[t] = (1 - s) M[t - 1] + s E[t]`` with a time constant.

    Parameters
    ----------
    time_s : float, > 0
        Time constant in seconds.
    sr : float, > 0
        Sampling rate in Hz.
    hop_length : int, >= 1
        Samples between frames.

    Returns
    -------
    smoothing : float, in (0, 1)
        ``(sqrt(1 + 4 T^2) - 1) / (2 T^2)`` for ``T = time_s sr / hop_length`` frames.

    Notes
    -----
    Wang et al. 2017, "Trainable frontend for robust and far-field keyword spotting"; the coefficient is librosa 0.11's ``pcen``.
    """
    n_frames = time_s * sr / hop_length
    return (math.sqrt(1.0 + 4.0 * n_frames**2) - 1.0) / (2.0 * n_frames**2)
