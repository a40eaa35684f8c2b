"""Linear discriminants in closed form: what tells the windows of a word from those of all other sound.

The covariance is that of the negatives, drawn towards a sphere; drawn all the way, it is the nearest of two centroids. A detector
has several: one for the recordings, one for the voices, one for the mean of both, of which the largest score counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kwstrain.teaching.bank import Bank

Floats = NDArray[np.float64]
SHRINKAGES = (0.3, 0.7, 1.0)
HARD = 0.6  # share of the negatives' mean that the hardest of them have


@dataclass(frozen=True, eq=False)
class Discriminant:
    """Of one shrinkage, for means that are still to come; float64, D being window * dim.

    `mean` (D,) and `covariance` (D, D) are those of the negatives, `inverse` is that of the covariance that was drawn to a sphere.
    """

    mean: Floats
    covariance: Floats
    inverse: Floats
    window: int
    shrinkage: float

    @classmethod
    def of(cls, bank: Bank, window: int, shrinkage: float) -> Discriminant:
        """From the negatives of a bank."""
        covariance = bank.covariance(window)
        sphere = np.eye(len(covariance)) * np.trace(covariance) / len(covariance)
        inverse = np.linalg.inv((1 - shrinkage) * covariance + shrinkage * sphere)
        return cls(np.tile(bank.mean, window), covariance, inverse, window, shrinkage)

    @property
    def name(self) -> str:
        """In words."""
        return "nearest centroid" if self.shrinkage == 1 else f"linear discriminant, shrinkage {self.shrinkage:g}"

    def kernels(self, means: Sequence[Floats], hard: Floats | None = None) -> Floats:
        """A kernel for each mean (D,) of the word, (n, window, dim), whose scores of negatives have a deviation of 1.

        `hard` (D,) is the mean of those negatives that are most like the word.
        """
        negative = self.mean if hard is None else (1 - HARD) * self.mean + HARD * hard
        given = (np.array(means) - negative) @ self.inverse
        deviation = np.sqrt(np.einsum("td,de,te->t", given, self.covariance, given))
        return np.asarray((given / deviation[:, None]).reshape(len(given), self.window, -1))


def word_means(recordings: NDArray[np.floating], voices: NDArray[np.floating]) -> list[Floats]:
    """Of windows (n, D) of both, where there are any: of the recordings, of the voices, and of both alike."""
    means = [one.mean(axis=0, dtype=np.float64) for one in (recordings, voices) if len(one)]
    return [*means, (means[0] + means[1]) / 2] if len(means) == 2 else means
