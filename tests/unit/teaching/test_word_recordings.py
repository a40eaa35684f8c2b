"""Where the word is in a recording, and what is no recording of a word."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from tone_words import RISING, SR, say

from kwsfeat import AudioError
from kwstrain.teaching.takes.recordings import AFTER_S, BEFORE_S, cut, find_word, read_takes


@pytest.mark.parametrize("before_s", [0.0, 0.3, 2.0])
@pytest.mark.parametrize("rate", [8000, 16000])
def test_the_word_is_found_and_has_sound_around_it(before_s: float, rate: int) -> None:
    y = say(RISING, 1, before_s=before_s)[:: SR // rate]
    take = cut(Path("a.wav"), y, rate)
    begins = before_s * rate
    length = len(say(RISING, 1, before_s=0, after_s=0)) * rate / SR
    assert take.start == round(BEFORE_S * rate)
    assert abs((take.end - take.start) - length) < 0.06 * rate
    assert len(take.y) == take.end + round(AFTER_S * rate)
    found = find_word(y, rate)
    assert abs(found[0] - begins) < 0.05 * rate
    assert abs(found[1] - begins - length) < 0.05 * rate
    quiet = take.y[: max(0, take.start - round(begins) - rate // 50)]
    assert quiet.size == 0 or 0 < np.abs(quiet).max() < 0.05, "what was not recorded is quiet, and not digital silence"


def test_two_words_of_a_phrase_are_one_and_of_two_sounds_the_louder_is_taken() -> None:
    gap, long_gap = np.zeros(round(0.2 * SR), np.float32), np.zeros(round(0.8 * SR), np.float32)
    one = say(RISING, 1, before_s=0, after_s=0)
    phrase = np.concatenate([long_gap, one, gap, one, long_gap])
    first, last = find_word(phrase, SR)
    assert abs((last - first) - (2 * len(one) + len(gap))) < 0.06 * SR
    click = np.concatenate([long_gap, 0.2 * one, long_gap, one, long_gap])
    assert abs(find_word(click, SR)[0] - (2 * len(long_gap) + len(one))) < 0.05 * SR


def music(seconds: float, beat_hz: float) -> np.ndarray:
    t = np.arange(round(seconds * SR)) / SR
    return (0.2 * np.sin(2 * np.pi * 440 * t) * (1 + 0.9 * np.sin(2 * np.pi * beat_hz * t))).astype(np.float32)


@pytest.mark.parametrize(
    ("y", "reason"),
    [
        (np.zeros(SR, np.float32), "is silent: its loudest moment is at -"),
        (0.0001 * np.random.default_rng(0).standard_normal(SR).astype(np.float32), "is silent"),
        (0.1 * np.random.default_rng(0).standard_normal(3 * SR).astype(np.float32), "no word stands out: its loudest moment is"),
        (music(8.0, 0.1), "s of sound without a pause are more than a word"),
        (music(8.0, 0.45), r"s of sound are more than a word"),
        (np.clip(20 * say(RISING, 1), -1, 1), "is clipped: "),
        (np.concatenate([np.zeros(SR), [0.9] * 100, np.zeros(SR)]).astype(np.float32), "as a click"),
    ],
)
def test_what_is_no_word(y: np.ndarray, reason: str) -> None:
    with pytest.raises(AudioError, match=reason):
        cut(Path("a.wav"), y, SR)


def test_every_recording_is_used_or_named(tmp_path: Path) -> None:
    names = {
        "a.wav": say(RISING, 1), "b.wav": say(RISING, 2), "copy.wav": say(RISING, 1), "none.wav": np.zeros(SR),
        "hour.wav": np.zeros(40 * SR),
    }  # fmt: skip
    for name, y in names.items():
        soundfile.write(tmp_path / name, y, SR, subtype="PCM_16")
    (tmp_path / "text.wav").write_text("no sound")
    takes, faults = read_takes([tmp_path / name for name in (*names, "text.wav")], SR)
    assert [take.path.name for take in takes] == ["a.wav", "b.wav"]
    reasons = {one.path.name: one.reason for one in faults}
    assert reasons["copy.wav"] == "is the same recording as a.wav"
    assert reasons["hour.wav"] == "is longer than 30 s: cut it into recordings of one word"
    assert reasons["none.wav"].startswith("is silent")
    assert set(reasons) == {"copy.wav", "none.wav", "hour.wav", "text.wav"}
