"""Counting against a twin that looks at every event and every interval, at every millisecond; and what peers count wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwsfeat import Detector, Event, Interval, Point, Stream, choose_thresholds, count_events, operating_curve

WORDS = ("yes", "no")
times = st.integers(0, 300).map(lambda n: n / 10)


def fired(word: str, time_s: float) -> Event:
    return Event(word, time_s, time_s, 0.9)


events_strategy = st.lists(st.builds(fired, st.sampled_from(WORDS), times), max_size=12).map(
    lambda events: sorted(events, key=lambda event: event.time_s)
)
reference_strategy = st.lists(
    st.builds(
        lambda start, length, word, source: Interval(start, start + length / 10, word, source),
        times, st.integers(1, 40), st.sampled_from(["yes", "no", "tree", ""]), st.sampled_from(["", "music", "noise"]),
    ),
    max_size=6,
)  # fmt: skip


@given(events=events_strategy, reference=reference_strategy, tolerance_s=st.sampled_from([0.0, 0.5, 1.0]))
def test_counts_are_those_of_the_twin(events: list[Event], reference: list[Interval], tolerance_s: float) -> None:
    duration_s = 25.0
    outcome = count_events(events, reference, duration_s, WORDS, tolerance_s=tolerance_s)
    said = [one for one in reference if one.word in WORDS]
    inside = {id(e): [one for one in said if one.start_s <= e.time_s <= one.end_s + tolerance_s] for e in events}
    assert [event for event, _ in outcome.false_accepts] == [e for e in events if not inside[id(e)]]
    assert len(outcome.confusions) == sum(bool(inside[id(e)]) and all(one.word != e.word for one in inside[id(e)]) for e in events)
    assert len(outcome.hits) == most_hits([e for e in events if inside[id(e)]], said, tolerance_s)
    own = sum(any(one.word == e.word for one in inside[id(e)]) for e in events)
    assert len(outcome.duplicates) == own - len(outcome.hits)
    assert len(outcome.misses) == len(said) - len(outcome.hits)
    for event, one in outcome.hits + outcome.duplicates:
        assert event.word == one.word
        assert one.start_s <= event.time_s <= one.end_s + tolerance_s
    step = 0.05  # all borders are multiples of 0.1
    middles = np.arange(step, duration_s, 2 * step)
    free = [t for t in middles if not any(one.start_s <= t <= one.end_s + tolerance_s for one in said)]
    expected = Counter(source_of(t, reference, tolerance_s) for t in free)
    assert outcome.hours == pytest.approx({name: n * 2 * step / 3600 for name, n in expected.items()})


def most_hits(events: Sequence[Event], said: Sequence[Interval], tolerance_s: float) -> int:
    """The largest matching of events and intervals of their words, by augmenting paths."""
    owner: dict[int, int] = {}

    def place(e: int, tried: set[int]) -> bool:
        for i, one in enumerate(said):
            if one.word == events[e].word and one.start_s <= events[e].time_s <= one.end_s + tolerance_s and i not in tried:
                tried.add(i)
                if i not in owner or place(owner[i], tried):
                    owner[i] = e
                    return True
        return False

    return sum(place(e, set()) for e in range(len(events)))


def source_of(time_s: float, reference: Sequence[Interval], tolerance_s: float) -> str:
    """Of the shortest section at a time, the last of equals in the order of the list."""
    best, name = np.inf, "other"
    for one in reference:
        end_s = one.end_s + (tolerance_s if one.word else 0)
        if one.word not in WORDS and one.start_s <= time_s <= end_s and round(end_s - one.start_s, 6) <= best:
            best, name = round(end_s - one.start_s, 6), one.source or ("near-miss" if one.word else "other")
    return name


def test_an_event_after_the_tolerance_is_a_false_accept_and_the_word_a_miss() -> None:
    said = [Interval(1.0, 1.5, "yes")]
    assert len(count_events([fired("yes", 2.5)], said, 60.0, WORDS, tolerance_s=1.0).hits) == 1
    late = count_events([fired("yes", 2.51)], said, 60.0, WORDS, tolerance_s=1.0)
    assert (len(late.misses), len(late.false_accepts)) == (1, 1)


def test_false_accepts_have_a_source() -> None:
    reference = [
        Interval(0, 30, source="music"),
        Interval(30, 60, source="noise"),
        Interval(40, 40.5, "tree"),
        Interval(50, 51, "two", source="babble"),
    ]
    events = [fired("no", t) for t in (10.0, 35.0, 41.0, 50.5, 70.0)]
    outcome = count_events(events, reference, 80.0, WORDS, tolerance_s=1.0)
    assert [source for _, source in outcome.false_accepts] == ["music", "noise", "near-miss", "babble", "other"]
    seconds = {name: 3600 * hours for name, hours in outcome.hours.items()}
    assert seconds == pytest.approx({"music": 30, "noise": 26.5, "near-miss": 1.5, "babble": 2, "other": 20})


def test_a_wrong_word_inside_an_interval_is_a_confusion_and_its_time_is_not_counted() -> None:
    outcome = count_events([fired("no", 1.2)], [Interval(1.0, 1.5, "yes")], 3600.0, WORDS)
    assert (len(outcome.confusions), len(outcome.false_accepts), len(outcome.misses)) == (1, 0, 1)
    assert outcome.total_hours == pytest.approx((3600 - 1.5) / 3600)


def stream(scores: Any, hop_s: float, reference: Sequence[Interval] = (), duration_s: float | None = None) -> Stream:
    frames = np.asarray(scores, np.float32)[:, None]
    when = hop_s * np.arange(1, len(frames) + 1)
    return Stream("a", duration_s or float(when[-1]), reference, lambda: iter([(frames[:7], when[:7]), (frames[7:], when[7:])]))


def test_hours_are_those_of_the_audio() -> None:
    """Not the number of windows times their length, which overlapping windows make far too long, nor less the refractory time."""
    scores = np.zeros(36000)
    scores[::100] = 0.9
    outcome = stream(scores, 0.1).outcome(Detector(["yes"], refractory_s=60.0))
    assert outcome.total_hours == pytest.approx(1.0)
    assert len(outcome.false_accepts) == 60


def test_a_time_that_was_rounded_is_no_source() -> None:
    reference = [Interval(0.0, 600.0, source="music")]
    assert count_events([], reference, 600.00004, WORDS).hours == {"music": pytest.approx(600 / 3600)}
    assert count_events([], reference, 600.01, WORDS).hours["other"] == pytest.approx(0.01 / 3600)


def test_frames_are_not_events_and_a_chunk_has_no_maximum() -> None:
    """Ten seconds of accepted frames are one false accept; two words within a chunk are two hits."""
    scores = np.zeros(400)
    scores[100:200] = 0.9
    assert len(stream(scores, 0.1).outcome(Detector(["yes"])).false_accepts) == 1
    scores[:] = 0
    scores[[10, 11, 40, 41]] = 0.9
    said = [Interval(0.9, 1.2, "yes"), Interval(3.9, 4.2, "yes")]
    assert len(stream(scores, 0.1, said).outcome(Detector(["yes"])).hits) == 2


def test_the_curve_runs_the_detector_anew_at_each_threshold() -> None:
    """A word between two louder ones in its refractory time is found only where the louder ones are not: counts of frames or of
    events of one threshold cannot say that."""
    scores = [0, 0.6, 0, 0.8, 0, 0, 0, 0, 0]
    said = [Interval(0.3, 0.5, "yes")]
    curve = operating_curve([stream(scores, 0.1, said, 3600.0)], ["yes"], ["yes"], thresholds=[0.01, 0.5, 0.7, 0.9], tolerance_s=0.0)
    assert curve["yes"] == [Point(0.5, 1, 1, 1), Point(0.7, 1, 0, 0), Point(0.9, 1, 1, 0)]


def test_words_are_counted_apart() -> None:
    frames = np.array([[0.9, 0.1, 0], [0, 0, 0], [0, 0.6, 0]])
    streams = [Stream("a", 60.0, [Interval(0, 1, "yes")], lambda: iter([(frames, np.array([0.5, 10, 20]))]))]
    curve = operating_curve(streams, ["yes", "no", "silence"], ["yes", "no"], thresholds=[0.5, 0.8])
    assert curve == {"yes": [Point(0.5, 1, 0, 0), Point(0.8, 1, 0, 0)], "no": [Point(0.5, 0, 0, 1), Point(0.8, 0, 0, 0)]}


points = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=4)


@given(words=st.lists(points, min_size=1, max_size=3), budget=st.integers(0, 8))
def test_no_other_thresholds_miss_less_within_the_budget(words: list[list[tuple[int, int]]], budget: int) -> None:
    curve = {str(w): [Point(0.1 * i, 9, misses, false) for i, (misses, false) in enumerate(row)] for w, row in enumerate(words)}
    chosen = choose_thresholds(curve, budget)
    sums = [(0, 0)]
    for row in words:
        sums = [(a + misses, b + false) for a, b in sums for misses, false in row]
    allowed = [(a, b) for a, b in sums if b <= budget]
    if allowed:
        assert (sum(p.misses for p in chosen.values()), sum(p.false_accepts for p in chosen.values())) == min(allowed)
    else:
        assert chosen == {}


def test_of_equal_thresholds_the_middle_one_is_taken() -> None:
    curve = {"yes": [Point(t / 10, 5, 0 if t < 8 else 1, 1 if t < 3 else 0) for t in range(1, 10)]}
    assert choose_thresholds(curve, 0)["yes"].threshold == 0.5
