"""A classifier of several words: the mean of the vectors that a clip has, and a logistic regression; and what it refuses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kwstrain.detection.rates import Misses
from kwstrain.inference.probabilities import probabilities
from kwstrain.inference.rejection import rejection_threshold
from kwstrain.teaching.bank import WINDOW, Bank
from kwstrain.teaching.heads.logistic import fit_logistic

Floats = NDArray[np.float64]
Means = NDArray[np.float32]

PENALTY = 0.1
OF_VOICES = 0.2  # how much synthetic voices count beside recordings
SHRINKAGE = 0.3  # share of a sphere in how one word varies
FOLDS = 5


@dataclass(frozen=True, eq=False)
class KnownWord:
    """A word as it is known: mean vectors of clips.

    `copies` float32 (n_takes, n_copies, dim) of recordings, the first copy being the recording itself; `voices` float32 (n, dim) of what
    synthetic voices say, which may be none.
    """

    name: str
    copies: Means
    voices: Means


@dataclass(frozen=True, eq=False)
class WordClassifier:
    """The last layer of several words.

    `kernel` (1, 1, dim, n_classes) and `bias` (n_classes,), the last class being everything else; `wrong` counts recordings
    that were left out when it was made; `threshold` is what an answer must reach, None where the recordings are too few to say.
    """

    kernel: Floats
    bias: Floats
    wrong: tuple[Misses, ...]
    threshold: float | None


def make_classifier(bank: Bank, words: Sequence[KnownWord], n_vectors: int, *, seed: int = 0) -> WordClassifier:
    """Make the last layer.

    Parameters
    ----------
    bank : Bank
        Examples of everything else, and how one word varies from speaker to speaker.
    words : sequence of KnownWord
    n_vectors : int
        How many vectors are averaged.
    seed : int
        Of the folds.
    """
    data = _Data(bank, words, n_vectors, np.random.default_rng(seed))
    given = data.cross_validated()
    right = given.argmax(axis=2) == data.word[:, None]
    wrong = tuple(Misses(one.name, int((~right[data.word == i, 0]).sum()), len(one.copies)) for i, one in enumerate(words))
    # Of all copies: a clip that is classified lies around its word in any way, and has noise.
    threshold = rejection_threshold(given[np.arange(len(given)), :, data.word][right])
    kernel, bias = data.fit(np.ones(len(data.word), bool))
    kernel = data.whitening @ kernel  # which becomes part of the layer
    return WordClassifier(kernel[None, None], bias - bank.mean @ kernel, wrong, threshold)


class _Data:
    """Examples in which a word varies about as much in every direction: of each recording its copies, the voices, all of the negatives."""

    def __init__(self, bank: Bank, words: Sequence[KnownWord], n_vectors: int, rng: np.random.Generator):
        others = np.concatenate([_means(one, n_vectors) for one in bank.streams]) - bank.mean
        self.whitening = whitening_of_words(bank)
        self.whitening /= (others @ self.whitening).std()
        self.others = others @ self.whitening
        self.copies = np.concatenate([(one.copies - bank.mean) @ self.whitening for one in words])
        self.voices = [(one.voices - bank.mean) @ self.whitening for one in words]
        self.word = np.repeat(np.arange(len(words)), [len(one.copies) for one in words])
        self.fold = np.concatenate([rng.permutation(len(one.copies)) % FOLDS for one in words])

    def fit(self, chosen: NDArray[np.bool_]) -> tuple[Floats, Floats]:
        """From the chosen recordings, the voices and the negatives: every class counts alike."""
        n_classes = len(self.voices) + 1
        parts = [(self.others, n_classes - 1, 1.0)]
        for i, voices in enumerate(self.voices):
            share = OF_VOICES if len(voices) else 0.0
            parts += [(self.copies[chosen & (self.word == i)].reshape(-1, voices.shape[1]), i, 1 - share), (voices, i, share)]
        weight = np.concatenate([np.full(len(x), share / (n_classes * max(1, len(x)))) for x, _, share in parts])
        label = np.repeat([i for _, i, _ in parts], [len(x) for x, _, _ in parts])
        return fit_logistic(np.concatenate([x for x, _, _ in parts]), label, weight, n_classes, PENALTY)

    def cross_validated(self) -> Floats:
        """Probabilities of the copies of each recording from the other recordings, (n_takes, n_copies, n_classes)."""
        given = np.zeros((*self.copies.shape[:2], len(self.voices) + 1))
        for fold in range(FOLDS):
            out = self.fold == fold
            if out.any():
                kernel, bias = self.fit(~out)
                logits = np.asarray(self.copies[out] @ kernel + bias, np.float32)
                given[out] = probabilities(logits.reshape(-1, len(bias))).reshape(logits.shape)
        return given


def whitening_of_words(bank: Bank) -> Floats:
    """Directions (dim, dim) in which clips of one word vary alike, or, in a bank without words, clips of negatives."""
    varies, dim = bank.covariance_of_words(WINDOW), len(bank.mean)
    if varies is None:
        varies = bank.covariance(WINDOW)
    of_means = varies.reshape(WINDOW, dim, WINDOW, dim).mean(axis=(0, 2))
    variance, directions = np.linalg.eigh(of_means + SHRINKAGE * np.eye(dim) * np.trace(of_means) / dim)
    return np.asarray(directions / np.sqrt(variance))


def _means(vectors: Means, n: int) -> Floats:
    """Means of every `n` vectors, one after another."""
    whole = len(vectors) // n
    return np.asarray(vectors[: whole * n].reshape(whole, n, -1).mean(axis=1, dtype=np.float64))
