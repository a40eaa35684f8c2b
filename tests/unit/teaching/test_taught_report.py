"""The report page of a taught word: its figures, what was left out, and every false alarm in the caller's negatives, to hear."""

from __future__ import annotations

import json
import re
from html import unescape
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tone_words import RISING, SR, say, write_takes

pytest.importorskip("onnx")

from kwstrain.cli import main


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory, small_file: Path, negatives: Path) -> Path:
    """A run whose negatives hold the word itself three times, by mistake, and a recording that cannot be read."""
    root = tmp_path_factory.mktemp("report")
    folder = write_takes(root / "rise <b>", RISING, 6)
    soundfile.write(folder / "silent.wav", np.zeros(2 * SR), SR)
    (root / "own").mkdir()
    parts = [part for k in range(3) for part in (say(RISING, 300 + k), np.zeros(2 * SR))]
    soundfile.write(root / "own" / "room.wav", np.concatenate(parts), SR)
    (root / "own" / "broken.wav").write_text("no sound")
    options = ["--embedding", str(small_file), "--voices", "0", "--fa-per-hour", "300"]
    given = ["--negatives", str(negatives), "--negatives", str(root / "own")]
    assert main(["teach", str(folder), "--out", str(root / "run"), *given, *options, "-q"]) == 0
    return root / "run"


def test_false_alarms_are_what_detect_finds(taught: Path, negatives: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = json.loads((taught / "teaching.json").read_text())
    assert main(["detect", str(taught), str(negatives), str(taught.parent / "own" / "room.wav"), "--json", "-q"]) == 0
    wanted = [(found["path"], event["time_s"]) for found in json.loads(capsys.readouterr().out) for event in found["events"]]
    assert len([path for path, _ in wanted if path.endswith("room.wav")]) >= 2
    given = sorted((one["path"], one["time_s"]) for one in said["alarms"])
    assert [path for path, _ in given] == [path for path, _ in sorted(wanted)]
    np.testing.assert_allclose([time for _, time in given], [time for _, time in sorted(wanted)], atol=1e-6)
    assert [one["score"] for one in said["alarms"]] == sorted((one["score"] for one in said["alarms"]), reverse=True)


def test_the_page_has_the_figures_and_plays_every_false_alarm(taught: Path) -> None:
    said, page = json.loads((taught / "teaching.json").read_text()), (taught / "report.html").read_text(encoding="utf-8")
    text = unescape(re.sub(r"<[^>]*>", " ", page))
    assert "rise <b>: what was taught" in text
    assert "<b>" not in page
    misses, false_accepts = said["misses"], said["false_accepts"]
    assert f"found {misses['said'] - misses['misses']}/{misses['said']}" in text
    assert f"{false_accepts['false_accepts']} in {false_accepts['hours']:.2f} h: {false_accepts['per_hour']:.2f}/h" in text
    assert "silent.wav  is silent: its loudest moment is at -120 dB" in re.sub(r"\s*\n\s*|  +", "  ", text)
    assert all(remark in text for remark in said["remarks"])
    sounds = re.findall(r'<audio controls preload="none" src="([^"]+)">', page)
    assert sounds == [f"false-alarms/{i:03d}.wav" for i in range(1, len(said["alarms"]) + 1)]
    for one, sound in zip(said["alarms"], sounds, strict=True):
        y, sr = soundfile.read(taught / sound)
        whole, _ = soundfile.read(one["path"])
        first = round(max(0.0, one["time_s"] - 2.0) * SR)
        assert sr == SR
        np.testing.assert_allclose(y, whole[first : first + len(y)], atol=1e-4)


def test_without_negatives_of_ones_own_the_page_says_so(taught: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    livekit = pytest.importorskip("livekit", reason="Google's embedding is not installed: every other one needs negatives")
    assert livekit is not None
    folder = write_takes(tmp_path / "rise", RISING, 3)
    assert main(["teach", str(folder), "--out", str(tmp_path / "run"), "--voices", "0"]) == 0
    assert f"report    {tmp_path / 'run' / 'report.html'}" in capsys.readouterr().out
    assert "None were given: --negatives adds sound without the word" in (tmp_path / "run" / "report.html").read_text()
    assert not (tmp_path / "run" / "false-alarms").exists()
