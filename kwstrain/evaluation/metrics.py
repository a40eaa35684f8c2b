"""What a set of logits is worth: plain NumPy, sums divided once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Scores:
    """Results on one split.

    `confusion` int64 (n_classes, n_classes): rows are the true classes. `precision`, `recall`, `f1` float64 (n_classes,); a class
    without clips or predictions has 0. `loss` is the mean cross-entropy in nats.
    """

    loss: float
    confusion: NDArray[np.int64]

    @property
    def n_clips(self) -> int:
        """Clips counted."""
        return int(self.confusion.sum())

    @property
    def accuracy(self) -> float:
        """Share of clips whose most probable class is theirs."""
        return float(np.trace(self.confusion)) / max(1, self.n_clips)

    @property
    def micro_f1(self) -> float:
        """F1 of all decisions together: with one label per clip this is the accuracy."""
        hits = np.trace(self.confusion)
        wrong = self.n_clips - hits  # each wrong clip is one false positive and one false negative
        return float(2 * hits / max(1, 2 * hits + 2 * wrong))

    @property
    def macro_f1(self) -> float:
        """Mean F1 of the classes that occur among the clips or the predictions, as scikit-learn's ``f1_score(average="macro")``."""
        occurs = (self.confusion.sum(axis=1) > 0) | (self.confusion.sum(axis=0) > 0)
        return float(self.f1[occurs].mean()) if occurs.any() else 0.0

    @property
    def majority_share(self) -> float:
        """Share of the clips that belong to the class with most of them: the accuracy of always giving that answer."""
        return float(self.confusion.sum(axis=1).max()) / max(1, self.n_clips)

    @property
    def precision(self) -> NDArray[np.float64]:
        """Share of the predictions of each class that are right."""
        return _ratio(self.confusion.diagonal(), self.confusion.sum(axis=0))

    @property
    def recall(self) -> NDArray[np.float64]:
        """Share of the clips of each class that are found."""
        return _ratio(self.confusion.diagonal(), self.confusion.sum(axis=1))

    @property
    def f1(self) -> NDArray[np.float64]:
        """Harmonic mean of precision and recall."""
        return _ratio(2 * self.confusion.diagonal(), self.confusion.sum(axis=0) + self.confusion.sum(axis=1))

    @property
    def interval(self) -> tuple[float, float]:
        """95 % confidence interval of the accuracy."""
        return wilson_interval(int(np.trace(self.confusion)), self.n_clips)

    def to_dict(self) -> dict[str, Any]:
        """JSON types."""
        return {
            "n_clips": self.n_clips,
            "loss": self.loss,
            "accuracy": self.accuracy,
            "interval": list(self.interval),
            "micro_f1": self.micro_f1,
            "macro_f1": self.macro_f1,
            "majority_share": self.majority_share,
            "confusion": self.confusion.tolist(),
        }


def score(logits: NDArray[np.float32], label: NDArray[np.int32], objective: str = "softmax") -> Scores:
    """Compare logits (n, n_classes) with labels (n,).

    `objective` is the cross-entropy reported as loss: ``softmax``, or ``sigmoid`` averaged over the classes.
    """
    n_classes = logits.shape[1]
    confusion = np.zeros((n_classes, n_classes), np.int64)
    np.add.at(confusion, (label, logits.argmax(axis=1)), 1)
    if len(label) == 0:
        return Scores(float("nan"), confusion)
    return Scores(float(cross_entropy(logits, label, objective).mean()), confusion)


def cross_entropy(logits: NDArray[np.float32], label: NDArray[np.int32], objective: str) -> NDArray[np.float64]:
    """Loss of each clip in nats, float64, shape (n,)."""
    z = logits.astype(np.float64)
    own = z[np.arange(len(label)), label]
    # -log sigmoid(z) = log(1 + e^-z); of the other classes -log(1 - sigmoid(z)) = log(1 + e^z)
    with np.errstate(invalid="ignore"):  # of a network that diverged: no number comes out
        loss = np.logaddexp.reduce(z, axis=1) - own if objective == "softmax" else (np.logaddexp(0, z).sum(axis=1) - own) / z.shape[1]
    return np.asarray(loss, np.float64)


def wilson_interval(hits: int, n: int, z: float = 1.959964) -> tuple[float, float]:
    """Wilson's score interval of a share (JASA 22, 1927): it stays inside [0, 1] and holds for shares near 1."""
    if n == 0:
        return 0.0, 1.0
    p = hits / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))


def _ratio(top: NDArray[np.int64], bottom: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.divide(top, bottom, out=np.zeros(len(top)), where=bottom > 0)
