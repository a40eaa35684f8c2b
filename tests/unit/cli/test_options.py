"""No command replaces what exists, except with --overwrite."""

from __future__ import annotations

from pathlib import Path

import pytest

from kwsfeat.cli import main
from kwsfeat.cli.options import word_list


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
