"""Mean and standard deviation of features, summed block by block in float64 without cancellation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Moments:
    """Count, mean and sum of squared deviations of each feature: enough to merge two sets exactly.

    Merging in a fixed order gives the same bits whatever the order of computation was.
    """

    count: int
    mean: NDArray[np.float64]
    m2: NDArray[np.float64]

    @classmethod
    def of(cls, x: NDArray[Any]) -> Moments:
        """The moments of features `x`, shape (..., n_features), over all axes but the last."""
        values = x.reshape(-1, x.shape[-1]).astype(np.float64)
        if not len(values):
            return cls(0, np.zeros(x.shape[-1]), np.zeros(x.shape[-1]))
        mean = values.mean(axis=0)
        values -= mean
        return cls(len(values), mean, np.einsum("ij,ij->j", values, values))

    def merge(self, other: Moments) -> Moments:
        """The moments of both sets together (Chan, Golub, LeVeque 1979, formula 2.1)."""
        count = self.count + other.count
        if not count:
            return self
        delta = other.mean - self.mean
        mean = self.mean + delta * (other.count / count)
        return Moments(count, mean, self.m2 + other.m2 + delta**2 * (self.count * other.count / count))

    @property
    def std(self) -> NDArray[np.float64]:
        """Standard deviation of each feature (divisor: the count)."""
        return np.sqrt(self.m2 / max(1, self.count))
