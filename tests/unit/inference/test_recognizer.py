"""A run that listens, windowed: equal to predict on each window, whatever the chunks; what is refused, and with which words."""

from __future__ import annotations

import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kwsfeat.errors import AudioError, ConfigError, StoreError
from kwstrain import Recognizer, load
from kwstrain.io import load_arrays, save_arrays

RUN = Path(__file__).parents[2] / "golden" / "cnn"
SR = 16000
HOP = 4000  # samples of 250 ms: few windows, for a window costs a whole network
N = 26001
SOUND = np.clip(np.rint(3000 * np.random.default_rng(1).standard_normal(N)), -32768, 32767).astype(np.int16)


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    return Recognizer(RUN, mode="windowed", hop_ms=250)


@pytest.fixture(scope="module")
def whole(recognizer: Recognizer) -> np.ndarray:
    recognizer.reset()
    return recognizer.feed(SOUND)


def test_a_row_is_what_predict_says_of_the_last_second(whole: np.ndarray) -> None:
    silence_first = np.concatenate([np.zeros(SR, np.int16), SOUND])
    clips = [silence_first[end : end + SR] for end in range(HOP, N + 1, HOP)]
    expected = [answer.probabilities for answer in load(RUN).predict(clips)]
    assert whole.dtype == np.float32
    np.testing.assert_allclose(whole, expected, atol=1e-6)


def test_times_are_where_the_windows_end(recognizer: Recognizer) -> None:
    recognizer.reset()
    recognizer.feed(SOUND[:9000])
    np.testing.assert_array_equal(recognizer.frame_times, [0.25, 0.5])
    recognizer.feed(SOUND[9000:9001])
    assert recognizer.frame_times.shape == (0,)
    recognizer.feed(SOUND[9001:12000])
    np.testing.assert_array_equal(recognizer.frame_times, [0.75])
    assert (recognizer.mode, recognizer.hop_s, recognizer.latency) == ("windowed", 0.25, 0.25)
    assert "1.00 s of audio through the whole network every 250 ms" in repr(recognizer)


@settings(max_examples=8)
@given(sizes=st.lists(st.sampled_from([0, 1, HOP - 1, HOP, HOP + 1, 3 * HOP]), max_size=8), as_float=st.booleans())
def test_chunks_change_nothing(recognizer: Recognizer, whole: np.ndarray, sizes: list[int], as_float: bool) -> None:
    sound = SOUND / 32768 if as_float else SOUND
    recognizer.reset()
    cuts = np.minimum(np.cumsum([0, *sizes, N]), N)
    parts = [recognizer.feed(sound[a:b]) for a, b in pairwise(cuts)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    assert len(recognizer.finish()) == 0


def test_reset_is_a_new_object_and_a_state_goes_on_elsewhere(recognizer: Recognizer, whole: np.ndarray) -> None:
    recognizer.reset()
    recognizer.feed(SOUND[:9123])
    state = recognizer.state()
    rest = recognizer.feed(SOUND[9123:])
    np.testing.assert_array_equal(rest, whole[2:])
    other = Recognizer(RUN, mode="windowed", hop_ms=250)
    other.feed(-SOUND)  # of its own: nothing is shared
    other.restore(state)
    np.testing.assert_array_equal(other.feed(SOUND[9123:]), rest)
    np.testing.assert_array_equal(recognizer.frame_times, other.frame_times)
    recognizer.reset()
    np.testing.assert_array_equal(recognizer.feed(SOUND), whole)


def test_a_state_of_another_recognizer_is_refused(recognizer: Recognizer) -> None:
    state = recognizer.state()
    with pytest.raises(ConfigError, match=r"another recogniser: hop_s=0.25 is not 0.5"):
        Recognizer(RUN, mode="windowed", hop_ms=500).restore(state)
    with pytest.raises(ConfigError, match=r"sr=16000 is not 8000"):
        Recognizer(RUN, sr=8000, mode="windowed", hop_ms=250).restore(state)


def test_a_state_of_another_run_is_refused(recognizer: Recognizer, tmp_path: Path) -> None:
    shutil.copytree(RUN, tmp_path / "same")
    shutil.copytree(RUN, tmp_path / "other")
    arrays = load_arrays(RUN / "weights.npz")
    save_arrays(tmp_path / "other" / "weights.npz", {name: value + (name == min(arrays)) for name, value in arrays.items()})
    Recognizer(tmp_path / "same", mode="windowed", hop_ms=250).restore(recognizer.state())
    with pytest.raises(ConfigError, match=r"another recogniser: run=.* is not"):
        Recognizer(tmp_path / "other", mode="windowed", hop_ms=250).restore(recognizer.state())


@pytest.mark.parametrize("missing", [None, "", "fed", "heard", "last", "run"])
def test_what_is_no_state_is_refused_and_changes_nothing(recognizer: Recognizer, whole: np.ndarray, missing: str | None) -> None:
    state: Any = None if missing is None else {name: value for name, value in recognizer.state().items() if missing and name != missing}
    recognizer.reset()
    first = recognizer.feed(SOUND[:9000])
    with pytest.raises(ConfigError, match="state"):
        recognizer.restore(state)
    np.testing.assert_array_equal(np.concatenate([first, recognizer.feed(SOUND[9000:])]), whole)


def test_another_rate_hears_the_same(recognizer: Recognizer) -> None:
    """A tone of 440 Hz, from a device at 44.1 kHz."""

    def tone(sr: int) -> np.ndarray:
        return 0.3 * np.sin(2 * np.pi * 440 * np.arange(int(1.5 * sr)) / sr)

    recognizer.reset()
    here = recognizer.feed(tone(SR))
    device = Recognizer(RUN, mode="windowed", hop_ms=250)
    there = device.feed(tone(44100), sr=44100)
    assert device.sr == 44100
    np.testing.assert_array_equal(device.frame_times, recognizer.frame_times)
    np.testing.assert_allclose(there, here, atol=0.02)


def test_silence_and_clipping_are_sounds_too(recognizer: Recognizer) -> None:
    recognizer.reset()
    for sound in (np.zeros(HOP, np.int16), np.full(HOP, -32768, np.int16), np.where(np.arange(HOP) % 80 < 40, 1.0, -1.0)):
        given = recognizer.feed(sound)
        assert given.shape == (1, 3)
        assert given.sum() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        (np.array([0.0, np.nan]), "sample 1 of 2 is NaN or infinite: nothing of this piece was taken"),
        (np.array([-np.inf]), "sample 0 of 1 is NaN or infinite"),
        (np.zeros((100, 2)), r"shape \(100, 2\) and must be mono"),
        (np.array([0.0, 2000.0]), "samples reach 2000 and must lie between -1 and 1"),
        (np.array([1, 2]), "this piece has samples of type int64"),
    ],
)
def test_what_is_no_sound_is_refused_and_the_stream_goes_on(
    recognizer: Recognizer, whole: np.ndarray, samples: np.ndarray, words: str
) -> None:
    recognizer.reset()
    first = recognizer.feed(SOUND[:5000])
    with pytest.raises(AudioError, match=words):
        recognizer.feed(samples)
    np.testing.assert_array_equal(np.concatenate([first, recognizer.feed(SOUND[5000:9000])]), whole[:2])


def test_a_rate_that_changes_in_the_middle_is_refused(recognizer: Recognizer) -> None:
    recognizer.reset()
    recognizer.feed(SOUND[:10], sr=SR)
    with pytest.raises(AudioError, match="sr=8000 but the stream began at 16000 Hz"):
        recognizer.feed(SOUND[:10], sr=8000)
    assert recognizer.sr == SR


def test_wrong_choices_are_refused() -> None:
    with pytest.raises(ConfigError, match="mode='live' must be auto, stream or windowed"):
        Recognizer(RUN, mode="live")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="cnn does not stream"):
        Recognizer(RUN, mode="stream")
    for choice, words in (({"sr": 0}, "sr=0 must be"), ({"hop_ms": 0.0}, "hop_ms=0 must be"), ({"sr": 50, "hop_ms": 9}, "less than one")):
        with pytest.raises(ConfigError, match=words):
            Recognizer(RUN, **choice)  # type: ignore[arg-type]
    with pytest.raises(StoreError, match="not a run folder"):
        Recognizer(RUN / "nothing")
