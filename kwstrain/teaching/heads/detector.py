"""A detector of one word: the last layer, its threshold, and what it makes of recordings that it was not made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kwstrain.detection.rates import FalseAccepts, Misses
from kwstrain.teaching.bank import Bank, score_stream
from kwstrain.teaching.heads.discriminant import Discriminant, word_mean
from kwstrain.teaching.heads.thresholds import passed, peaks, threshold_at

Floats = NDArray[np.float64]
Windows = NDArray[np.float32]

SATURATED = 6.0  # logit of the middle recording: 0.998, so that a threshold of 0.5 has room on both sides
N_HARD = 100  # windows of the negatives that are most like the word
OF_NEAR = 0.05  # share that words which sound like it have in the mean of those


@dataclass(frozen=True, eq=False)
class Spoken:
    """The word as it is known.

    `copies` float32 (n, n_copies, window, dim) are windows of each recording, `heard` the windows (m, window, dim) that a stream
    makes of it; `voices` (n, window, dim) are windows of synthetic voices. What must not be mistaken for it are `halves`
    (n, window, dim), and `near`, streams (n, dim) of words that sound like it.
    """

    copies: Windows
    heard: Sequence[Windows]
    voices: Windows
    halves: Windows
    near: Sequence[Windows] = ()

    def mean(self, without: int | None = None) -> Floats | None:
        """The mean (D,) of the word, perhaps without one of the recordings; None where nothing is left."""
        kept = [i for i in range(len(self.copies)) if i != without]
        size = int(np.prod(self.voices.shape[1:]))
        return word_mean(self.copies[kept].reshape(len(kept), self.copies.shape[1], size), self.voices.reshape(-1, size))


@dataclass(frozen=True, eq=False)
class WordDetector:
    """The last layer of one word.

    `kernel` float64 (window, dim) and `threshold`: a window is the word where ``sum(window * kernel)`` reaches the threshold.
    `margins` are the scores above it of recordings that were left out (of voices, without recordings); `misses` counts those below
    it, `false_accepts` what it lets through of the negatives.
    """

    kernel: Floats
    threshold: float
    margins: Floats
    false_accepts: FalseAccepts

    @property
    def misses(self) -> Misses:
        """Of what was left out."""
        return Misses("left out", int((self.margins < 0).sum()), len(self.margins))

    def layer(self) -> tuple[Floats, Floats]:
        """Kernel (1, window, dim, 2) and bias (2,) of the classes word and anything else: probability 0.5 at the threshold."""
        scale = SATURATED / max(float(np.median(self.margins)), 1.0)
        kernel = np.stack([scale * self.kernel, np.zeros_like(self.kernel)], axis=-1)
        return kernel[None], np.array([-scale * self.threshold, 0.0])


def make_detector(bank: Bank, spoken: Spoken, per_hour: float) -> WordDetector:
    """The detector of a word, which lets through about `per_hour` other sounds an hour."""
    discriminant = Discriminant.of(bank, spoken.voices.shape[1])
    word = spoken.mean()
    assert word is not None, "teach_word refuses a word without recordings and voices"
    first = discriminant.kernel(word)
    hard = _hardest(bank.streams, spoken, first)
    kernel = discriminant.kernel(word, hard)
    heights = _heights(discriminant, bank, spoken, word, first)
    threshold = threshold_at(heights, bank.hours, per_hour)
    left_out = [(heard, mean) for i, heard in enumerate(spoken.heard) if (mean := spoken.mean(without=i)) is not None]
    judged = [_score(heard, discriminant.kernel(mean, hard)) for heard, mean in left_out]
    if not judged:
        judged = [_score(one[None], kernel) for one in spoken.voices]
    false_accepts = FalseAccepts("negatives", passed(heights, threshold), bank.hours)
    return WordDetector(kernel, threshold, np.array(judged) - threshold, false_accepts)


def _heights(discriminant: Discriminant, bank: Bank, spoken: Spoken, word: Floats, first: Floats) -> Floats:
    """Of the events in each half of the negatives, with the hardest ones chosen from the other half: those that were chosen score lower."""
    parts = [[one[: len(one) // 2] for one in bank.streams], [one[len(one) // 2 :] for one in bank.streams]]
    found = []
    for judged, chosen in (parts, parts[::-1]):
        kernel = discriminant.kernel(word, _hardest(chosen, spoken, first))
        found.append(peaks((score_stream(one, kernel) for one in judged), bank.hop_s))
    return np.sort(np.concatenate(found))[::-1]


def _score(heard: Windows, kernel: Floats) -> float:
    return float(np.einsum("mwd,wd->m", heard, kernel).max())


def _hardest(streams: Sequence[Windows], spoken: Spoken, kernel: Floats) -> Floats:
    """The mean (D,) of the windows that score highest: of streams (n, dim) and halves, and a little of what sounds like the word."""
    judged = [*streams, *spoken.halves]
    scores = [score_stream(one, kernel) for one in judged]
    which = np.repeat(np.arange(len(scores)), [len(one) for one in scores])
    where = np.concatenate([np.arange(len(one)) for one in scores])
    highest = np.argsort(-np.concatenate(scores), kind="stable")[:N_HARD]
    mean = _mean_of([(judged[which[i]], int(where[i])) for i in highest], len(kernel))
    if not spoken.near:
        return mean
    near = _mean_of([(one, int(score_stream(one, kernel).argmax())) for one in spoken.near], len(kernel))
    return (1 - OF_NEAR) * mean + OF_NEAR * near


def _mean_of(places: Sequence[tuple[Windows, int]], window: int) -> Floats:
    return np.asarray(np.mean([one[start : start + window].ravel() for one, start in places], axis=0, dtype=np.float64))
