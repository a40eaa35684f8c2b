"""kwstrain predict from outside: which recordings it takes, what it says of each, and what it says on stderr."""

from __future__ import annotations

import io
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tones import tone_clip
from toy_features import LABELS

from kwsfeat import FeatureConfig
from kwsfeat.pipeline.arrays import write_file

pytest.importorskip("jax")

from kwstrain import load
from kwstrain.cli import main


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on tone words, with 60 validation clips."""
    takes = np.arange(120)
    audio = np.stack([tone_clip(take % 3, take) for take in takes])
    folder = tmp_path_factory.mktemp("tones")
    write_file(
        folder / "tones.h5", audio=np.round(32767 * audio).astype(np.int16), length=np.full(120, 16000), label=takes % 3,
        split=np.array(["train", "validation"])[takes // 3 % 2], labels=list(LABELS), configs={"logmel": FeatureConfig(n_mels=20)},
    )  # fmt: skip
    choices = ["--arch", "lstm", "-s", "options.units=16", "-s", "gradient_histograms=false", "--batch", "16", "--epochs", "8"]
    assert main(["fit", str(folder / "tones.h5"), *choices, "--lr", "0.01", "--out", str(folder / "run"), "-q"]) == 0
    return folder / "run"


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    for word, name in ((2, "a"), (0, "b"), (1, "c")):
        soundfile.write(folder / f"{name}.wav", tone_clip(word, 1000 + word), 16000, subtype="PCM_16")
    return folder


def give_stdin(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


def test_top_goes_on_with_the_next_best_classes(run: Path, clips: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [str(clips / "a.wav"), str(clips / "b.wav")]
    assert main(["predict", str(run), *paths, "--top", "2"]) == 0
    for line, path, best in zip(capsys.readouterr().out.splitlines(), paths, ("up", "yes"), strict=True):
        cells = line.split("\t")
        assert cells[:2] == [path, best]
        assert cells[3] in set(LABELS) - {best}
        assert len(cells) == 5
        assert float(cells[2]) >= float(cells[4])


def test_all_gives_the_probabilities_of_all_classes(run: Path, clips: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", str(run), str(clips / "c.wav"), "--all"]) == 0
    cells = capsys.readouterr().out.strip("\n").split("\t")
    assert sorted(cells[1::2]) == sorted(LABELS)
    assert sum(map(float, cells[2::2])) == pytest.approx(1, abs=2e-4)
    assert main(["predict", str(run), str(clips / "c.wav"), "--all", "--json"]) == 0
    (values,) = json.loads(capsys.readouterr().out)
    given = values["probabilities"]
    assert list(given) == cells[1::2]
    assert list(given.values()) == sorted(given.values(), reverse=True)
    assert values["probability"] == given["no"] == max(load(run).predict(clips / "c.wav").probabilities)


def test_a_list_of_names_comes_from_stdin(
    run: Path, clips: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    give_stdin(monkeypatch, f"{clips / 'b.wav'}\r\n\n{clips / 'gone.wav'}\n{clips / 'a.wav'}".encode())
    assert main(["predict", str(run), "-"]) == 3
    out, err = capsys.readouterr()
    assert [line.split("\t")[:2] for line in out.splitlines()] == [[str(clips / "b.wav"), "yes"], [str(clips / "a.wav"), "up"]]
    assert "gone.wav: no such file" in err
    assert "1 of 3" in err


@pytest.mark.parametrize("format", ["WAV", "FLAC", "OGG", "AIFF"])
def test_a_recording_comes_from_stdin(
    format: str, run: Path, clips: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    y, sr = soundfile.read(clips / "c.wav")
    recording = io.BytesIO()
    soundfile.write(recording, y, sr, format=format)
    give_stdin(monkeypatch, recording.getvalue())
    assert main(["predict", str(run), "-"]) == 0
    assert capsys.readouterr().out.split("\t")[:2] == ["-", "no"]


def test_nothing_on_stdin_and_damage_on_stdin_end_in_one_line(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    give_stdin(monkeypatch, b"\n")
    assert main(["predict", str(run), "-"]) == 1
    assert "stdin is empty" in capsys.readouterr().err
    give_stdin(monkeypatch, b"RIFF\x00\x00\x00\x00WAVE")
    assert main(["predict", str(run), "-"]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert "unreadable: -" in err


def test_what_was_cut_is_said_once_with_the_number_of_recordings(
    run: Path, clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    word, pause = tone_clip(0, 1), np.zeros(16000)
    for name, y in (("late1", [pause, word]), ("late2", [pause, word]), ("middle", [pause[:8000], word, pause[:8000]])):
        soundfile.write(tmp_path / f"{name}.wav", np.concatenate(y), 16000, subtype="PCM_16")
    assert main(["predict", str(run), str(tmp_path), str(clips / "a.wav")]) == 0
    err = capsys.readouterr().err
    assert "2 recordings: longer than a clip, and its loudest part was cut off" in err
    assert "1 recording: longer than a clip: the rest was cut off" in err
    assert "middle.wav" in err
    assert "a.wav" not in err
    assert main(["predict", str(run), str(tmp_path / "middle.wav"), "--json", "-q"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)[0]["remarks"] == ["longer than a clip: the rest was cut off"]
    assert err == ""


def test_below_the_threshold_is_no_answer(run: Path, clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    strict, path = tmp_path / "strict", str(clips / "a.wav")
    shutil.copytree(run, strict)
    summary = json.loads((strict / "summary.json").read_text())
    assert 1 / 3 < summary["threshold"] < 1
    (strict / "summary.json").write_text(json.dumps({**summary, "threshold": 1.0}))
    assert load(strict).predict(path).rejected
    assert load(strict).predict(path).label == "up"
    for options, label in (([], "-"), (["--no-reject"], "up"), (["--top", "2"], "up"), (["--all"], "up")):
        assert main(["predict", str(strict), path, *options]) == 0
        assert capsys.readouterr().out.split("\t")[1] == label
    assert main(["predict", str(strict), path, "--json"]) == 0
    values = json.loads(capsys.readouterr().out)[0]
    assert (values["label"], values["rejected"]) == ("-", True)
    assert main(["predict", str(strict), path, "--csv", str(tmp_path / "table.csv")]) == 0
    assert (tmp_path / "table.csv").read_text().splitlines() == ["fname,label", "a.wav,up"]


@pytest.mark.parametrize(
    "arguments", [["--top", "2", "--all"], ["--top", "2", "--csv", "x.csv"], ["--all", "--csv", "x.csv"], ["--top", "0"]]
)
def test_choices_that_do_not_go_together_are_wrong_usage(arguments: list[str], run: Path, clips: Path) -> None:
    assert main(["predict", str(run), str(clips), *arguments]) == 2
