"""What the events of a recording are worth: hits, duplicates, misses, false accepts, and the hours that these are counted against."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kwsfeat.detection.detector import Event
from kwsfeat.detection.reference import NEAR_MISS, Interval

OTHER = "other"  # the source of what no section names
_ROUNDING_H = 1e-3 / 3600  # a section that ends with the recording ends at a rounded time


@dataclass(frozen=True)
class Outcome:
    """What came of one recording; made by :func:`count_events`.

    Parameters
    ----------
    hits, duplicates : tuple of (Event, Interval)
        The first event inside a word's interval, and further ones there.
    misses : tuple of Interval
        Words without an event.
    confusions : tuple of (Event, Interval)
        Events inside the interval of another word: no false accepts, for that time is not counted in `hours`.
    false_accepts : tuple of (Event, str)
        Events outside every interval, and the source that was heard there.
    hours : dict of str to float
        Audio outside every interval, by source.

    Examples
    --------
    >>> Outcome((), (), (), (), (), {"music": 0.5, "speech": 1.0}).total_hours
    1.5
    """

    hits: tuple[tuple[Event, Interval], ...]
    duplicates: tuple[tuple[Event, Interval], ...]
    misses: tuple[Interval, ...]
    confusions: tuple[tuple[Event, Interval], ...]
    false_accepts: tuple[tuple[Event, str], ...]
    hours: dict[str, float]

    @property
    def total_hours(self) -> float:
        """Audio outside every interval."""
        return sum(self.hours.values())


def count_events(
    events: Sequence[Event], reference: Sequence[Interval], duration_s: float, words: Collection[str], *, tolerance_s: float = 1.0
) -> Outcome:
    """Compare the events of a recording with what was said in it.

    The interval of a word is [start, end + tolerance]. Of the events of the word that are decided in it the first is a hit, others
    are duplicates. An event outside every interval is a false accept. They are counted against the time of the audio outside every
    interval; the refractory time of the detector is part of that time. Where intervals of one word overlap, an event belongs to the
    one that ends first and has no hit yet.

    Parameters
    ----------
    events : sequence of Event
        In the order of their times.
    reference : sequence of Interval
        Intervals of `words`, and sections that say what else is heard: of the sections at one time the shortest counts.
    duration_s : float, s, >= 0
        Of the audio.
    words : collection of str
        What the detector detects. Intervals of other words are sections of the source "near-miss".
    tolerance_s : float, s, >= 0
        How long after a word's end it may be decided.

    Returns
    -------
    Outcome

    Examples
    --------
    >>> from kwsfeat import Event, Interval
    >>> said = [Interval(1.0, 1.6, word="yes"), Interval(5.0, 5.6, word="yes")]
    >>> events = [Event("yes", 1.3, 1.5, 0.9), Event("yes", 1.8, 2.0, 0.8), Event("yes", 9.0, 9.1, 0.7)]
    >>> outcome = count_events(events, said, 3600.0, ["yes"], tolerance_s=0.5)
    >>> len(outcome.hits), len(outcome.duplicates), len(outcome.misses), len(outcome.false_accepts)
    (1, 1, 1, 1)
    >>> round(3600 * outcome.total_hours, 3)
    3597.8
    """
    said = sorted((one for one in reference if one.word in words), key=lambda one: (one.end_s, one.start_s))
    timeline = _Timeline(reference, words, duration_s, tolerance_s)
    found: dict[int, Event] = {}
    duplicates, confusions, false_accepts = [], [], []
    ends = [one.end_s + tolerance_s for one in said]
    longest = max((end - one.start_s for one, end in zip(said, ends, strict=True)), default=0.0)
    for event in events:
        around = range(bisect_left(ends, event.time_s), bisect_right(ends, event.time_s + longest))
        inside = [i for i in around if said[i].start_s <= event.time_s <= ends[i]]
        own = [i for i in inside if said[i].word == event.word]
        free = [i for i in own if i not in found]
        if free:
            found[free[0]] = event
        elif own:
            duplicates.append((event, said[own[-1]]))
        elif inside:
            confusions.append((event, said[inside[0]]))
        else:
            false_accepts.append((event, timeline.source_at(event.time_s)))
    return Outcome(
        hits=tuple((found[i], said[i]) for i in sorted(found)),
        duplicates=tuple(duplicates),
        misses=tuple(one for i, one in enumerate(said) if i not in found),
        confusions=tuple(confusions),
        false_accepts=tuple(false_accepts),
        hours=timeline.hours(),
    )


class _Timeline:
    """Which source is heard when, outside the intervals of the words."""

    def __init__(self, reference: Sequence[Interval], words: Collection[str], duration_s: float, tolerance_s: float) -> None:
        sections: list[tuple[float, float, str]] = []
        said: list[tuple[float, float, str]] = []
        for one in reference:
            end_s = one.end_s + tolerance_s if one.word else one.end_s
            (said if one.word in words else sections).append((one.start_s, end_s, one.source or (NEAR_MISS if one.word else OTHER)))
        sections.sort(key=lambda section: section[0] - section[1])  # the longest first, and shorter ones painted over it
        borders = {0.0, duration_s} | {time for start, end, _ in sections + said for time in (start, end)}
        self._borders: NDArray[np.float64] = np.array(sorted(time for time in borders if 0 <= time <= duration_s))
        self._names: list[str] = [OTHER, *dict.fromkeys(name for _, _, name in sections if name != OTHER)]
        self._painted = np.zeros(max(1, len(self._borders) - 1), np.int64)
        for start, end, name in sections:
            self._paint(start, end, self._names.index(name))
        self._said = self._painted < 0
        for start, end, _ in said:
            first, last = np.searchsorted(self._borders, [start, end])
            self._said[first:last] = True

    def _paint(self, start: float, end: float, number: int) -> None:
        first, last = np.searchsorted(self._borders, [start, end])
        self._painted[first:last] = number

    def source_at(self, time_s: float) -> str:
        """What is heard at a time."""
        piece = int(np.searchsorted(self._borders, time_s, side="right")) - 1
        return self._names[int(self._painted[min(max(piece, 0), len(self._painted) - 1)])]

    def hours(self) -> dict[str, float]:
        """Source -> hours outside the intervals of the words."""
        lengths = np.where(self._said[: len(self._borders) - 1], 0.0, np.diff(self._borders))
        hours = np.bincount(self._painted[: len(lengths)], lengths, minlength=len(self._names)) / 3600
        return {name: float(hour) for name, hour in zip(self._names, hours, strict=True) if hour > _ROUNDING_H}
