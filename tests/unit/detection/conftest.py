"""A run that hears tones, and streams of them."""

from __future__ import annotations

from pathlib import Path

import pytest
import soundfile
from tone_recognizer import SR, ToneRecognizer, reference, tones

from kwsfeat import Interval
from kwsfeat.detection.reference import write_reference


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run folder whose network hears tones."""
    pytest.importorskip("jax")
    from kwstrain.detection import point

    monkeypatch.setattr(point, "Recognizer", ToneRecognizer)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "bundle.json").write_text("{}")
    return tmp_path / "run"


@pytest.fixture
def streams(tmp_path: Path) -> Path:
    """Two recordings of half an hour's worth of nothing much: 40 and 20 s, with words, a softer word, and a tone that nobody said."""
    folder = tmp_path / "streams"
    folder.mkdir()
    soundfile.write(folder / "a.wav", tones(40, ("yes", 2, 0.9), ("no", 8, 0.9), ("yes", 14, 0.6), ("yes", 30, 0.7)), SR)
    write_reference(folder / "a.csv", [*reference(("yes", 2), ("no", 8), ("yes", 14)), Interval(20, 40, source="music")])
    soundfile.write(folder / "b.flac", tones(20, ("no", 5, 0.8), sr=16000), 16000)
    write_reference(folder / "b.csv", reference(("no", 5), ("yes", 12)))
    return folder
