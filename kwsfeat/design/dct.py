"""The cosine transform that turns log-mel bands into cepstra, and the lifter that evens them out."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray

DctNorm = Literal["ortho", "htk", "none"]
Lifter = Literal["htk", "librosa"]


def dct_matrix(n_mfcc: int, n_mels: int, norm: DctNorm = "ortho") -> NDArray[np.float64]:
    """DCT-II.

    Parameters
    ----------
    n_mfcc : int, in 1 .. n_mels
        Coefficients to keep.
    n_mels : int, >= 1
        Bands.
    norm : {"ortho", "htk", "none"}
        ``ortho``: orthonormal rows. ``htk``: ``sqrt(2 / n_mels)`` on every row, so that c0 is sqrt(2) larger. ``none``: 2, as
        ``scipy.fft.dct`` without a norm.

    Returns
    -------
    matrix : ndarray, float64, shape (n_mfcc, n_mels)
        ``scale cos(pi n (m + 1/2) / n_mels)`` for coefficient n and band m.

    Notes
    -----
    Davis & Mermelstein 1980; HTK Book 3.4, section 5.6.
    """
    n = np.arange(n_mfcc)[:, None]
    matrix = np.cos(np.pi * n * (np.arange(n_mels) + 0.5) / n_mels) * (2.0 if norm == "none" else math.sqrt(2.0 / n_mels))
    if norm == "ortho":
        matrix[0] *= math.sqrt(0.5)
    return matrix


def lifter_weights(n_mfcc: int, lifter: float, kind: Lifter = "htk") -> NDArray[np.float64]:
    """Factors on the coefficients.

    Parameters
    ----------
    n_mfcc : int, >= 1
    lifter : float, >= 0
        The length L; 0 is off.
    kind : {"htk", "librosa"}
        ``1 + L/2 sin(pi n / L)`` (HTK Book 3.4, chapter 5; Kaldi), or librosa 0.11's, with n + 1 for n.

    Returns
    -------
    weights : ndarray, float64, shape (n_mfcc,)
    """
    if lifter == 0:
        return np.ones(n_mfcc)
    n = np.arange(n_mfcc)
    weights: NDArray[np.float64] = 1.0 + lifter / 2.0 * np.sin(np.pi * (n + (kind == "librosa")) / lifter)
    return weights
