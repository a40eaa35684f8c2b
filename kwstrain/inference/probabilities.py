"""From logits to probabilities."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def probabilities(logits: NDArray[np.float32], objective: str = "softmax") -> NDArray[np.float64]:
    """Probability of each class, float64, (n, n_classes); those of ``sigmoid`` are independent and need not add up to 1."""
    z = logits.astype(np.float64)
    log_p = z - np.logaddexp.reduce(z, axis=1, keepdims=True) if objective == "softmax" else -np.logaddexp(0, -z)
    return np.asarray(np.exp(log_p), np.float64)
