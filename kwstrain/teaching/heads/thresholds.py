"""From scores of negatives to the threshold that lets so many through in an hour."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

REFRACTORY_S = 1.0
TAIL = 30  # events that the tail is fitted to
COUNTED = 10  # events that need no fit


def peaks(scores: Iterable[Floats], hop_s: float) -> Floats:
    """The heights of all events, the highest first: a threshold below the k-th one lets k through.

    Scores that are less than the refractory time from a higher one are part of its event.
    """
    n = max(1, round(REFRACTORY_S / hop_s))
    found: list[float] = []
    for one in scores:
        free = np.ones(len(one), bool)
        tops = np.flatnonzero((one >= np.append(one[1:], -np.inf)) & (one >= np.append(-np.inf, one[:-1])))
        for i in tops[np.argsort(-one[tops], kind="stable")]:
            if free[i]:
                found.append(float(one[i]))
                free[max(0, i - n) : i + n + 1] = False
    return np.sort(np.array(found, np.float64))[::-1]


def threshold_at(heights: Floats, hours: float, per_hour: float) -> float:
    """The score that events reach `per_hour` times an hour.

    With few events the tail is assumed to be exponential, which the largest of many values have in common (Pickands 1975), and fitted to
    the highest TAIL; where COUNTED or more are allowed they are counted.
    """
    allowed = per_hour * hours
    if allowed >= COUNTED and allowed + 1 < len(heights):
        k = int(allowed)
        return float(heights[k - 1] + heights[k]) / 2
    tail = heights[: min(TAIL, len(heights) // 2)]
    if len(tail) < 2:
        return float(heights[0]) if len(heights) else 0.0
    scale = float((tail[:-1] - tail[-1]).mean())
    return float(tail[-1]) + scale * float(np.log(len(tail) / allowed))


def passed(heights: Floats, threshold: float) -> int:
    """Events at or above a threshold."""
    return int((heights >= threshold).sum())
