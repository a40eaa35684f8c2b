"""The score of one word, from operations that microcontrollers have: a logistic function, no softmax.

Of two classes, P(word) is the logistic function of the difference of their logits, exactly; so it is of the word's own logit where
every class was trained by itself. Of more, with u(c) the logistic function of logit(c) - logit(word), the score is 1 - sum u(c) over
the other classes, or 0. That is P(word) where only one other class is likely, and never more than it: at most (1 - P)**2 / P less,
which is 0.003 at P = 0.95 and 0.05 at P = 0.8. So a threshold that was chosen for P gives no false accepts that P would not give.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Score:
    """The last layer that gives one word's score.

    `kernel` (n_channels, n) and `bias` (n,) give logits: that of the word, or, when `is_rest`, those of what it is not.
    """

    kernel: Floats
    bias: Floats
    is_rest: bool

    def of_logits(self, z: Floats) -> Floats:
        """Scores (...,) of logits (..., n)."""
        likely = logistic(z)
        return np.maximum(0, 1 - likely.sum(axis=-1)) if self.is_rest else likely[..., 0]


def score_of(kernel: NDArray[np.floating], bias: NDArray[np.floating], word: int, *, loss: str) -> Score:
    """The score of class `word` of a last layer ``(n_channels, n_classes)`` that was trained with `loss`."""
    weights, offsets = kernel.astype(np.float64), bias.astype(np.float64)
    if loss != "softmax":
        return Score(weights[:, [word]], offsets[[word]], False)
    others = [i for i in range(len(bias)) if i != word]
    above_kernel, above_bias = weights[:, others] - weights[:, [word]], offsets[others] - offsets[word]
    return Score(above_kernel, above_bias, True) if len(others) > 1 else Score(-above_kernel, -above_bias, False)


def logistic(z: Floats) -> Floats:
    """``1 / (1 + exp(-z))``, without overflow."""
    return 0.5 * (1 + np.tanh(0.5 * z))
