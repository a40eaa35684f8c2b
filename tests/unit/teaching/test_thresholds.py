"""Events of scores, and the threshold for a rate."""

from __future__ import annotations

import numpy as np
import pytest

from kwsfeat import Detector
from kwstrain.teaching.heads.thresholds import passed, peaks, threshold_at


def test_heights_are_those_at_which_a_detector_loses_an_event() -> None:
    rng = np.random.default_rng(0)
    score = np.convolve(rng.uniform(0, 1, 600), np.ones(5) / 5, "same")
    heights = peaks([score], 0.08)
    for k in (1, 3, 10):
        threshold = (heights[k - 1] + heights[k]) / 2
        detector = Detector(["word"], thresholds={"word": threshold}, hysteresis=0.0, refractory_s=1.0)
        events = detector.feed(score[:, None], 0.08 * np.arange(len(score)))
        assert abs(len(events) - k) <= 1 + k // 5, "a detector decides from left to right, which can split an event"
    assert passed(heights, threshold) == 10


def test_one_event_in_a_refractory_time() -> None:
    score = np.zeros(100)
    score[[10, 15, 60]] = 3, 2, 1
    assert peaks([score, np.full(1, 7.0)], 0.08)[:3].tolist() == [7, 3, 1]


@pytest.mark.parametrize("per_hour", [0.1, 0.5, 20.0])
def test_an_exponential_tail_goes_on_as_it_began(per_hour: float) -> None:
    """Rates far below those that were counted, within what 30 events allow to know."""
    rng = np.random.default_rng(1)
    thresholds = []
    for _ in range(50):
        heights = np.sort(rng.exponential(2.0, 2000))[::-1]
        thresholds.append(threshold_at(heights, 4.0, per_hour))
    true = 2.0 * np.log(500 / per_hour)  # 500 an hour are above 0
    assert np.mean(thresholds) == pytest.approx(true, rel=0.05)


def test_few_heights_give_a_threshold_too() -> None:
    assert threshold_at(np.array([3.0]), 1.0, 0.5) == 3.0
    assert threshold_at(np.zeros(0), 1.0, 0.5) == 0.0
