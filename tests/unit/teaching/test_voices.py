"""A word from its spelling: what espeak-ng's voices say, a run that they alone have made, and what sounds like the word."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("espeakng_loader", reason="the extra demo is not installed")
pytest.importorskip("onnx")

from kwsfeat import AudioError, CorpusError, MissingExtraError, phonemes, speak
from kwstrain.cli import main
from kwstrain.detection.rates import FalseAccepts
from kwstrain.teaching.bank import WINDOW
from kwstrain.teaching.embeddings.embedding import embedding
from kwstrain.teaching.heads.detector import WordDetector
from kwstrain.teaching.near import MOST, NEIGHBOURS, hear_near, mistaken, sounds_like
from kwstrain.teaching.takes import voices


def test_voices_differ_and_say_the_same_each_time() -> None:
    spoken, again = speak("marvin", 3), speak("marvin", 3)
    assert len({name for name, _ in spoken}) == 3
    for (_, y), (_, same) in zip(spoken, again, strict=True):
        np.testing.assert_array_equal(y, same)
        assert np.abs(y).max() == 1
    assert len({len(y) for _, y in spoken}) > 1


def test_phonemes_are_said_as_phonemes() -> None:
    ((_, y),) = speak("[[g'oU]]", 1)
    ((_, word),) = speak("go", 1)
    ((_, letters),) = speak("g o u", 1)
    assert abs(len(y) - len(word)) < 0.1 * len(word) < abs(len(y) - len(letters))


def test_nothing_to_say_is_named() -> None:
    with pytest.raises(AudioError, match="espeak-ng says nothing"):
        speak("...", 1)
    with pytest.raises(CorpusError, match="n_voices=0 must be >= 1"):
        speak("go", 0)


def test_a_run_from_voices_alone(
    tmp_path: Path, small_file: Path, negatives: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    call = ["teach", "--say", "hey marvin", "--out", str(tmp_path / "run"), "--voices", "6", "--embedding", str(small_file)]
    call += ["--negatives", str(negatives), "--fa-per-hour", "100"]
    assert main([*call, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["word"], said["voices"], said["used"]) == ("hey marvin", 6, [])
    assert any(text.startswith("no recording") for text in said["remarks"])

    def none(*args: object, **options: object) -> None:
        raise MissingExtraError("kwsfeat synth needs espeak-ng's library")

    monkeypatch.setattr(voices, "speak", none)
    assert main([*call, "--overwrite"]) == 1
    assert "needs espeak-ng's library" in capsys.readouterr().err


def flat(text: str) -> list[str]:
    return [one.lstrip("',") for word in phonemes(text) for one in word]


@pytest.mark.parametrize(("text", "changed"), [("bed", 1), ("snowboy", 2), ("hey [[m'A@vIn]]", 2), ("view glass", 3)])
def test_one_of_three_phonemes_is_a_neighbour(text: str, changed: int) -> None:
    given = sounds_like(text)
    assert 6 <= len(given) == len(set(given)) <= MOST
    for near in given:
        differing = [(a, b) for a, b in zip(flat(text), flat(near), strict=True) if a != b]
        assert 1 <= len(differing) <= changed, near
        assert all(b in NEIGHBOURS[a].split() for a, b in differing), near
    assert sounds_like(text) == given
    assert sounds_like(text, seed=1) != given


def test_they_can_be_said() -> None:
    assert sounds_like("bed")[0] == "[[b'Et]]"
    assert sounds_like("...") == []


@pytest.mark.parametrize(("threshold", "share"), [(0.0, 1), (1e-9, 0)])
def test_a_detector_that_takes_everything_or_nothing(small_file: Path, threshold: float, share: int) -> None:
    e = embedding(str(small_file))
    made = WordDetector(np.zeros((WINDOW, e.dim)), threshold, np.zeros(1), FalseAccepts("negatives", 0, 1.0))
    found = mistaken(hear_near(e, "go"), made)
    assert sorted(one.word for one in found) == sorted(sounds_like("go"))
    assert [one.mistaken for one in found] == [share * one.said for one in found]
    assert {one.said for one in found} == {6}


def test_the_report_names_them(tmp_path: Path, small_file: Path, negatives: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call = ["teach", "--say", "go", "--out", str(tmp_path / "run"), "--voices", "6", "--embedding", str(small_file), "--json"]
    assert main([*call, "--negatives", str(negatives), "--fa-per-hour", "2000"]) == 0
    said = json.loads(capsys.readouterr().out)
    near = said["near"]
    assert sorted(one["word"] for one in near) == sorted(sounds_like("go"))
    shares = [one["mistaken"] / one["said"] for one in near]
    assert shares == sorted(shares, reverse=True)
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    rows = page.partition("What sounds like it")[2].partition("<h2>")[0]
    for one in near:
        assert f"{one['mistaken']} of {one['said']}" in rows
    assert rows.count("[[") == len(near)
    n_worst = sum(2 * one["mistaken"] > one["said"] for one in near)
    assert [text.split()[0] for text in said["remarks"] if "sound like it" in text] == ([str(n_worst)] if n_worst else [])
