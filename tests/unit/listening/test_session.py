"""A session: events in the time of the audio, whatever the pieces, and gaps that stay gaps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tone_recognizer import LABELS, SR, ToneRecognizer, tones

from kwsfeat import AudioError, Event

pytest.importorskip("jax")

from kwstrain.detection.point import OperatingPoint
from kwstrain.listening.session import SILENCE_DB, Session
from kwstrain.listening.triggers import Triggers

POINT = OperatingPoint(smoothing_frames=2, mode="windowed", hop_s=0.1)
SAID = tones(6, ("yes", 1, 0.9), ("no", 4, 0.8))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / "bundle.json").write_text("{}")
    return tmp_path


def heard(session: Session, y: np.ndarray, sizes: list[int]) -> list[Event]:
    events, at = [], 0
    for size in [*sizes, len(y)]:
        events += session.feed(y[at : at + size].astype(np.float32)).events
        at = min(at + size, len(y))
    return events + session.finish()


@settings(max_examples=20, deadline=None)
@given(sizes=st.lists(st.integers(0, 9000), max_size=8))
def test_events_do_not_depend_on_the_pieces(tmp_path_factory, sizes):
    folder = tmp_path_factory.mktemp("run")
    (folder / "bundle.json").write_text("{}")
    events = heard(Session(ToneRecognizer(folder), POINT, sr=SR), SAID, sizes)
    assert [(event.word, round(event.time_s, 6)) for event in events] == [("yes", 1.2), ("no", 4.2)]


def test_a_gap_moves_what_comes_after_it_and_forgets_what_came_before(run):
    session = Session(ToneRecognizer(run), POINT, sr=SR)
    first = session.feed(SAID[: round(1.1 * SR)].astype(np.float32)).events  # one frame of "yes": half of a threshold
    session.gap(2.0)
    second = session.feed(SAID[round(1.1 * SR) :].astype(np.float32)).events
    assert first == []
    assert [(event.word, round(event.time_s, 6)) for event in second] == [("yes", 3.3), ("no", 6.2)]
    assert session.heard_s == pytest.approx(8.0)
    session.gap(-5.0)  # a clock that jumped back
    assert session.heard_s == pytest.approx(8.0)


def test_level_and_newest_posteriors(run):
    session = Session(ToneRecognizer(run), POINT, sr=SR)
    assert session.feed(np.zeros(0, np.float32)).level_db == SILENCE_DB
    assert session.feed(np.zeros(800, np.int16)).level_db == SILENCE_DB
    assert session.feed(np.full(800, 16384, np.int16)).level_db == pytest.approx(20 * np.log10(0.5))
    assert session.posteriors.shape == (len(LABELS),)


def test_a_refused_piece_changes_nothing(run):
    session = Session(ToneRecognizer(run), POINT, sr=SR)
    with pytest.raises(AudioError, match="divide"):
        session.feed(np.full(100, 20000.0, np.float32))
    assert session.heard_s == 0
    session.feed(np.zeros(SR, np.int16))
    session.gap(2.5)
    with pytest.raises(AudioError, match=r"^at 3.50 s of the stream: this piece"):
        session.feed(np.full(100, 20000.0, np.float32))
    assert session.heard_s == 3.5


def test_three_seconds_are_kept_around_an_event(tmp_path):
    import soundfile

    y = np.arange(8 * SR, dtype=np.float64) / (8 * SR)
    triggers, written = Triggers(tmp_path / "kept"), []
    for k in range(80):  # pieces of 0.1 s
        events = [Event("a/b", 2.9, 3.0, 0.9)] if k == 29 else [Event("late", 7.5, 7.6, 0.9)] if k == 75 else []
        piece = y[k * 800 : (k + 1) * 800].astype(np.float32)
        written += [(k, path) for path in triggers.feed(piece, SR, (k + 1) / 10, events)]
    assert [(k, path.name) for k, path in written] == [(39, "a_b-3.00.wav")]
    kept, sr = soundfile.read(written[0][1])
    assert sr == SR
    np.testing.assert_allclose(kept, y[SR : 4 * SR], atol=1 / 32768)
    (last,) = triggers.finish([])
    np.testing.assert_allclose(soundfile.read(last)[0], y[round(5.6 * SR) :], atol=1 / 32768)
    again = Triggers(tmp_path / "kept")
    again.feed(np.zeros(SR, np.float32), SR, 1.0, [Event("late", 7.5, 7.6, 0.9)])
    assert [path.name for path in again.finish([])] == ["late-7.60-1.wav"]
