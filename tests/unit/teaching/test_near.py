"""What sounds like a word: which phonemes differ, who says it, and that the report names what deceives the detector."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("espeakng_loader", reason="the extra demo is not installed")
pytest.importorskip("onnx")

from kwsfeat import phonemes
from kwstrain.cli import main
from kwstrain.detection.rates import FalseAccepts
from kwstrain.teaching.bank import WINDOW
from kwstrain.teaching.embeddings.embedding import embedding
from kwstrain.teaching.heads.detector import WordDetector
from kwstrain.teaching.near import MOST, NEIGHBOURS, hear_near, mistaken, sounds_like


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
    near = json.loads(capsys.readouterr().out)["near"]
    assert sorted(one["word"] for one in near) == sorted(sounds_like("go"))
    shares = [one["mistaken"] / one["said"] for one in near]
    assert shares == sorted(shares, reverse=True)
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    rows = page.partition("What sounds like it")[2].partition("<h2>")[0]
    for one in near:
        assert f"{one['mistaken']} of {one['said']}" in rows
    assert rows.count("[[") == len(near)
