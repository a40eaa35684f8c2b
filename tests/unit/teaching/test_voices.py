"""A word from its spelling: what espeak-ng's voices say, and a run that they alone have made."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("espeakng_loader", reason="the extra demo is not installed")
pytest.importorskip("onnx")

from kwsfeat import AudioError, CorpusError, MissingExtraError, speak
from kwstrain.cli import main
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
