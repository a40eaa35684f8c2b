"""The graph of a stream against ``Recognizer``: the same rows, whatever stands before the first of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from random_runs import write_run

from kwsfeat import ConfigError, FeatureConfig, preset
from kwstrain import Recognizer
from kwstrain.export.export import export
from kwstrain.export.stream.samples import sample_step

runtime = pytest.importorskip("onnxruntime", reason="the extra export is not installed")
pytest.importorskip("onnx", reason="the extra export is not installed")

NETWORKS: dict[str, tuple[FeatureConfig, dict[str, Any]]] = {
    "mixednet": (FeatureConfig(n_samples=32000, framing="none", win_length=480, preemph=0.9), {"filters": 8}),
    "bcresnet-1": (FeatureConfig(n_samples=6000, n_mels=20), {"causal": True, "tau": 0.5}),
    "ds-cnn-s": (FeatureConfig(n_samples=8000, output="mfcc", n_mfcc=10, hop_length=320, log="db"), {"causal": True, "filters": 8}),
    "speech-embedding": (replace(preset("speech-embedding"), n_samples=16000, post_divide=0.2), {"width": 6, "window": 2, "templates": 2}),
}


def rows(path: Path, y: np.ndarray) -> np.ndarray:
    """What a stream's graph gives for whole steps of `y`, without the rows of the warm-up."""
    session = runtime.InferenceSession(str(path))
    properties = session.get_modelmeta().custom_metadata_map
    (n,) = session.get_inputs()[0].shape
    types = {"tensor(float)": np.float32, "tensor(int32)": np.int32}
    states = {one.name: np.zeros(one.shape, types[one.type]) for one in session.get_inputs()[1:]}
    given = []
    for start in range(0, len(y) - n + 1, n):
        probabilities, *after = session.run(None, {"waveform": y[start : start + n], **states})
        states = dict(zip(states, after, strict=True))
        given.append(probabilities)
    return np.concatenate(given)[int(properties["warm_up_rows"]) :]


@pytest.mark.parametrize("arch", NETWORKS)
def test_a_stream_gives_what_the_recogniser_gives(arch: str, tmp_path: Path) -> None:
    config, options = NETWORKS[arch]
    write_run(tmp_path / "run", arch, config, **options)
    said = export(tmp_path / "run", "onnx-stream", tmp_path / "run.onnx")
    rng = np.random.default_rng(3)
    y = (0.1 * rng.standard_normal(5 * 16000) * np.abs(np.sin(np.arange(5 * 16000) / 5000))).astype(np.float32)
    y[20000:30000] = 0
    recognizer = Recognizer(tmp_path / "run", mode="stream")
    wanted = recognizer.feed(y)
    given = rows(tmp_path / "run.onnx", y)
    n = min(len(given), len(wanted))
    assert n > 3 * 16000 / said["samples_a_step"]
    np.testing.assert_allclose(given[:n], wanted[:n], atol=1e-4)
    assert np.ptp(given[:n], axis=0).max() > 1e-3


@pytest.mark.slow
def test_ten_minutes_do_not_drift(tmp_path: Path) -> None:
    """Loud and soft, with pauses of digital silence."""
    config, options = NETWORKS["mixednet"]
    write_run(tmp_path / "run", "mixednet", config, **options)
    export(tmp_path / "run", "onnx-stream", tmp_path / "run.onnx")
    t = np.arange(600 * 16000, dtype=np.float32) / 16000
    y = np.random.default_rng(4).standard_normal(len(t), np.float32) * 10 ** (np.sin(t / 7) - 2) * (np.sin(t / 3) > -0.9)
    wanted, given = Recognizer(tmp_path / "run", mode="stream").feed(y), rows(tmp_path / "run.onnx", y)
    n = min(len(given), len(wanted))
    assert n > 19_900
    np.testing.assert_allclose(given[:n], wanted[:n], atol=1e-4)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"top_db": 80.0}, "top_db=80.0 cannot stream"),
        ({"framing": "reflect"}, "framing='reflect' cannot be exported to onnx-stream"),
        ({"deltas": 1}, "deltas=1 cannot be exported to onnx-stream"),
        ({"log": "pcen"}, "log='pcen' cannot be exported to onnx-stream"),
    ],
)
def test_features_that_do_not_go_are_named(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        sample_step(FeatureConfig(**change), 8, lead=0, stride=1)


def test_a_network_that_does_not_stream_is_refused(tmp_path: Path) -> None:
    write_run(tmp_path / "run", "bcresnet-1", FeatureConfig(n_samples=6000), tau=0.5)
    with pytest.raises(ConfigError, match="causal"):
        export(tmp_path / "run", "onnx-stream", tmp_path / "run.onnx")
