"""A small embedding with random weights as an ONNX file, and recordings of words that are tones."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tone_words import SR, say

from kwstrain.models.outlines.speech_embedding import CONVOLUTIONS, LAST

WIDTH = 6


@pytest.fixture(scope="session")
def small_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The layers of Google's embedding with a few channels: only their weights are in the file."""
    onnx = pytest.importorskip("onnx")
    rng = np.random.default_rng(0)
    channels = [1, *(times * WIDTH for _, times, _ in CONVOLUTIONS)]
    layers = [(size, n_in, n) for (size, _, _), n_in, n in zip(CONVOLUTIONS, channels, channels[1:], strict=False)]
    nodes, arrays = [], []
    for i, (size, n_in, n) in enumerate([*layers, (LAST, channels[-1], channels[-1])]):
        kernel = rng.standard_normal((n, n_in, *size)) * math.sqrt(1.6 / (n_in * math.prod(size)))
        names = [f"kernel{i}"] + ([f"bias{i}"] if i < len(layers) else [])
        arrays.append(onnx.numpy_helper.from_array(kernel.astype(np.float32), names[0]))
        if i < len(layers):
            arrays.append(onnx.numpy_helper.from_array(np.zeros(n, np.float32), names[1]))
        nodes.append(onnx.helper.make_node("Conv", [f"x{i}", *names], [f"x{i + 1}"]))
    path = tmp_path_factory.mktemp("embedding") / "small.onnx"
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph(nodes, "small", [], [], arrays)), str(path))
    return path


@pytest.fixture(scope="session")
def negatives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two minutes of other words, none of which rises."""
    folder = tmp_path_factory.mktemp("negatives") / "talk"
    folder.mkdir()
    rng = np.random.default_rng(5)
    for k in range(2):
        parts = []
        for i in range(60):
            high, low = rng.uniform(900, 1800), rng.uniform(300, 800)
            word = [(high, low, low), (low, low, low), (high, high, high), (high, low, high), (high, high, low)][i % 5]
            parts.append(say(tuple(map(int, word)), 100 + i, before_s=rng.uniform(0.1, 0.5), after_s=rng.uniform(0.1, 0.5)))
        soundfile.write(folder / f"talk{k}.wav", np.concatenate(parts), SR, subtype="PCM_16")
    return folder
