"""Linear discriminants in closed form: what tells the windows of a word from those of all other sound.

The covariance is that of the negatives, with some of how one word varies from speaker to speaker, drawn towards a sphere. How far is
the same for every word: twenty recordings, each left out in turn, choose worse than that.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kwstrain.teaching.bank import Bank

Floats = NDArray[np.float64]
SHRINKAGE = 0.3
OF_WORDS = 0.12  # share of the words' covariance
FEW = 3  # recordings that are few, beside voices
HARD = 0.6  # share of the negatives' mean that the hardest of them have


@dataclass(frozen=True, eq=False)
class Discriminant:
    """Of one kind of negatives, for words that are still to come; float64, D being window * dim.

    `mean` (D,) and `covariance` (D, D) are those of the negatives, `inverse` is that of the covariance that was drawn to a sphere.
    """

    mean: Floats
    covariance: Floats
    inverse: Floats
    window: int

    @classmethod
    def of(cls, bank: Bank, window: int) -> Discriminant:
        """From the negatives of a bank."""
        covariance = bank.covariance(window)
        sphere = np.eye(len(covariance)) * np.trace(covariance) / len(covariance)
        mixed, of_words = covariance, bank.covariance_of_words(window)
        if of_words is not None:
            mixed = (1 - OF_WORDS) * covariance + OF_WORDS * np.trace(covariance) / np.trace(of_words) * of_words
        inverse = np.linalg.inv((1 - SHRINKAGE) * mixed + SHRINKAGE * sphere)
        return cls(np.tile(bank.mean, window), covariance, inverse, window)

    def kernel(self, mean: Floats, hard: Floats | None = None) -> Floats:
        """The kernel (window, dim) for a mean (D,) of the word, whose scores of negatives have a deviation of 1.

        `hard` (D,) is the mean of those negatives that are most like the word.
        """
        negative = self.mean if hard is None else (1 - HARD) * self.mean + HARD * hard
        given = (mean - negative) @ self.inverse
        return np.asarray(given / np.sqrt(given @ self.covariance @ given)).reshape(self.window, -1)


def word_mean(recordings: NDArray[np.floating], voices: NDArray[np.floating]) -> Floats | None:
    """The mean (D,) of recordings (n, n_copies, D) and voices (m, D); None where there are neither.

    Many recordings count as much as the voices do, a few of them less: one a fifth, three a third.
    """
    means = [one.mean(axis=tuple(range(one.ndim - 1)), dtype=np.float64) for one in (recordings, voices) if len(one)]
    if len(means) < 2:
        return np.asarray(means[0]) if means else None
    share = len(recordings) / (2 * len(recordings) + FEW)
    return np.asarray(share * means[0] + (1 - share) * means[1])
