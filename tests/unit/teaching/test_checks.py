"""What recordings say of each other, on vectors of which it is known, and on tones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kwsfeat import CorpusError
from kwstrain.teaching.takes.checks import alike, check_one_word, is_one_voice, outliers, pitch_of, two_words, unlike_faults
from kwstrain.teaching.takes.recordings import Take

DIM = 300


def likeness(*counts: int, common: float = 0.8) -> np.ndarray:
    """Of so many recordings of each of some words: what a word has in common, and what each recording has of its own."""
    rng = np.random.default_rng(0)
    rows = [common * word + rng.standard_normal((n, DIM)) for n, word in zip(counts, rng.standard_normal((len(counts), DIM)), strict=True)]
    return alike(np.concatenate(rows) + 5, np.full(DIM, 5.0), np.eye(DIM))


def takes(n: int, *hz: float) -> list[Take]:
    t = np.arange(8000) / 16000
    pitches = [hz[i % len(hz)] for i in range(n)]
    return [
        Take(Path(f"take{i}.wav"), sum(np.sin(2 * np.pi * k * f * t) / k for k in range(1, 8)).astype(np.float32), 0, 8000, str(i))
        for i, f in enumerate(pitches)
    ]


def test_one_word_is_one_word_however_different_its_recordings() -> None:
    for common in (0.5, 0.8, 3.0):
        assert outliers(likeness(20, common=common)) == []
        assert two_words(likeness(20, common=common)) is None


def test_another_word_among_many_is_found() -> None:
    assert outliers(likeness(18, 1, 1)) == [18, 19]
    assert two_words(likeness(18, 1, 1)) is None
    (first, second) = unlike_faults(takes(20, 100.0), likeness(18, 1, 1))
    assert (first.path.name, second.path.name) == ("take18.wav", "take19.wav")
    assert first.reason.startswith("is unlike the others")
    assert outliers(likeness(3, 1)) == [], "too few to say"


def test_a_recording_is_compared_with_the_sum_of_the_others() -> None:
    """One that is a little like each of them is named, too: what two recordings share by chance is not in the sum."""
    rng = np.random.default_rng(1)
    word, other = np.linalg.qr(rng.standard_normal((DIM, 2)))[0].T * np.sqrt(DIM)
    x = np.array([0.8 * word] * 19 + [0.8 * other + 0.25 * word]) + rng.standard_normal((20, DIM))
    near = alike(x, np.zeros(DIM), np.eye(DIM))
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    sums = [unit.sum(axis=0) - one for one in unit]
    to_others = np.array([one @ rest / np.linalg.norm(rest) for one, rest in zip(unit, sums, strict=True)])
    assert 0.1 < to_others[19] < 0.45 * np.median(to_others)
    assert outliers(near) == [19]
    assert outliers(near[:19, :19]) == []


def test_recordings_that_have_nothing_in_common_are_all_named() -> None:
    x = np.random.default_rng(0).standard_normal((8, 4000))
    assert outliers(alike(x, np.zeros(4000), np.eye(4000))) == list(range(8))


def test_two_words_are_refused_with_some_of_each() -> None:
    assert {tuple(one) for one in two_words(likeness(12, 8)) or ()} == {tuple(range(12)), tuple(range(12, 20))}
    check_one_word(takes(20, 100.0), likeness(20))
    with pytest.raises(CorpusError, match=r"two words, one in \d+ recordings \(take\d+.wav, .*make a folder of each, or --keep-all"):
        check_one_word(takes(20, 100.0), likeness(12, 8))


@pytest.mark.parametrize("hz", [90.0, 140.0, 230.0, 310.0])
def test_pitch(hz: float) -> None:
    assert pitch_of(takes(1, hz)[0].y, 16000) == pytest.approx(hz, rel=0.02)
    assert pitch_of(np.random.default_rng(0).standard_normal(8000).astype(np.float32), 16000) is None


def test_one_voice() -> None:
    assert is_one_voice(takes(6, 120.0, 123.0), 16000)
    assert not is_one_voice(takes(6, 110.0, 190.0), 16000)
    assert not is_one_voice(takes(3, 120.0), 16000), "too few to say"
