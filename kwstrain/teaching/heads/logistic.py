"""Logistic regression of several classes, by L-BFGS: convex, so that nothing is drawn."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def fit_logistic(x: NDArray[np.floating], label: NDArray[np.integer], weight: Floats, n_classes: int, l2: float) -> tuple[Floats, Floats]:
    """Kernel (D, n_classes) and bias (n_classes,) with the least mean cross-entropy plus ``l2 / 2`` times the kernel's squares.

    Parameters
    ----------
    x : ndarray, float, shape (n, D)
        Of about unit variance.
    label : ndarray of int, shape (n,)
    weight : ndarray, float64, shape (n,)
        How much each example counts; they add up to 1.
    n_classes : int
    l2 : float, > 0
    """
    from scipy.optimize import minimize

    x, dim = np.asarray(x, np.float64), x.shape[1]
    wanted = np.eye(n_classes)[label]

    def loss(flat: Floats) -> tuple[float, Floats]:
        kernel, bias = flat[:-n_classes].reshape(dim, n_classes), flat[-n_classes:]
        z = x @ kernel + bias
        log_p = z - np.logaddexp.reduce(z, axis=1, keepdims=True)
        error = (np.exp(log_p) - wanted) * weight[:, None]
        gradient = np.concatenate([(x.T @ error + l2 * kernel).ravel(), error.sum(axis=0)])
        return float(-(weight[:, None] * wanted * log_p).sum() + 0.5 * l2 * (kernel**2).sum()), gradient

    found = minimize(loss, np.zeros((dim + 1) * n_classes), jac=True, method="L-BFGS-B", options={"maxiter": 300}).x
    return found[:-n_classes].reshape(dim, n_classes), found[-n_classes:]
