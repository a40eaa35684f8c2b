"""``kwsfeat augment``: variants as files to listen to, and a picture."""

from __future__ import annotations

import json

import numpy as np
import pytest
import soundfile

from kwsfeat.augment import time_stretch
from kwsfeat.cli import main

pytestmark = pytest.mark.slow


@pytest.fixture
def recording(tmp_path):
    t = np.arange(11025) / 22050
    soundfile.write(tmp_path / "tone.wav", 0.3 * np.sin(2 * np.pi * 300 * t), 22050, subtype="PCM_16")
    return tmp_path / "tone.wav"


def test_nine_variants_and_a_picture(recording, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["augment", str(recording), "--recipe", "nine", "--out", str(out)]) == 0
    listed = capsys.readouterr().out.split()
    assert sorted(listed) == sorted(str(path) for path in out.iterdir())
    entries = json.loads((out / "variants.json").read_text())["variants"]
    assert len(entries) == 9
    y, _ = soundfile.read(recording, dtype="float32")
    for entry in entries:
        variant, sr = soundfile.read(out / entry["file"], dtype="float32")
        assert sr == 22050
        assert len(variant) == round(11025 / entry["parameters"]["rate"])
    faster, _ = soundfile.read(out / "tone_rate1.3_steps+0.wav", dtype="float32")
    np.testing.assert_allclose(faster, time_stretch(y, 1.3, sr=22050), atol=1 / 32768)
    assert (out / "variants.png").read_bytes().startswith(b"\x89PNG")


def test_draws_of_a_chain(recording, tmp_path, capsys):
    for name in ("a", "b"):
        assert main(["augment", str(recording), "--recipe", "bcresnet", "--count", "3", "--seed", "5", "--out", str(tmp_path / name)]) == 0
    assert "white, pink and brown" in capsys.readouterr().err
    for i in range(3):
        assert (tmp_path / "a" / f"tone_{i:02d}.wav").read_bytes() == (tmp_path / "b" / f"tone_{i:02d}.wav").read_bytes()
    assert main(["augment", str(recording), "--recipe", "bcresnet", "--noise", str(recording), "--out", str(tmp_path / "c")]) == 0


def test_bad_input_is_one_line(recording, tmp_path, capsys):
    (tmp_path / "text.wav").write_text("no")
    for code, *arguments in ((1, "text.wav"), (1, "missing.wav"), (2, "tone.wav", "--recipe", "ten")):
        assert main(["augment", str(tmp_path / arguments[0]), *arguments[1:], "--out", str(tmp_path / "out")]) == code
        assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "out").exists()
