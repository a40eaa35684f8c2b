"""A detector of one word: the last layer, chosen by what it makes of recordings that it was not made from, and its threshold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kwstrain.detection.rates import FalseAccepts, Misses
from kwstrain.teaching.bank import Bank, score_stream
from kwstrain.teaching.heads.discriminant import SHRINKAGES, Discriminant, word_means
from kwstrain.teaching.heads.thresholds import passed, peaks, threshold_at

Floats = NDArray[np.float64]
Windows = NDArray[np.float32]

SATURATED = 6.0  # logit of the middle recording: 0.998, so that a threshold of 0.5 has room on both sides
ENOUGH, WITHOUT = 5, 0.7  # recordings that can choose the shrinkage, and what it is without them
N_HARD = 100  # windows of the negatives that are most like the word


@dataclass(frozen=True, eq=False)
class Spoken:
    """The word as it is known.

    `copies` float32 (n, n_copies, window, dim) are windows of each recording, `heard` the windows (m, window, dim) that a stream
    makes of it; `voices` (n, window, dim) are windows of synthetic voices, `halves` (n, window, dim) what must not be taken for it.
    """

    copies: Windows
    heard: Sequence[Windows]
    voices: Windows
    halves: Windows

    def means(self, without: int | None = None) -> list[Floats]:
        """The means (D,) of the word, perhaps without one of the recordings."""
        kept = [i for i in range(len(self.copies)) if i != without]
        size = int(np.prod(self.voices.shape[1:]))
        return word_means(self.copies[kept].reshape(-1, size), self.voices.reshape(-1, size))


@dataclass(frozen=True, eq=False)
class WordDetector:
    """The last layer of one word.

    `kernels` float64 (n, window, dim) and `threshold`: a window is the word where the largest ``sum(window * kernel)`` reaches the
    threshold. `margins` are the scores above it of recordings that were left out (of voices, without recordings); `misses` counts
    those below it, `false_accepts` what it lets through of the negatives.
    """

    kernels: Floats
    threshold: float
    head: str
    margins: Floats
    false_accepts: FalseAccepts

    @property
    def misses(self) -> Misses:
        """Of what was left out."""
        return Misses("left out", int((self.margins < 0).sum()), len(self.margins))

    @property
    def order(self) -> tuple[int, float]:
        """Of two detectors the one with the smaller value is better: fewer misses, then larger margins."""
        return self.misses.n, -float(np.tanh(self.margins / 2).mean())

    def layer(self) -> tuple[Floats, Floats]:
        """Kernels (n, window, dim, 2) and bias (2,) of the classes word and anything else: probability 0.5 at the threshold."""
        scale = SATURATED / max(float(np.median(self.margins)), 1.0)
        kernels = np.stack([scale * self.kernels, np.zeros_like(self.kernels)], axis=-1)
        return kernels, np.array([-scale * self.threshold, 0.0])


def make_detector(bank: Bank, spoken: Spoken, per_hour: float) -> WordDetector:
    """The best of several shrinkages, by each recording after it was left out; of few recordings, the middle one."""
    window = spoken.voices.shape[1]
    tried = SHRINKAGES if len(spoken.copies) >= ENOUGH else (WITHOUT,)
    return min((_detector(Discriminant.of(bank, window, one), bank, spoken, per_hour) for one in tried), key=lambda made: made.order)


def largest(vectors: Windows, kernels: Floats) -> Floats:
    """The largest score of every window of a stream (n, dim), float64 (n - window + 1,)."""
    return np.asarray(np.max([score_stream(vectors, one) for one in kernels], axis=0))


def _detector(discriminant: Discriminant, bank: Bank, spoken: Spoken, per_hour: float) -> WordDetector:
    first = discriminant.kernels(spoken.means())
    hard = _hardest([*bank.streams, *spoken.halves], first)
    kernels = discriminant.kernels(spoken.means(), hard)
    heights = _heights(discriminant, bank, spoken, first)
    threshold = threshold_at(heights, bank.hours, per_hour)
    judged = [_score(heard, discriminant.kernels(means, hard)) for i, heard in enumerate(spoken.heard) if (means := spoken.means(i))]
    if not judged:
        judged = [_score(one[None], kernels) for one in spoken.voices]
    false_accepts = FalseAccepts("negatives", passed(heights, threshold), bank.hours)
    return WordDetector(kernels, threshold, discriminant.name, np.array(judged) - threshold, false_accepts)


def _heights(discriminant: Discriminant, bank: Bank, spoken: Spoken, first: Floats) -> Floats:
    """Of the events in each half of the negatives, with the hardest ones chosen from the other half: those that were chosen score lower."""
    parts = [[one[: len(one) // 2] for one in bank.streams], [one[len(one) // 2 :] for one in bank.streams]]
    found = []
    for judged, chosen in (parts, parts[::-1]):
        kernels = discriminant.kernels(spoken.means(), _hardest([*chosen, *spoken.halves], first))
        found.append(peaks((largest(one, kernels) for one in judged), bank.hop_s))
    return np.sort(np.concatenate(found))[::-1]


def _score(heard: Windows, kernels: Floats) -> float:
    return float(np.einsum("mwd,twd->mt", heard, kernels).max())


def _hardest(streams: Sequence[Windows], kernels: Floats) -> Floats:
    """The mean of the windows of streams (n, dim) that score highest, (D,)."""
    window = kernels.shape[1]
    scores = [largest(one, kernels) for one in streams]
    which = np.repeat(np.arange(len(scores)), [len(one) for one in scores])
    where = np.concatenate([np.arange(len(one)) for one in scores])
    highest = np.argsort(-np.concatenate(scores), kind="stable")[:N_HARD]
    chosen = [streams[which[i]][where[i] : where[i] + window].ravel() for i in highest]
    return np.asarray(np.mean(chosen, axis=0, dtype=np.float64))
