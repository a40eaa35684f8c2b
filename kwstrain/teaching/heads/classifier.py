"""A classifier of several words: the mean of the vectors that a clip has, and a logistic regression; and what it refuses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kwstrain.detection.rates import Misses
from kwstrain.inference.probabilities import probabilities
from kwstrain.inference.rejection import rejection_threshold
from kwstrain.teaching.bank import Bank
from kwstrain.teaching.heads.logistic import fit_logistic

Floats = NDArray[np.float64]

PENALTIES = (1e-4, 1e-3, 1e-2)
FOLDS = 5


@dataclass(frozen=True, eq=False)
class WordClassifier:
    """The last layer of several words.

    `kernel` (1, 1, dim, n_classes) and `bias` (n_classes,), the last class being everything else; `wrong` counts recordings
    that were left out when it was made; `threshold` is what an answer must reach, None where the recordings are too few to say.
    """

    kernel: Floats
    bias: Floats
    penalty: float
    wrong: tuple[Misses, ...]
    threshold: float | None


def make_classifier(bank: Bank, words: Sequence[tuple[str, NDArray[np.float32]]], n_vectors: int, *, seed: int = 0) -> WordClassifier:
    """Choose the penalty and make the last layer.

    Parameters
    ----------
    bank : Bank
        Examples of everything else.
    words : sequence of (str, ndarray float32 (n_takes, n_copies, dim))
        Mean vectors of clips of each word; the first copy is the recording itself.
    n_vectors : int
        How many vectors are averaged.
    seed : int
        Of the folds.
    """
    mean, deviation = bank.mean, np.sqrt(np.diag(bank.lags[0]))
    others = np.concatenate([_means(one, n_vectors) for one in bank.streams])
    data = _Data(words, others, mean, deviation, np.random.default_rng(seed))
    best: tuple[float, float, Floats] | None = None
    for penalty in PENALTIES:
        given = data.cross_validated(penalty)
        loss = float(-np.log(np.maximum(given[np.arange(len(given)), :, data.word], 1e-9)).mean())
        if best is None or loss < best[0]:
            best = loss, penalty, given
    assert best is not None
    _, penalty, given = best
    right = given.argmax(axis=2) == data.word[:, None]
    wrong = tuple(Misses(name, int((~right[data.word == i, 0]).sum()), int((data.word == i).sum())) for i, (name, _) in enumerate(words))
    kernel, bias = data.fit(penalty, np.ones(len(data.word), bool))
    # Of all copies: a clip that is classified lies around its word in any way, and has noise.
    threshold = rejection_threshold(given[np.arange(len(given)), :, data.word][right])
    # The standardisation becomes part of the layer.
    kernel = kernel / deviation[:, None]
    return WordClassifier(kernel[None, None], bias - mean @ kernel, penalty, wrong, threshold)


class _Data:
    """Standardised examples: of each recording its copies, and all of the negatives."""

    def __init__(
        self, words: Sequence[tuple[str, NDArray[np.float32]]], others: Floats, mean: Floats, deviation: Floats, rng: np.random.Generator
    ):
        self.n_classes = len(words) + 1
        self.copies = [(copies - mean) / deviation for _, copies in words]
        self.word = np.concatenate([np.full(len(copies), i) for i, copies in enumerate(self.copies)])
        self.fold = np.concatenate([rng.permutation(len(copies)) % FOLDS for copies in self.copies])
        self.others = (others - mean) / deviation

    def fit(self, penalty: float, chosen: NDArray[np.bool_]) -> tuple[Floats, Floats]:
        """From the chosen recordings: every class counts alike."""
        takes = np.concatenate([one.reshape(len(one), -1) for one in self.copies])[chosen]
        label = self.word[chosen]
        n_copies = self.copies[0].shape[1]
        x = np.concatenate([takes.reshape(len(takes) * n_copies, -1), self.others])
        labels = np.concatenate([np.repeat(label, n_copies), np.full(len(self.others), self.n_classes - 1)])
        counts = np.bincount(labels, minlength=self.n_classes)
        return fit_logistic(x, labels, (1 / (self.n_classes * counts[labels])), self.n_classes, penalty)

    def cross_validated(self, penalty: float) -> Floats:
        """Probabilities of the copies of each recording from the other recordings, (n_takes, n_copies, n_classes)."""
        copies = np.concatenate(self.copies)
        given = np.zeros((*copies.shape[:2], self.n_classes))
        for fold in range(FOLDS):
            out = self.fold == fold
            if out.any() and not out.all():
                kernel, bias = self.fit(penalty, ~out)
                logits = np.asarray(copies[out] @ kernel + bias, np.float32)
                given[out] = probabilities(logits.reshape(-1, self.n_classes)).reshape(logits.shape)
        return given


def _means(vectors: NDArray[np.float32], n: int) -> NDArray[np.float64]:
    """Means of every `n` vectors, one after another."""
    whole = len(vectors) // n
    return np.asarray(vectors[: whole * n].reshape(whole, n, -1).mean(axis=1, dtype=np.float64))
