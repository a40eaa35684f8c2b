"""A folder for each word: a classifier of clips, or a line that says what is missing; and a bank of one's own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tone_words import FALLING, RISING, SR, say, write_takes

pytest.importorskip("onnx")

from kwstrain.cli import main
from kwstrain.inference.bundle import Bundle
from kwstrain.teaching.bank import WINDOW, Bank, lags_of_words
from kwstrain.teaching.embeddings.embedding import embedding
from kwstrain.teaching.words import windows_of_words

SHRILL = (2200, 2600, 3200)  # a mean over a clip does not tell which of two words falls and which rises


def test_words_are_told_apart(tmp_path: Path, small_file: Path, negatives: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, word in (("rise", RISING), ("shrill", SHRILL)):
        write_takes(tmp_path / "words" / name, word, 6)
        (tmp_path / "words" / "README.txt").write_text("lists, licences and notes are no recordings")
        for take in range(50, 54):
            soundfile.write(tmp_path / f"{name}{take}.wav", say(word, take, before_s=0.3, after_s=0.25), SR)
    call = ["teach", str(tmp_path / "words"), "--out", str(tmp_path / "run"), "--embedding", str(small_file), "--negatives", str(negatives)]
    call += ["--voices", "0"]  # which do not say tones
    assert main([*call, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["words"], said["used"], said["left_out"]) == (["rise", "shrill"], 12, [])
    assert Bundle.load(tmp_path / "run").labels == ("rise", "shrill", "unknown")
    clips = sorted(tmp_path.glob("*.wav"))
    assert main(["predict", str(tmp_path / "run"), *map(str, clips), "--json"]) == 0
    given = json.loads(capsys.readouterr().out)
    assert sum(Path(one["path"]).name.startswith(one["label"]) for one in given) >= 7

    write_takes(tmp_path / "words" / "once", RISING, 1)
    assert main([*call, "--overwrite"]) == 1
    assert "once: 1 usable recordings are too few, 3 are the least" in capsys.readouterr().err
    assert Bundle.load(tmp_path / "run").labels == ("rise", "shrill", "unknown"), "what was there is still there"


def test_a_bank_of_ones_own(tmp_path: Path, small_file: Path, negatives: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call = ["bank", str(negatives), "--out", str(tmp_path / "bank.npz"), "--embedding", str(small_file), "--source", "tones: CC0"]
    assert main([*call, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["recordings"] == 2
    assert said["bytes"] == (tmp_path / "bank.npz").stat().st_size
    assert main(call) == 1, "it exists"


def test_negatives_that_are_there_again_count_once(
    tmp_path: Path, small_file: Path, negatives: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder that is given twice, and copies in another one: no more hours, in a bank and in those of a word."""
    copies = Path(shutil.copytree(negatives, tmp_path / "copies"))
    common = ["--embedding", str(small_file), "--json"]
    assert main(["bank", str(negatives), str(negatives), str(copies), "--out", str(tmp_path / "bank.npz"), *common]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["recordings"] == 2
    assert f"4 recordings are there already, and counted once: {negatives}/talk0.wav = {negatives}/talk0.wav" in err
    word, hours = write_takes(tmp_path / "rise", RISING, 8), []
    for given in ([negatives], [negatives, negatives, copies]):
        options = [part for folder in given for part in ("--negatives", str(folder))]
        assert main(["teach", str(word), "--out", str(tmp_path / str(len(given))), "--voices", "0", *options, *common]) == 0
        out, err = capsys.readouterr()
        hours.append(json.loads(out)["own_hours"])
    assert hours[0] == hours[1] > 0
    assert "4 recordings are there already, and counted once" in err


def test_a_bank_knows_how_words_vary(tmp_path: Path, small_file: Path, negatives: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, word, n in (("rise", RISING, 16), ("fall", FALLING, 17), ("rare", RISING, 3)):
        write_takes(tmp_path / "words" / name, word, n)
    call = ["bank", str(negatives), "--embedding", str(small_file), "--words"]
    assert main([*call, str(tmp_path / "words"), "--out", str(tmp_path / "bank.npz")]) == 0
    read, e = Bank.load(tmp_path / "bank.npz"), embedding(small_file)
    words = windows_of_words(e, tmp_path / "words")
    assert [one.shape for one in words] == [(34, WINDOW, e.dim), (32, WINDOW, e.dim)]
    np.testing.assert_allclose(read.word_lags, lags_of_words(words), atol=2e-3 * np.abs(lags_of_words(words)).max())
    (tmp_path / "few").mkdir()
    (tmp_path / "words" / "rare").rename(tmp_path / "few" / "rare")
    assert main([*call, str(tmp_path / "few"), "--out", str(tmp_path / "none.npz")]) == 1
    assert "no folder in it has 15 usable recordings of a word" in capsys.readouterr().err
    assert not (tmp_path / "none.npz").exists()
