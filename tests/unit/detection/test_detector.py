"""The detector against a loop over frames, for every way of cutting the stream; and what peers got wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwsfeat import AudioError, ConfigError, Detector, Event, UnknownNameError

LABELS = ("yes", "no", "silence")


def naive(frames: Any, times: Any, thresholds: dict[str, float], n: int, hysteresis: float, refractory_s: float) -> list[Event]:
    """A loop over frames and words that says what a detector is."""
    events = []
    state = {word: {"armed": True, "rise": None, "last": -np.inf} for word in thresholds}
    for i, time in enumerate(times):
        for word, threshold in thresholds.items():
            column, mine = LABELS.index(word), state[word]
            score = 0.0
            for k in range(i - n + 1, i + 1):
                score += frames[k][column] if k >= 0 else 0.0
            score /= n
            if score < threshold - hysteresis:
                mine["armed"], mine["rise"] = True, None
            elif mine["rise"] is None:
                mine["rise"] = time
            if score >= threshold and mine["armed"] and time >= mine["last"] + refractory_s - 1e-6:
                events.append(Event(word, mine["rise"], time, score))
                mine["armed"], mine["last"] = False, time
    return events


def times_of(n: int, hop_s: float = 0.1) -> np.ndarray:
    return hop_s * np.arange(1, n + 1)


def one_word(scores: list[float], **choices: Any) -> list[Event]:
    """Events of "yes" in frames every 0.1 s."""
    frames = np.column_stack([scores, np.zeros(len(scores)), 1 - np.array(scores)])
    return Detector(LABELS, **choices).feed(frames, times_of(len(scores)))


streams = st.lists(st.tuples(st.sampled_from([0.0, 0.2, 0.45, 0.5, 0.6, 0.9, 1.0]), st.floats(0, 1)), max_size=60)


@given(
    rows=streams,
    cuts=st.lists(st.integers(0, 60), max_size=6),
    n=st.integers(1, 5),
    hysteresis=st.sampled_from([0.0, 0.1, 0.3]),
    refractory_s=st.sampled_from([0.0, 0.25, 1.0]),
    threshold=st.sampled_from([0.4, 0.5, 1.0]),
)
def test_events_are_those_of_the_loop_wherever_the_stream_is_cut(
    rows: list[tuple[float, float]], cuts: list[int], n: int, hysteresis: float, refractory_s: float, threshold: float
) -> None:
    frames = np.array([(a, b, 0.0) for a, b in rows], np.float32).reshape(-1, 3)
    times = times_of(len(frames))
    thresholds = {"yes": threshold, "no": 0.7}
    detector = Detector(LABELS, thresholds=thresholds, smoothing_frames=n, hysteresis=hysteresis, refractory_s=refractory_s)
    whole = detector.feed(frames, times)
    assert whole == naive(frames.astype(float), times, thresholds, n, hysteresis, refractory_s)
    detector.reset()
    pieces = []
    for start, stop in zip([0, *sorted(cuts)], [*sorted(cuts), len(frames)], strict=True):
        other = Detector(LABELS, thresholds=thresholds, smoothing_frames=n, hysteresis=hysteresis, refractory_s=refractory_s)
        other.restore(detector.state())
        pieces += other.feed(frames[start:stop], times[start:stop])
        detector = other
    assert pieces == whole


def test_a_held_word_is_one_event_and_not_one_a_frame() -> None:
    """openWakeWord's counter books frames; a detector that is never disarmed does the same."""
    assert [event.time_s for event in one_word([0.0] + 50 * [0.9], refractory_s=0.0)] == pytest.approx([0.2])


def test_a_score_that_flickers_at_the_threshold_is_one_event() -> None:
    flicker = [0.0, 0.6, 0.48, 0.6, 0.48, 0.6]
    assert len(one_word(flicker, hysteresis=0.1, refractory_s=0.0)) == 1
    assert len(one_word(flicker, hysteresis=0.0, refractory_s=0.0)) == 3


def test_a_word_is_armed_again_once_the_score_has_fallen() -> None:
    """A counter of patience that is never set back detects once in its life."""
    events = one_word(5 * [0.9, 0.9, 0.9, 0.0, 0.0], refractory_s=0.3)
    assert [event.time_s for event in events] == pytest.approx([0.1, 0.6, 1.1, 1.6, 2.1])


def test_the_refractory_time_is_that_of_the_audio() -> None:
    """The same frames a hundred times faster: what counts are the times that come with them."""
    scores = [0.9, 0.0, 0.9, 0.0, 0.9, 0.0]
    frames = np.column_stack([scores, np.zeros(6), np.zeros(6)])
    choices: dict[str, Any] = {"refractory_s": 0.35, "thresholds": {"yes": 0.5}}
    assert len(Detector(LABELS, **choices).feed(frames, times_of(6))) == 2
    assert len(Detector(LABELS, **choices).feed(frames, times_of(6, 0.001))) == 1
    assert len(Detector(LABELS, **choices).feed(frames, times_of(6, 10.0))) == 3


def test_refractory_time_ends_exactly_there() -> None:
    frames = np.array([[0.9], [0.0], [0.9]])
    detector = Detector(["yes"], refractory_s=1.0)
    assert [event.time_s for event in detector.feed(frames, [0.5, 1.0, 1.5])] == [0.5, 1.5]


@pytest.mark.parametrize("begin_s", [0.0, 0.16, 7.12, 3600.0, 1e6])
def test_equal_words_are_equally_far_apart_at_any_time(begin_s: float) -> None:
    frames = np.tile([[0.9], [0.0]], (400, 1))
    times = begin_s + 0.08 * np.arange(1, 801)
    events = Detector(["yes"], refractory_s=0.8).feed(frames, times)
    gaps = np.diff([event.time_s for event in events])
    assert len(gaps) == 79
    np.testing.assert_allclose(gaps, 0.8, atol=1e-6)


def test_words_do_not_silence_each_other() -> None:
    frames = [[0.9, 0.9, 0.0], [0.0, 0.0, 0.0]]
    assert [event.word for event in Detector(LABELS).feed(frames, [0.1, 0.2])] == ["yes", "no"]


def test_smoothing_is_a_mean_and_begins_with_nothing() -> None:
    (event,) = one_word([1.0, 1.0, 0.8], smoothing_frames=3, thresholds=0.9, hysteresis=0.3)
    assert event.time_s == pytest.approx(0.3)
    assert event.score == pytest.approx(2.8 / 3)
    assert event.start_s == pytest.approx(0.2)  # since 2/3, which is not below 0.6
    assert one_word([1.0, 1.0, 0.6], smoothing_frames=3, thresholds=0.9) == []


def test_what_is_detected() -> None:
    assert Detector(["yes", "unknown", "silence"]).words == ("yes",)
    assert Detector(LABELS, ignore=()).words == LABELS
    assert Detector(LABELS, thresholds={"no": 0.9}).words == ("no",)


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"thresholds": 0.0}, "threshold 0 of 'yes' must be above hysteresis=0.05 and at most 1"),
        ({"thresholds": {"yes": 1.5}}, "threshold 1.5 of 'yes' must be above"),
        ({"thresholds": 0.1, "hysteresis": 0.1}, "must be above hysteresis=0.1"),
        ({"hysteresis": -0.1}, "hysteresis=-0.1 must be >= 0"),
        ({"thresholds": float("nan")}, "threshold nan of 'yes'"),
        ({"smoothing_frames": 0}, "smoothing_frames=0 must be >= 1"),
        ({"refractory_s": float("nan")}, "refractory_s=nan must be a number >= 0"),
        ({"ignore": LABELS}, "there is no word to detect"),
        ({"thresholds": {}}, "there is no word to detect"),
    ],
)
def test_choices_out_of_bounds_are_named(choices: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message.replace(".", r"\.")):
        Detector(LABELS, **choices)


def test_a_word_that_is_no_label_is_told_what_it_may_have_been() -> None:
    with pytest.raises(UnknownNameError, match="'yess' is not a label: did you mean yes"):
        Detector(LABELS, thresholds={"yess": 0.5})


@pytest.mark.parametrize(
    ("frames", "times", "message"),
    [
        ([[np.nan, 0, 0]], [0.1], "the posterior of 'yes' at 0.1 s is nan, not a probability"),
        ([[0, 0, 3.5]], [0.1], "the posterior of 'silence' at 0.1 s is 3.5, .* give probabilities, not logits"),
        ([[0, 0]], [0.1], r"posteriors have shape \(1, 2\), and must be \(n, 3\)"),
        ([0.1, 0.2, 0.3], [0.1], r"posteriors have shape \(3,\)"),
        ([[0, 0, 1]], [0.1, 0.2], r"times have shape \(2,\), and must be \(1,\)"),
        ([[0, 0, 1], [0, 0, 1]], [0.2, 0.1], "0.1 s follows 0.2 s"),
        ([[0, 0, 1]], [-0.1], "-0.1 s follows 0 s"),
        ([[0, 0, 1]], [np.nan], "nan s follows 0 s"),
        ([[0, 0, 1]], [np.inf], "inf s follows 0 s"),
    ],
)
def test_frames_that_cannot_be_used_are_one_clear_line_and_change_nothing(frames: Any, times: Any, message: str) -> None:
    detector = Detector(LABELS, smoothing_frames=3)
    detector.feed([[0.4, 0.2, 0.4]], [0.0])
    before = detector.state()
    with pytest.raises(AudioError, match=message) as caught:
        detector.feed(frames, times)
    assert "\n" not in str(caught.value)
    np.testing.assert_equal(detector.state(), before)


def test_no_frames_are_no_events() -> None:
    detector = Detector(LABELS)
    assert detector.feed([], []) == []
    assert detector.feed(np.zeros((0, 3), np.float32), np.zeros(0)) == []


def test_a_state_of_another_detector_is_refused() -> None:
    state = Detector(LABELS, smoothing_frames=4).state()
    with pytest.raises(ConfigError, match="history differs"):
        Detector(LABELS).restore(state)
    del state["armed"]
    with pytest.raises(ConfigError, match="armed differs"):
        Detector(LABELS, smoothing_frames=4).restore(state)
    with pytest.raises(ConfigError, match="words differs"):
        Detector(LABELS, thresholds={LABELS[0]: 0.5}).restore(Detector(LABELS, thresholds={LABELS[1]: 0.5}).state())


@pytest.mark.parametrize("other", [None, 7, {"time_s": None}, {"time_s": "soon"}, {"armed": None}])
def test_what_is_no_state_is_refused_and_changes_nothing(other: Any) -> None:
    detector = Detector(LABELS, smoothing_frames=3)
    detector.feed([[0.4, 0.2, 0.4]], [0.0])
    before = detector.state()
    with pytest.raises(ConfigError, match="not the state of this detector"):
        detector.restore({**Detector(LABELS, smoothing_frames=3).state(), **other} if isinstance(other, dict) else other)
    np.testing.assert_equal(detector.state(), before)


def test_states_are_not_shared() -> None:
    detector, other = Detector(LABELS, smoothing_frames=2), Detector(LABELS, smoothing_frames=2)
    detector.feed([[0.9, 0, 0]], [0.1])
    other.restore(detector.state())
    detector.feed([[0.9, 0, 0]], [0.2])
    assert [event.word for event in other.feed([[0.9, 0, 0]], [0.2])] == ["yes"]
