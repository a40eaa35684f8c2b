"""Recordings to answers: kwstrain's `predict` against librosa's features and onnxruntime, on PyTorch's export of the same network.

    pytest benchmarks/export/bench_predict.py --benchmark-enable -s

Both begin with WAV files that the page cache holds and end with the probabilities of BC-ResNet-2, in as many threads: 64 files at a time
in each. The weights are random: a network's time does not depend on them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from harness.race import compare

from kwsfeat import preset, thread_count

BENCHMARKS = Path(__file__).resolve().parents[1]
SR, GROUP = 16000, 64


def recordings(folder: Path, n: int) -> list[Path]:
    """`n` WAV files of one second."""
    rng = np.random.default_rng(0)
    paths = [folder / f"{i:04d}.wav" for i in range(n)]
    for path in paths:
        soundfile.write(path, 0.1 * rng.standard_normal(SR), SR, subtype="PCM_16")
    return paths


def kwstrain_predicts(folder: Path, paths: list[Path]) -> Callable[[], object]:
    sys.path.append(str(BENCHMARKS.parent / "tests"))
    from random_runs import write_run

    from kwstrain import load
    from kwstrain.inference.group import Part
    from kwstrain.inference.predict import predict_all

    classifier = load(write_run(folder / "run", "bcresnet-2", preset("bcresnet")).folder)
    parts = [Part(path) for path in paths]
    return lambda: sum(1 for _ in predict_all(classifier, parts))


def pytorch_export(folder: Path) -> Path:
    """BC-ResNet-2 of PyTorch as an ONNX file, any number of clips at once."""
    sys.path.append(str(BENCHMARKS / "harness"))
    torch = pytest.importorskip("torch")
    from torch_zoo import bcresnet

    path = folder / "pytorch.onnx"
    axes = {"x": {0: "batch"}, "y": {0: "batch"}}
    options: dict[str, Any] = {"input_names": ["x"], "output_names": ["y"], "dynamic_axes": axes, "dynamo": False}
    torch.onnx.export(bcresnet(2).eval(), (torch.zeros(1, 1, 40, 101),), str(path), **options)
    return path


def librosa_and_onnxruntime(model: Path, paths: list[Path]) -> Callable[[], object]:
    librosa, onnxruntime = pytest.importorskip("librosa"), pytest.importorskip("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(model), options)
    c = preset("bcresnet")

    def features(path: Path) -> np.ndarray:
        y, _ = soundfile.read(path, dtype="float32")
        mel = librosa.feature.melspectrogram(
            y=y, sr=SR, n_fft=c.n_fft, win_length=c.win_length, hop_length=c.hop_length, n_mels=c.n_mels
        )  # fmt: skip
        logmel: np.ndarray = np.log(mel + 1e-6)
        return logmel

    def classify(group: list[Path]) -> np.ndarray:
        logits: np.ndarray = session.run(None, {"x": np.stack([features(path) for path in group])[:, None]})[0]
        return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)

    def call() -> object:
        groups = [paths[i : i + GROUP] for i in range(0, len(paths), GROUP)]
        with ThreadPoolExecutor(thread_count()) as pool:
            return list(pool.map(classify, groups))

    return call


def test_predict(benchmark, table, tmp_path):
    pytest.importorskip("jax")
    n = 2 * GROUP if benchmark.enabled else 2
    paths = recordings(tmp_path, n)
    engines = {"kwstrain": kwstrain_predicts(tmp_path, paths)}
    if benchmark.enabled:
        engines["librosa + onnxruntime"] = librosa_and_onnxruntime(pytorch_export(tmp_path), paths)
    compare(benchmark, table, "WAV files to answers, bcresnet-2", engines, {"librosa + onnxruntime": 2.0}, dict.fromkeys(engines, n))
