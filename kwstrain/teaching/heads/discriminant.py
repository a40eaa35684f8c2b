"""Last layers: what tells the windows of a word from all others, in closed form.

A linear discriminant whose covariance is that of the negatives, drawn towards a sphere; drawn all the way, it is the nearest of two
centroids. From 50 recordings on a logistic regression that begins there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kwstrain.teaching.bank import Bank

Floats = NDArray[np.float64]
SHRINKAGES = (0.01, 0.03, 0.1, 0.3, 1.0)


@dataclass(frozen=True, eq=False)
class Discriminants:
    """Discriminants of several shrinkages for means that are still to come: what they have in common is computed once.

    `inverses` float64 (n_shrinkages, D, D), D being window * dim; `mean` (D,) that of the negatives.
    """

    mean: Floats
    covariance: Floats
    inverses: Floats
    window: int

    @classmethod
    def of(cls, bank: Bank, window: int, within: Floats | None = None, share: float = 0.0) -> Discriminants:
        """From the negatives of a bank; `within` is the scatter of the word around its mean, which counts by `share`."""
        covariance = bank.covariance(window)
        if within is not None:
            covariance = (1 - share) * covariance + share * within
        sphere = np.eye(len(covariance)) * np.trace(covariance) / len(covariance)
        inverses = np.array([np.linalg.inv((1 - s) * covariance + s * sphere) for s in SHRINKAGES])
        return cls(np.tile(bank.mean, window), covariance, inverses, window)

    def kernels(self, mean: Floats) -> Floats:
        """For a word of this mean (D,): kernels (n_shrinkages, window, dim) whose scores of negatives have a deviation of 1."""
        given = self.inverses @ (mean - self.mean)
        deviation = np.sqrt(np.einsum("sd,de,se->s", given, self.covariance, given))
        return (given / deviation[:, None]).reshape(len(given), self.window, -1)


def word_mean(sets: Sequence[NDArray[np.floating]]) -> Floats:
    """The mean of the means of sets of windows (n, D): recordings and voices count alike, however many there are."""
    return np.mean([one.mean(axis=0, dtype=np.float64) for one in sets if len(one)], axis=0)
