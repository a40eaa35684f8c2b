"""kwstrain listen, without a sound card."""

from __future__ import annotations

import errno
import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from tone_recognizer import SR, ToneRecognizer, tones

pytest.importorskip("jax")

from kwstrain.cli import main
from kwstrain.detection import point

SAID = tones(6, ("yes", 2, 0.9), ("no", 4, 0.8))


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(point, "Recognizer", ToneRecognizer)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "bundle.json").write_text("{}")
    soundfile.write(tmp_path / "said.wav", SAID, SR)
    return tmp_path / "run"


def test_words_of_a_recording_with_triggers_and_a_command(run, tmp_path, capfd):
    command = f'printf "%s %s\\n" "$KWS_WORD" "$KWS_TIME" >> {tmp_path}/told'
    assert (
        main(["listen", str(run), "--from-wav", str(tmp_path / "said.wav"), "--exec", command, "--save-triggers", str(tmp_path / "kept")])
        == 0
    )
    out, err = capfd.readouterr()
    assert [line.split("\t")[:2] for line in out.splitlines()] == [["2.20", "yes"], ["4.20", "no"]]
    assert sorted((tmp_path / "told").read_text().split("\n")) == ["", "no 4.200", "yes 2.200"]
    assert [soundfile.info(tmp_path / "kept" / name).frames for name in ("yes-2.20.wav", "no-4.20.wav")] == [3 * SR] * 2
    assert "6.0 s heard" in err


def test_a_recording_that_cannot_be_written_is_named_and_the_next_is_kept(run, tmp_path, monkeypatch, capsys):
    write = Path.write_bytes

    def write_half(path: Path, data: memoryview) -> int:
        monkeypatch.setattr(Path, "write_bytes", write)
        path.write_bytes(data[: len(data) // 2])
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(Path, "write_bytes", write_half)
    kept = tmp_path / "kept"
    assert main(["listen", str(run), "--from-wav", str(tmp_path / "said.wav"), "--save-triggers", str(kept)]) == 0
    out, err = capsys.readouterr()
    assert [line.split("\t")[1] for line in out.splitlines()] == ["yes", "no"]
    assert "not kept: [Errno 28] No space left on device" in err
    assert "yes-2.20.wav" in err
    assert [path.name for path in kept.iterdir()] == ["no-4.20.wav"]


def test_samples_on_stdin_and_json(run, capsys, monkeypatch):
    pipe = io.BytesIO(np.round(SAID * 32767).astype("<i2").tobytes())
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=pipe))
    assert main(["listen", str(run), "-", "--raw", f"s16:{SR}", "--json", "-q"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(row["word"], round(row["time_s"], 3)) for row in rows] == [("yes", 2.2), ("no", 4.2)]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 2, "Missing argument 'RUN'"),
        (["RUN", "-", "--from-wav", "x.wav"], 2, "exclude each other"),
        (["RUN", "--from-wav", "nowhere.wav"], 1, "nowhere.wav"),
        (["RUN", "-", "--raw", "mp3:1"], 1, "CODING:HZ"),
    ],
)
def test_wrong_usage_is_one_line(run, capsys, monkeypatch, arguments, code, said):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"")))
    assert main(["listen", *(str(run) if one == "RUN" else one for one in arguments)]) == code
    err = capsys.readouterr().err
    assert said in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["nosuch", "-"], 1, "nosuch"),
        (["RUN", "-", "--threshold", "high"], 2, "neither a number nor WORD=NUMBER"),
        (["RUN", "-", "--threshold", "maybe=0.5"], 2, "maybe"),
        (["RUN", "-", "--raw", "mp3:1"], 1, "CODING:HZ"),
    ],
)
def test_what_cannot_be_used_is_said_before_samples_are_waited_for(run, capsys, monkeypatch, arguments, code, said):
    class Silent(io.RawIOBase):
        def read(self, n: int = -1) -> bytes:
            raise AssertionError("it waits")

    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=Silent()))
    assert main(["listen", *(str(run) if one == "RUN" else one for one in arguments)]) == code
    assert said in capsys.readouterr().err


def test_nothing_on_stdin_is_said(run, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"")))
    assert main(["listen", str(run), "-"]) == 0
    assert "nothing was heard" in capsys.readouterr().err
