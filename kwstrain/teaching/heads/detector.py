"""A detector of one word: the last layer, chosen by what it makes of recordings that it was not made from, and its threshold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kwstrain.detection.rates import FalseAccepts, Misses
from kwstrain.teaching.bank import Bank
from kwstrain.teaching.heads.discriminant import SHRINKAGES, Discriminants, word_mean
from kwstrain.teaching.heads.thresholds import passed, peaks, threshold_at

Floats = NDArray[np.float64]
Windows = NDArray[np.float32]

SATURATED = 6.0  # logit of the middle recording: 0.998, so that a threshold of 0.5 has room on both sides


@dataclass(frozen=True, eq=False)
class Detector:
    """The last layer of one word.

    `kernel` float64 (window, dim) and `threshold`: a window is the word where ``sum(window * kernel)`` reaches the threshold.
    `found` says what became of recordings that were left out when it was made; `false_accepts` what it lets through of the negatives.
    """

    kernel: Floats
    threshold: float
    scale: float
    head: str
    found: Misses
    false_accepts: FalseAccepts
    margins: Floats

    def layer(self) -> tuple[Floats, Floats]:
        """Kernel (window, dim, 2) and bias (2,) of the classes word and anything else: probability 0.5 at the threshold."""
        kernel = np.stack([self.scale * self.kernel, np.zeros_like(self.kernel)], axis=-1)
        return kernel, np.array([-self.scale * self.threshold, 0.0])


@dataclass(frozen=True, eq=False)
class Spoken:
    """The word as it is known.

    `copies` float32 (n, n_copies, window, dim) are windows of each recording, `heard` the windows (m, window, dim) that a stream
    makes of it; `voices` (n_windows, window, dim) are windows of synthetic voices, and `halves` what must not be taken for it.
    """

    copies: Windows
    heard: Sequence[Windows]
    voices: Windows
    halves: Windows


def make_detector(bank: Bank, spoken: Spoken, per_hour: float) -> Detector:
    """Choose and make the last layer.

    Every shrinkage, with the voices and without, is tried on each recording after it was left out; the one that misses fewest at
    the threshold for `per_hour` false accepts is taken, of equal ones that with the largest margin.
    """
    window = spoken.copies.shape[2] if len(spoken.copies) else spoken.voices.shape[1]
    discriminants = Discriminants.of(bank, window)
    best: tuple[tuple[float, float], Detector] | None = None
    for with_voices in _choices(spoken):
        kernels = discriminants.kernels(word_mean(_sets(spoken, with_voices, None)))
        left_out = _left_out(discriminants, spoken, with_voices)
        for i, kernel in enumerate(kernels):
            heights = peaks(bank.scores(kernel), bank.hop_s)
            threshold = threshold_at(heights, bank.hours, per_hour)
            judged = left_out[:, i] if len(left_out) else _scores_of_voices(spoken, kernel)
            margins = judged - threshold
            order = (float((margins < 0).mean()), -float(np.tanh(margins / 2).mean()))
            if best is None or order < best[0]:
                scale = SATURATED / max(float(np.median(margins)), 1.0)
                head = f"{'nearest centroid' if SHRINKAGES[i] == 1 else f'linear discriminant, shrinkage {SHRINKAGES[i]:g}'}"
                false = FalseAccepts("negatives", passed(heights, threshold), bank.hours)
                found = Misses("left out", int((margins < 0).sum()), len(margins))
                best = order, Detector(kernel, threshold, scale, head, found, false, margins)
    assert best is not None
    return best[1]


def _choices(spoken: Spoken) -> list[bool]:
    """Whether to use the voices: both are tried where there are recordings enough to tell."""
    if not len(spoken.voices):
        return [False]
    return [True] if len(spoken.copies) < 2 else [True, False]


def _sets(spoken: Spoken, with_voices: bool, without: int | None) -> list[Windows]:
    """Windows (n, D) of the recordings, without one of them, and of the voices."""
    kept = [i for i in range(len(spoken.copies)) if i != without]
    recordings = spoken.copies[kept].reshape(-1, int(np.prod(spoken.copies.shape[2:])) if len(spoken.copies) else 0)
    voices = spoken.voices.reshape(len(spoken.voices), -1)
    return [recordings, voices] if with_voices else [recordings]


def _left_out(discriminants: Discriminants, spoken: Spoken, with_voices: bool) -> Floats:
    """The highest score of each recording by the discriminants that were made without it, (n, n_shrinkages)."""
    rows = []
    for i, heard in enumerate(spoken.heard):
        sets = [one for one in _sets(spoken, with_voices, i) if len(one)]
        if not sets:
            return np.zeros((0, len(SHRINKAGES)))
        kernels = discriminants.kernels(word_mean(sets))
        rows.append(np.einsum("mwd,swd->ms", heard, kernels).max(axis=0))
    return np.array(rows).reshape(len(rows), len(SHRINKAGES))


def _scores_of_voices(spoken: Spoken, kernel: Floats) -> Floats:
    return np.asarray(np.einsum("nwd,wd->n", spoken.voices, kernel))
