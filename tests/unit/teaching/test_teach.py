"""A word taught from recordings that are tones, on a small random embedding: heard in a stream, by every command; and bad input."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tone_words import FALLING, RISING, SR, STEADY, say, write_takes

pytest.importorskip("onnx")

from kwsfeat import StoreError
from kwstrain import Recognizer
from kwstrain.cli import main
from kwstrain.inference.bundle import Bundle
from kwstrain.teaching.embeddings.embedding import embedding
from kwstrain.teaching.run import write_run


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory, small_file: Path, negatives: Path) -> Path:
    """A run of twelve recordings."""
    root = tmp_path_factory.mktemp("taught")
    folder = write_takes(root / "rise", RISING, 12)
    assert main(["teach", str(folder), "--out", str(root / "run"), *options(small_file, negatives)]) == 0
    return root / "run"


def options(small_file: Path, negatives: Path) -> list[str]:
    return ["--embedding", str(small_file), "--negatives", str(negatives), "--voices", "0", "--fa-per-hour", "300"]


def evening() -> tuple[np.ndarray, list[float]]:
    """Half a minute with other words, and the times at which the word has ended."""
    parts, ends, n = [], [], 0
    for i in range(14):
        word = RISING if i % 6 == 3 else FALLING if i % 2 else STEADY
        y = say(word, 200 + i, before_s=1.2, after_s=0.6)
        parts.append(y)
        n += len(y)
        if word is RISING:
            ends.append(n / SR - 0.6)
    return np.concatenate(parts), ends


def test_it_is_heard_where_it_is_said(taught: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    y, ends = evening()
    soundfile.write(tmp_path / "evening.wav", y, SR, subtype="PCM_16")
    assert main(["detect", str(taught), str(tmp_path / "evening.wav"), "--json", "-q"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    times = [event["time_s"] for event in found["events"]]
    assert all(min(abs(np.array(times) - end)) < 0.4 for end in ends), "every time"
    assert len(times) <= len(ends) + 2


def test_the_run_is_one_as_any_other(taught: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = Bundle.load(taught)
    assert bundle.labels == ("rise", "unknown")
    assert bundle.parameters["trainable"] == 8 * 24 * 2 + 2
    recognizer = Recognizer(taught)
    assert (recognizer.mode, recognizer.hop_s) == ("stream", 0.08)
    y = say(RISING, 77, before_s=2.0, after_s=0.12)[-bundle.feature_config.n_samples :]
    soundfile.write(tmp_path / "rise.wav", y, SR, subtype="PCM_16")
    assert main(["predict", str(taught), str(tmp_path / "rise.wav"), "--json"]) == 0
    (said,) = json.loads(capsys.readouterr().out)
    row = recognizer.feed(soundfile.read(tmp_path / "rise.wav", dtype="float32")[0])[-1]
    assert said["label"] == "rise"
    assert said["probability"] == pytest.approx(float(row[0]), abs=1e-4), "a clip as long as a window is the window of a stream"
    said = json.loads((taught / "teaching.json").read_text())
    assert len(said["used"]) == 12
    assert said["left_out"] == []


def test_exported_it_says_whose_embedding_it_is(taught: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runtime = pytest.importorskip("onnxruntime")
    assert main(["export", str(taught), str(tmp_path / "rise.onnx"), "--to", "onnx-stream"]) == 0
    session = runtime.InferenceSession(str(tmp_path / "rise.onnx"))
    card = json.loads(session.get_modelmeta().custom_metadata_map["card"])
    assert card["credits"] == ["the file small.onnx"]
    capsys.readouterr()


def test_bad_recordings_are_named_and_teach_nothing(
    taught: Path, tmp_path: Path, small_file: Path, negatives: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_takes(tmp_path / "rise", RISING, 12)
    soundfile.write(folder / "silent.wav", np.zeros(2 * SR), SR)
    shutil.copy(folder / "take00.wav", folder / "twice.wav")
    assert main(["teach", str(folder), "--out", str(tmp_path / "run"), *options(small_file, negatives), "--json"]) == 0
    left_out = {Path(one["path"]).name: one["reason"] for one in json.loads(capsys.readouterr().out)["left_out"]}
    assert set(left_out) == {"silent.wav", "twice.wav"}
    given, wanted = (Bundle.load(run).weights["out/kernel"] for run in (tmp_path / "run", taught))
    np.testing.assert_array_equal(given, wanted)


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("one", "1 usable recordings are too few for 'rise', 3 are the least"),
        ("silence", "0 usable recordings are too few for 'rise', 3 are the least (silent0.wav is silent"),
        ("copies", "1 usable recordings are too few for 'rise', 3 are the least (b1.wav is the same recording as b0.wav"),
        ("hour", "0 usable recordings are too few for 'rise', 3 are the least (hour.wav is longer than 30 s"),
        ("nothing", "no recording"),
    ],
)
def test_bad_folders_are_refused_in_a_line_and_leave_nothing(
    what: str, said: str, tmp_path: Path, small_file: Path, negatives: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "rise"
    folder.mkdir()
    if what == "one":
        write_takes(folder, RISING, 1)
    elif what == "silence":
        for i in range(4):
            soundfile.write(folder / f"silent{i}.wav", np.zeros(SR + i), SR)
    elif what == "copies":
        for i in range(20):
            soundfile.write(folder / f"b{i}.wav", say(RISING, 1), SR)
    elif what == "hour":
        soundfile.write(folder / "hour.wav", np.zeros(60 * SR), SR)
    assert main(["teach", str(folder), "--out", str(tmp_path / "run"), *options(small_file, negatives)]) == 1
    err = capsys.readouterr().err.strip().splitlines()[-1]
    assert said in err
    assert [path.name for path in tmp_path.iterdir()] == ["rise"]


def test_a_folder_that_is_no_taught_run_is_not_replaced(tmp_path: Path, small_file: Path, negatives: Path) -> None:
    folder = write_takes(tmp_path / "rise", RISING, 4)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    call = ["teach", str(folder), "--out", str(tmp_path / "mine"), *options(small_file, negatives), "--overwrite", "-q"]
    assert main(call) == 1
    assert (tmp_path / "mine" / "letter.txt").read_text() == "dear"
    assert main(["teach"]) == 2
    assert main([*call[:4], "--fa-per-hour", "0"]) == 2


@pytest.mark.parametrize("several", [False, True])
def test_a_word_that_is_called_as_everything_else_is_refused_and_the_run_stays(
    several: bool, taught: Path, tmp_path: Path, small_file: Path, negatives: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_takes(tmp_path / "words" / "unknown", RISING, 4)
    shutil.copytree(taught, tmp_path / "run")
    call = [str(folder.parent)] if several else [str(folder)]
    assert main(["teach", *call, "--out", str(tmp_path / "run"), *options(small_file, negatives), "--overwrite"]) == 1
    err = capsys.readouterr().err.strip()
    assert "'unknown' is what a run calls everything else: give it another name (--name), or rename its folder" in err
    assert len(err.splitlines()) == 1, "before any work"
    assert Bundle.load(tmp_path / "run").labels == ("rise", "unknown")


def test_a_run_that_cannot_be_read_replaces_none(taught: Path, tmp_path: Path, small_file: Path) -> None:
    shutil.copytree(taught, tmp_path / "run")
    e = embedding(small_file)
    with pytest.raises(StoreError, match="labels must be two or more different texts"):
        write_run(
            tmp_path / "run", e, ("rise", "rise"), np.zeros((1, 8, e.dim, 2)), np.zeros(2), clip=e.clip(8), data="", threshold=None,
            point=None, report={},
        )  # fmt: skip
    assert Bundle.load(tmp_path / "run").labels == ("rise", "unknown")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
