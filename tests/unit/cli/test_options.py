"""No command replaces what exists, except with --overwrite."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kwsfeat.cli import main
from kwsfeat.cli.options import word_list
from kwstrain.cli import main as kwstrain


def test_a_preset_is_written_over_only_when_that_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("n_mels = 20\n")
    arguments = ["presets", "--write", "mfcc", "--out", str(path)]
    assert main(arguments) == 1
    assert f"{path} exists: choose another name or use --overwrite" in capsys.readouterr().err
    assert path.read_text() == "n_mels = 20\n"
    assert main([*arguments, "--overwrite"]) == 0
    assert "n_mfcc" in path.read_text()
    assert main(["presets", "--write", "mfcc", "--out", str(tmp_path), "--overwrite"]) == 1
    assert "is a folder: give the name of a file" in capsys.readouterr().err


def test_what_is_read_is_never_replaced(tiny_corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recording, table = next(tiny_corpus.glob("*/*.wav")), tmp_path / "table.csv"
    table.write_text(f"path,label\n{recording},a\n")
    for source, out, what in ((tiny_corpus, recording, "a recording"), (table, table, "what is read")):
        before = out.read_bytes()
        assert main(["build", str(source), str(out), "--overwrite"]) == 1
        assert f"{out} exists, and is {what}: choose another name" in capsys.readouterr().err
        assert out.read_bytes() == before
    before = recording.read_bytes()
    assert main(["show", str(recording), "--out", str(recording), "--overwrite"]) == 1
    assert f"{recording} is what is read: choose another name" in capsys.readouterr().err
    assert recording.read_bytes() == before


def test_noise_for_a_policy_without_any_is_said(tiny_corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recording = str(next(tiny_corpus.glob("*/*.wav")))
    assert main(["augment", recording, "--policy", "nine", "--noise", recording, "--out", str(tmp_path)]) == 0
    assert "the policy nine mixes in no noise: --noise is not used" in capsys.readouterr().err


def test_a_list_of_words_holds_a_word_with_a_comma_in_quotes() -> None:
    assert word_list('"hey, you", no,,yes,no') == ["hey, you", "no", "yes"]
    assert word_list("") == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["presets", "--write", "mfc"], "'mfc' is not a preset: did you mean mfcc"),
        (["augment", "a.wav", "--policy", "nin", "--out", "b"], "'nin' is not an augmentation policy or .toml file: did you mean nine"),
        (["build", "nowhere", "a.h5", "--split", "stratifid"], "'stratifid' is not a split rule: did you mean stratified"),
        (["build", "nowhere", "a.h5", "--split", "80/30"], "add up to 100"),
        (["build", "nowhere", "a.h5", "--split", "folds:50/25/25"], "folds have no shares, --folds says in how many parts"),
        (["build", "nowhere", "a.h5", "--split", "by-speaker", "--folds", "5"], "--folds is of --split folds, not of --split by-speaker"),
        (["build", "nowhere", "a.h5", "--split", "stratified", "--fold", "0"], "--fold is of --split folds, not of --split stratified"),
        (["build", "nowhere", "a.h5", "--unknown", "drop", "--unknown-share", "0.5"], "--unknown drop keeps no unknown clips"),
        (["presets", "--out", "a.toml"], "--out a.toml is where --write NAME goes"),
        (["fetch", "fsd", "folder"], "'fsd' is not a corpus that can be fetched: did you mean fsdd"),
    ],
)
def test_a_value_that_is_unknown_is_wrong_usage(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("program", "arguments"),
    [
        (main, ["build", "c", "a.h5"]),
        (main, ["augment", "a.wav", "--out", "b"]),
        (main, ["synth", "b", "--words", "yes"]),
        (main, ["talk", "b", "a.txt"]),
        (main, ["stream-corpus", "a.h5", "b", "--words", "yes", "--negatives", "c"]),
        (kwstrain, ["teach", "c"]),
        (kwstrain, ["distil", "c", "--out", "b"]),
        (kwstrain, ["fit", "a.h5"]),
    ],
)
@pytest.mark.parametrize("seed", [-1, 1 << 64])
def test_a_seed_that_no_file_can_keep_is_wrong_usage(
    program: Callable[[list[str]], int], arguments: list[str], seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c").mkdir()
    for name in ("a.h5", "a.txt", "a.wav"):
        (tmp_path / name).touch()
    assert program([*arguments, "--seed", str(seed)]) == 2
    assert f"{seed} " in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.h5", "a.txt", "a.wav", "c"]
