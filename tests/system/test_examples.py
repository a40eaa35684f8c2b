"""Every example runs, and does what it says."""

from __future__ import annotations

import os
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from tone_recognizer import ToneRecognizer, tones
from tones import tone_clip

from kwsfeat.cli import main as kwsfeat

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def main_of(name: str) -> Callable[..., Any]:
    """The function `main` of an example."""
    function: Callable[..., Any] = runpy.run_path(str(EXAMPLES / name))["main"]
    return function


@pytest.fixture(scope="module")
def words(tiny_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("examples") / "words.h5"
    assert kwsfeat(["build", str(tiny_corpus), str(path), "--quiet"]) == 0
    return path


def test_every_example_is_tested_and_in_the_table() -> None:
    named = {path.name for path in EXAMPLES.iterdir() if path.suffix in (".py", ".ipynb")}
    text, table = Path(__file__).read_text(), (EXAMPLES / "README.md").read_text()
    assert named == {"own_words.py", "pytorch_dataset.py", "compare_dialects.py", "counting_rules.py", "inside_a_file.ipynb"}
    assert all(f'"{name}"' in text and f"[{name}]({name})" in table for name in named)


def test_own_words(tiny_corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("jax")
    accuracy = main_of("own_words.py")([str(tiny_corpus), "--out", str(tmp_path / "runs" / "own"), "--epochs", "4"])
    out = capsys.readouterr().out
    assert accuracy > 0.8
    assert "labels no, up, yes, silence" in out
    assert len([line for line in out.splitlines() if ".wav: " in line]) == 5


def test_pytorch_dataset(words: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: it is not a dependency, an example uses it")
    assert main_of("pytorch_dataset.py")(str(words), epochs=8) > 0.8
    dataset = runpy.run_path(str(EXAMPLES / "pytorch_dataset.py"))["FeatureDataset"](words, "train")
    x = torch.stack([dataset[i][0] for i in range(len(dataset))])
    assert torch.allclose(x.mean((0, 1)), torch.zeros(x.shape[2]), atol=1e-3)


def test_compare_dialects(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", tone_clip(0, 0), 16000, subtype="PCM_16")
    shapes = main_of("compare_dialects.py")(str(tmp_path / "a.wav"), str(tmp_path / "dialects.png"))
    assert shapes["logmel"] == (101, 40)
    assert len(set(shapes.values())) > 2
    assert (tmp_path / "dialects.png").read_bytes().startswith(b"\x89PNG")


def test_counting_rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tone of ten seconds that nobody said, and a word: one false accept in a minute, and what the others make of it."""
    pytest.importorskip("jax")
    from kwstrain.detection import point

    monkeypatch.setattr(point, "Recognizer", ToneRecognizer)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "bundle.json").write_text("{}")
    y = tones(60, ("yes", 5, 0.9), ("no", 55, 0.9))
    y[20 * 8000 : 30 * 8000] = np.sin(2 * np.pi * 1000 * np.arange(10 * 8000) / 8000) * 0.9
    soundfile.write(tmp_path / "a.wav", y, 8000)
    (tmp_path / "a.csv").write_text("start_s,end_s,word\n5.0,5.3,yes\n55.0,55.3,no\n")
    counts = main_of("counting_rules.py")([str(tmp_path / "run"), str(tmp_path), "--threshold", "0.5"])
    assert {name: (count.found, count.said) for name, count in counts.items() if name != "TensorFlow"} == dict.fromkeys(
        ("ours", "openWakeWord", "livekit-wakeword"), (2, 2)
    )
    assert counts["ours"].false_accepts == 1
    assert counts["ours"].hours == pytest.approx((60 - 2.6) / 3600)
    assert counts["openWakeWord"].false_accepts == 100  # frames
    assert counts["livekit-wakeword"].false_accepts == 100
    assert counts["livekit-wakeword"].hours > 9 * counts["ours"].hours  # windows of a second every 0.1 s
    assert counts["TensorFlow"].false_accepts <= 1


def test_the_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    notebook = nbformat.read(EXAMPLES / "inside_a_file.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "clear the outputs before committing"
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    nbclient.NotebookClient(notebook, timeout=None, kernel_name="python3").execute()
    results = [output["data"]["text/plain"] for cell in notebook.cells for output in cell.get("outputs", []) if "data" in output]
    printed = [output["text"] for cell in notebook.cells for output in cell.get("outputs", []) if output["output_type"] == "stream"]
    assert any("60 clips of 1 s at 16,000 Hz" in text for text in printed)
    assert results[0] == "60"  # 2 words x 10 speakers x 3 takes
    assert "'audio'" in results[-2]
    assert "n_steps" in results[-1]
