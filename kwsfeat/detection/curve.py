"""How good a detector is at every threshold, and the thresholds that find most within a budget of false accepts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kwsfeat.detection.counting import Outcome, count_events
from kwsfeat.detection.detector import Detector, Event
from kwsfeat.detection.reference import Interval

Blocks = Iterator[tuple[NDArray[np.floating], NDArray[np.floating]]]
# Evenly spaced as logits, -3 to 12: what tells good networks apart lies close to 1.
THRESHOLDS: tuple[float, ...] = tuple((1 / (1 + np.exp(-np.arange(-3.0, 12.25, 0.25)))).tolist())


@dataclass(frozen=True)
class Stream:
    """A recording with its reference, whose posteriors can be read again and again; what :func:`operating_curve` takes.

    Parameters
    ----------
    name : str
    duration_s : float, s
    reference : sequence of Interval
    blocks : callable
        Gives the blocks of (posteriors, times) in their order, as :meth:`Detector.feed` takes them.

    Examples
    --------
    >>> from kwsfeat import Detector
    >>> stream = Stream("a.wav", 3600.0, [], lambda: iter([([[0.1], [0.9]], [0.1, 0.2])]))
    >>> [event.time_s for event in stream.events(Detector(["yes"]))]
    [0.2]
    """

    name: str
    duration_s: float
    reference: Sequence[Interval]
    blocks: Callable[[], Blocks]

    def events(self, detector: Detector) -> list[Event]:
        """What a detector, reset before, detects in it."""
        detector.reset()
        return [event for posteriors, times in self.blocks() for event in detector.feed(posteriors, times)]

    def outcome(self, detector: Detector, *, tolerance_s: float = 1.0) -> Outcome:
        """What that is worth; see :func:`count_events`."""
        return count_events(self.events(detector), self.reference, self.duration_s, detector.words, tolerance_s=tolerance_s)


@dataclass(frozen=True)
class Point:
    """What a word's detector does at one threshold.

    Parameters
    ----------
    threshold : float
    said : int
        How often the word was said.
    misses, false_accepts : int

    Examples
    --------
    >>> Point(0.5, said=20, misses=1, false_accepts=3).misses
    1
    """

    threshold: float
    said: int
    misses: int
    false_accepts: int


def operating_curve(
    streams: Sequence[Stream],
    labels: Sequence[str],
    words: Sequence[str],
    *,
    thresholds: Sequence[float] = THRESHOLDS,
    smoothing_frames: int = 1,
    hysteresis: float = 0.05,
    refractory_s: float = 1.0,
    tolerance_s: float = 1.0,
) -> dict[str, list[Point]]:
    """Misses and false accepts of each word at each threshold.

    The detector runs anew at every threshold: with hysteresis and refractory time the counts jump, and the events of a higher
    threshold are not among those of a lower one.

    Parameters
    ----------
    streams : sequence of Stream
    labels : sequence of str
        The columns of the posteriors.
    words : sequence of str
        What is detected.
    thresholds : sequence of float
        Those that are not above `hysteresis` are left out.
    smoothing_frames, hysteresis, refractory_s
        As for :class:`Detector`.
    tolerance_s : float, s
        As for :func:`count_events`.

    Returns
    -------
    dict of str to list of Point
        For each word, in the order of the thresholds.

    Examples
    --------
    >>> from kwsfeat import Stream
    >>> stream = Stream("a.wav", 3600.0, [], lambda: iter([([[0.1], [0.9], [0.2], [0.6]], [1.0, 2.0, 3.0, 4.0])]))
    >>> [point.false_accepts for point in operating_curve([stream], ["yes"], ["yes"], thresholds=[0.5, 0.7])["yes"]]
    [2, 1]
    """
    curve: dict[str, list[Point]] = {word: [] for word in words}
    for threshold in thresholds:
        if threshold <= hysteresis:
            continue
        detector = Detector(
            labels, thresholds=dict.fromkeys(words, threshold), smoothing_frames=smoothing_frames, hysteresis=hysteresis,
            refractory_s=refractory_s,
        )  # fmt: skip
        outcomes = [stream.outcome(detector, tolerance_s=tolerance_s) for stream in streams]
        for word, points in curve.items():
            missed = sum(one.word == word for outcome in outcomes for one in outcome.misses)
            found = sum(one.word == word for outcome in outcomes for _, one in outcome.hits)
            false = sum(event.word == word for outcome in outcomes for event, _ in outcome.false_accepts)
            points.append(Point(threshold, missed + found, missed, false))
    return curve


def choose_thresholds(curve: Mapping[str, Sequence[Point]], budget: int) -> dict[str, Point]:
    """The points of the words with the fewest misses in all whose false accepts are `budget` together, or fewer.

    The words' detectors do not depend on each other, so the best division of the budget is found exactly. Of points that are
    equally good the middle one is taken, which is farthest from where something changes.

    Parameters
    ----------
    curve : mapping of str to sequence of Point
        As from :func:`operating_curve`.
    budget : int, >= 0

    Returns
    -------
    dict of str to Point
        Empty where even the highest thresholds accept more.

    Examples
    --------
    >>> from kwsfeat import Point
    >>> yes = [Point(0.5, 10, 0, 4), Point(0.7, 10, 1, 1), Point(0.9, 10, 3, 0)]
    >>> no = [Point(0.5, 10, 0, 1), Point(0.9, 10, 1, 0)]
    >>> {word: point.threshold for word, point in choose_thresholds({"yes": yes, "no": no}, budget=1).items()}
    {'yes': 0.7, 'no': 0.9}
    """
    best: dict[int, tuple[int, dict[str, Point]]] = {0: (0, {})}  # false accepts so far -> misses, points
    for word, points in curve.items():
        further: dict[int, tuple[int, dict[str, Point]]] = {}
        for accepted, (missed, chosen) in best.items():
            for point in _worthwhile(points):
                n, misses = accepted + point.false_accepts, missed + point.misses
                if n <= budget and (n not in further or misses < further[n][0]):
                    further[n] = (misses, {**chosen, word: point})
        best = further
    return min(best.items(), key=lambda item: (item[1][0], item[0]))[1][1] if best else {}


def _worthwhile(points: Sequence[Point]) -> list[Point]:
    """The middle one of each group of equal points, without those that another is better than."""
    groups: dict[tuple[int, int], list[Point]] = {}
    for point in points:
        groups.setdefault((point.false_accepts, point.misses), []).append(point)
    kept: list[Point] = []
    for key in sorted(groups):
        if not kept or key[1] < kept[-1].misses:
            kept.append(groups[key][len(groups[key]) // 2])
    return kept
