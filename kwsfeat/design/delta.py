"""Slopes of features over time, as weights of the frames around one."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray

DeltaKind = Literal["librosa", "htk"]


def savgol_weights(width: int, order: int, position: int) -> NDArray[np.float64]:
    """Savitzky-Golay: the derivative of the least-squares polynomial through the values of a window.

    Parameters
    ----------
    width : int, >= order + 1
        Values in the window.
    order : int, >= 1
        Which derivative; the polynomial has this degree too, as in ``librosa.feature.delta``.
    position : int, in 0 .. width - 1
        Where in the window the derivative is taken.

    Returns
    -------
    weights : ndarray, float64, shape (width,)
        Their sum with the values is the derivative, per step.

    Notes
    -----
    Savitzky & Golay 1964: rows of the pseudo-inverse of the Vandermonde matrix.
    """
    t = np.arange(width) - position
    derivatives: NDArray[np.float64] = np.linalg.pinv(np.vander(t, order + 1, increasing=True).astype(np.float64))
    weights: NDArray[np.float64] = math.factorial(order) * derivatives[order]
    return weights


def htk_weights(width: int) -> NDArray[np.float64]:
    """The regression slope of HTK: ``sum_k k (x[t + k] - x[t - k]) / (2 sum_k k^2)``, k = 1 .. width // 2.

    Parameters
    ----------
    width : int, odd, >= 3

    Returns
    -------
    weights : ndarray, float64, shape (width,)

    Notes
    -----
    HTK Book 3.4, equation 5.16.
    """
    h = width // 2
    weights: NDArray[np.float64] = np.arange(-h, h + 1) / (2.0 * np.sum(np.arange(1, h + 1) ** 2))
    return weights


def delta_weights(width: int, kind: DeltaKind = "librosa") -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weights of first and second slopes, inside a clip and at its two ends.

    Parameters
    ----------
    width : int, odd, >= 3
        Frames that a slope is taken over.
    kind : {"librosa", "htk"}
        :func:`savgol_weights`, with the derivative of the first (last) window's polynomial for the first (last) frames; or
        :func:`htk_weights` for both orders (the second is the slope of the slopes), with repeated end frames.

    Returns
    -------
    weights : ndarray, float64, shape (2, width)
        Of the frames around one, for order 1 and 2.
    ends : ndarray, float64, shape (2, width, width - 1)
        Of the first `width` frames for each of the first ``width // 2`` ones, then of the last `width` for each of the last
        ones; shape (2, width, 0) for ``htk``.
    """
    h = width // 2
    if kind == "htk":
        return np.stack([htk_weights(width)] * 2), np.zeros((2, width, 0))
    weights = np.array([savgol_weights(width, order, h) for order in (1, 2)])
    positions = [*range(h), *range(h + 1, width)]
    ends = np.array([[savgol_weights(width, order, p) for p in positions] for order in (1, 2)])
    return weights, ends.transpose(0, 2, 1)
