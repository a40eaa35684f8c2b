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
    def of(cls, x: NDArray[Any], rows: NDArray[np.bool_] | None = None) -> Moments:
        """The moments of features `x`, (n_clips, ..., n_features), over all frames of the clips that `rows` marks (all without it)."""
        from kwsfeat.kernels.statistics import moments

        chosen = np.arange(len(x)) if rows is None else np.flatnonzero(rows)
        mean, m2 = np.zeros(x.shape[-1]), np.zeros(x.shape[-1])
        if not len(chosen):
            return cls(0, mean, m2)
        values = np.ascontiguousarray(x, np.float32).reshape(len(x), -1, x.shape[-1])
        moments(values, chosen, mean, m2)
        return cls(len(chosen) * values.shape[1], mean, m2)

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
