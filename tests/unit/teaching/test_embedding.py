"""Embeddings: Google's against its own ONNX files, any file of its layers, and runs."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from random_runs import write_run
from tone_words import RISING, SR, say

from kwsfeat import ConfigError, FeatureConfig, FrontEnd, MissingExtraError, StoreError, UnknownNameError, preset
from kwstrain.teaching.bank import fingerprint
from kwstrain.teaching.embeddings import google
from kwstrain.teaching.embeddings.embedding import embedding

needs_wheel = pytest.mark.skipif(find_spec("livekit") is None, reason="the extra teach is not installed")


def speech_like() -> np.ndarray:
    """Two seconds with a floor that every band hears."""
    y = np.concatenate([say(RISING, take, before_s=0.1, after_s=0.05) for take in range(4)])
    return (y + 0.003 * np.random.default_rng(0).standard_normal(len(y))).astype(np.float32)


@needs_wheel
def test_the_front_end_is_that_of_the_file_but_for_its_clamp() -> None:
    runtime = pytest.importorskip("onnxruntime")
    path = google.google_file().with_name("melspectrogram.onnx")
    y = speech_like()
    wanted = runtime.InferenceSession(str(path)).run(None, {"input": y[None] * 32768})[0].reshape(-1, 32) / 10 + 2
    given = FrontEnd(preset("speech-embedding")).extract_recording(y)
    kept = wanted > wanted.max() - 7.99  # below, the file clamps at 80 dB under the loudest value of the call
    assert kept.mean() > 0.5
    np.testing.assert_allclose(given[kept], wanted[kept], atol=2e-3)


@needs_wheel
def test_vectors_are_those_of_the_file() -> None:
    runtime = pytest.importorskip("onnxruntime")
    e, y = embedding(google.google_file()), speech_like()
    frames = FrontEnd(preset("speech-embedding")).extract_recording(y)
    windows = np.stack([frames[i : i + 76] for i in range(0, len(frames) - 75, 8)])[..., None]
    (wanted,) = runtime.InferenceSession(str(google.google_file())).run(None, {"input_1": windows})
    given = e.embed(y)
    assert given.shape == (len(windows), 96)
    np.testing.assert_allclose(given, wanted.reshape(-1, 96), atol=1e-4 * np.abs(wanted).max())
    np.testing.assert_allclose(e.times(2), [(75 * 160 + 512) / SR, (83 * 160 + 512) / SR])
    assert (e.dim, e.hop_s, e.context_s(8)) == (96, 0.08, pytest.approx(1.342))


@needs_wheel
def test_vectors_are_evened_about_the_mean() -> None:
    y = speech_like()
    apart = embedding(google.google_file()).embed(y) - google.mean_vector()
    wanted = apart * np.square(apart).mean(axis=1, keepdims=True) ** (-0.7 / 2)
    np.testing.assert_allclose(embedding("google").embed(y), wanted, atol=1e-4 * np.abs(wanted).max())


def test_without_the_wheel_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(google, "_WHEEL", "no-such-wheel")
    with pytest.raises(MissingExtraError, match=r"is not installed: pip install 'kwsfeat\[teach\]'"):
        embedding("google")


def test_a_file_of_the_same_layers_is_an_embedding(small_file: Path) -> None:
    e = embedding(small_file)
    assert (e.dim, e.hop_s, e.has_window) == (24, 0.08, True)
    y = say(RISING, 1)
    vectors = e.embed(y)
    assert len(vectors) == (len(y) - 512 - 75 * 160) // 1280 + 1
    assert np.ptp(vectors, axis=0).max() > 0.01
    np.testing.assert_allclose(e.embed(y[2560:]), vectors[2:], atol=1e-5)
    assert e.embed(y[:5000]).shape == (0, 24), "too short for a vector"


def test_a_run_that_streams_is_an_embedding(tmp_path: Path) -> None:
    config = FeatureConfig(n_samples=8000, n_mels=20)
    write_run(tmp_path / "run", "bcresnet-1", config, causal=True, tau=0.5)
    e = embedding(tmp_path / "run")
    assert (e.hop_s, e.has_window, e.clip(1)) == (0.01, False, config)
    assert e.embed(say(RISING, 1)).shape[1] == e.dim
    write_run(tmp_path / "other", "bcresnet-1", config, tau=0.5)
    with pytest.raises(ConfigError, match=r"bcresnet-1 does not stream as it was trained"):
        embedding(tmp_path / "other")


def test_what_is_no_embedding_is_named(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    with pytest.raises(UnknownNameError, match=r"'gogle' is not a embedding, run folder or .onnx file|did you mean google"):
        embedding("gogle")
    with pytest.raises(StoreError, match=r"none.onnx: no such file"):
        embedding(tmp_path / "none.onnx")
    (tmp_path / "text.onnx").write_text("no graph")
    with pytest.raises(StoreError, match=r"text.onnx is not an ONNX file|is not of Google's embedding"):
        embedding(tmp_path / "text.onnx")
    node = onnx.helper.make_node("Relu", ["x"], ["y"])
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph([node], "other", [], [])), str(tmp_path / "other.onnx"))
    with pytest.raises(StoreError, match=r"other.onnx is not of Google's embedding: its 0 convolutions are others"):
        embedding(tmp_path / "other.onnx")


def test_embeddings_are_told_apart_by_their_numbers(small_file: Path) -> None:
    e = embedding(small_file)
    of = fingerprint(e)
    e.arrays["last/kernel"] = e.arrays["last/kernel"] + 1
    assert len(of) == 16
    assert fingerprint(e) != of
