"""Exports on real recordings: the test list of Speech Commands, clip by clip."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from random_runs import write_run

from kwsfeat import FrontEnd, load_clip, preset
from kwsfeat.corpus.find import find_corpus
from kwstrain import load
from kwstrain.export.export import export
from kwstrain.export.front_end import front_end
from kwstrain.export.graph.value import BATCH
from kwstrain.export.graph.write import Input, write
from kwstrain.inference.exported import ExportedClassifier
from kwstrain.inference.probabilities import probabilities

pytest.importorskip("onnxruntime", reason="the extra export is not installed")
pytest.importorskip("onnx", reason="the extra export is not installed")
pytestmark = pytest.mark.slow

CONFIG = preset("bcresnet")


@pytest.fixture(scope="module")
def clips(kws_data: Path) -> np.ndarray:
    """All recordings of the list, int16 (n, n_samples)."""
    corpus = kws_data / "speech_commands"
    return np.stack([load_clip(corpus / clip.path, CONFIG)[0] for clip in find_corpus(corpus).clips if clip.split == "test"])


def test_every_clip_of_the_test_list_gets_the_same_class(clips: np.ndarray, tmp_path: Path) -> None:
    assert len(clips) > 1000
    write_run(tmp_path / "run", "bcresnet-1", CONFIG)
    export(tmp_path / "run", "onnx", tmp_path / "run.onnx")
    run, file = load(tmp_path / "run"), ExportedClassifier(tmp_path / "run.onnx")
    parts = [clips[start : start + 64] for start in range(0, len(clips), 64)]
    wanted = np.concatenate([probabilities(run.logits(FrontEnd(CONFIG).extract_batch(part))) for part in parts])
    given = np.concatenate([file.probabilities(part) for part in parts])
    np.testing.assert_allclose(given, wanted, atol=1e-4)
    second, best = np.sort(wanted, axis=1)[:, -2:].T
    clear = best - second > 2e-4  # weights are random: a few clips lie between two classes
    assert clear.mean() > 0.99
    assert np.array_equal(given.argmax(axis=1)[clear], wanted.argmax(axis=1)[clear])


def test_log_mel_of_every_clip(clips: np.ndarray, run_graph: Callable[..., list[np.ndarray]]) -> None:
    """Wherever a band holds a 22,000th of the frame's loudest or more."""
    y = clips / np.float32(32768)
    model = write(front_end(CONFIG), [Input("waveform", (BATCH, CONFIG.n_samples)), Input("length", (BATCH,), np.int32)], ["x"], {})
    (x,) = run_graph(model, waveform=y, length=np.full(len(y), CONFIG.n_samples, np.int32))
    wanted = FrontEnd(CONFIG).extract_batch(y)
    heard = wanted > wanted.max(axis=2, keepdims=True) - 10
    assert np.abs(x - wanted)[heard].max() < 1e-4
