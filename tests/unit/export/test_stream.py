"""The graph of a stream against ``Recognizer``: the same rows, whatever stands before the first of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from feature_scale import close
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from random_runs import write_run
from strategies import configs, noise_clip

from kwsfeat import ConfigError, FeatureConfig, StreamFrontEnd, preset
from kwstrain import Recognizer
from kwstrain.export.export import export
from kwstrain.export.stream.front_end import front_end_step

runtime = pytest.importorskip("onnxruntime", reason="the extra export is not installed")
pytest.importorskip("onnx", reason="the extra export is not installed")

# What listens: a network, its features and its options.
NETWORKS: dict[str, tuple[FeatureConfig, dict[str, Any]]] = {
    "mixednet": (FeatureConfig(n_samples=32000, framing="none", win_length=480, preemph=0.9), {"filters": 8}),
    "bcresnet-1": (FeatureConfig(n_samples=6000, n_mels=20), {"causal": True, "tau": 0.5}),
    "ds-cnn-s": (FeatureConfig(n_samples=8000, output="mfcc", n_mfcc=10, hop_length=320, log="db"), {"causal": True, "filters": 8}),
    "mixednet on PCEN": (FeatureConfig(n_samples=32000, log="pcen", framing="reflect", n_mels=20), {"filters": 8}),
    "ds-cnn-s on deltas": (FeatureConfig(n_samples=8000, deltas=2, n_mels=12, hop_length=320), {"causal": True, "filters": 8}),
    "bcresnet-1 on slopes": (
        FeatureConfig(n_samples=6000, n_mels=10, deltas=1, delta_kind="htk", lowpass_hz=3000.0, framing="symmetric", log="pcen"),
        {"causal": True, "tau": 0.5},
    ),
    "speech-embedding": (
        replace(preset("speech-embedding"), n_samples=16000, post_divide=0.2),
        {"width": 6, "window": 2, "templates": 2, "evened": 0.5},
    ),
}


def rows(path: Path, y: np.ndarray) -> np.ndarray:
    """What a stream's graph gives for whole steps of `y`, without the rows of the warm-up."""
    session = runtime.InferenceSession(str(path))
    properties = session.get_modelmeta().custom_metadata_map
    (n,) = session.get_inputs()[0].shape
    types = {"tensor(float)": np.float32, "tensor(int32)": np.int32}
    states = {one.name: np.zeros(one.shape, types[one.type]) for one in session.get_inputs()[1:]}
    found = []
    for start in range(0, len(y) - n + 1, n):
        probabilities, *after = session.run(None, {"waveform": y[start : start + n], **states})
        states = dict(zip(states, after, strict=True))
        found.append(probabilities)
    return np.concatenate(found)[int(properties["warm_up_rows"]) :]


@pytest.mark.parametrize("name", NETWORKS)
def test_a_stream_gives_what_the_recogniser_gives(name: str, tmp_path: Path) -> None:
    config, options = NETWORKS[name]
    write_run(tmp_path / "run", name.split()[0], config, **options)
    said = export(tmp_path / "run", "onnx-stream", tmp_path / "run.onnx")
    rng = np.random.default_rng(3)
    y = (0.1 * rng.standard_normal(5 * 16000) * np.abs(np.sin(np.arange(5 * 16000) / 5000))).astype(np.float32)
    y[20000:30000] = 0
    recognizer = Recognizer(tmp_path / "run", mode="stream")
    wanted = recognizer.feed(y)
    found = rows(tmp_path / "run.onnx", y)
    n = min(len(found), len(wanted))
    assert n > 3 * 16000 / said["samples_a_step"]
    np.testing.assert_allclose(found[:n], wanted[:n], atol=1e-4)
    assert np.ptp(found[:n], axis=0).max() > 1e-3


STREAMS = {"peak_normalize": False, "log_ref": 1.0, "top_db": None, "normalize": "none"}
# What one step hands to the next, each in the two ways that it begins. Below a low-pass, a logarithm shows what float32 rounds.
PCEN = FeatureConfig(log="pcen", deltas=2, delta_kind="htk", framing="reflect")
LOW_PASS = FeatureConfig(log="pcen", deltas=2, delta_kind="librosa", framing="symmetric", lowpass_hz=3000.0, lowpass_order=6)
LONG = FeatureConfig(n_fft=1024, hop_length=40, framing="reflect", preemph=0.9)


@settings(max_examples=8)
@given(config=configs(**STREAMS), lead=st.integers(0, 2), stride=st.integers(1, 3))
@example(config=PCEN, lead=1, stride=2)
@example(config=LOW_PASS, lead=0, stride=3)
@example(config=LONG, lead=1, stride=2)
def test_steps_give_the_frames_of_the_front_end(config: FeatureConfig, lead: int, stride: int) -> None:
    """By JAX itself: what the graph is made of. Frames of a recording that has not ended."""
    assume(lead < stride)
    front_end = front_end_step(config, lead=lead, stride=stride)
    assert (front_end.first + lead) % stride == front_end.n_frames % stride == 0
    y = noise_clip(max(9000, 3 * front_end.n_samples + 2 * config.frame_length), 3)
    wanted = StreamFrontEnd(config).push(y)
    state = {name: jnp.zeros(shape, jnp.float32) for name, shape in front_end.state_shapes().items()}
    frames = []
    for start in range(0, len(y) - front_end.n_samples + 1, front_end.n_samples):
        samples = jnp.asarray(y[start : start + front_end.n_samples])
        x, state = front_end(samples, state, jnp.array([len(frames) * front_end.n_frames], jnp.int32))
        frames.append(np.asarray(x))
    found = np.concatenate(frames)[-front_end.first :]
    n = min(len(found), len(wanted))
    assert n > 0.5 * len(wanted)
    close(found[:n], wanted[:n], config)


@pytest.mark.slow
def test_ten_minutes_do_not_drift(tmp_path: Path) -> None:
    """Loud and soft, with pauses of digital silence."""
    config, options = NETWORKS["mixednet"]
    write_run(tmp_path / "run", "mixednet", config, **options)
    export(tmp_path / "run", "onnx-stream", tmp_path / "run.onnx")
    t = np.arange(600 * 16000, dtype=np.float32) / 16000
    y = np.random.default_rng(4).standard_normal(len(t), np.float32) * 10 ** (np.sin(t / 7) - 2) * (np.sin(t / 3) > -0.9)
    wanted, found = Recognizer(tmp_path / "run", mode="stream").feed(y), rows(tmp_path / "run.onnx", y)
    n = min(len(found), len(wanted))
    assert n > 19_900
    np.testing.assert_allclose(found[:n], wanted[:n], atol=1e-4)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"top_db": 80.0}, "top_db=80.0 cannot stream"),
        ({"output": "waveform"}, "output='waveform' cannot be exported to onnx-stream: no network streams on samples"),
        ({"dither": 0.1}, "dither=0.1 cannot be exported"),
    ],
)
def test_features_that_do_not_go_are_named(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        front_end_step(FeatureConfig(**change), lead=0, stride=1)


def test_a_network_that_does_not_stream_is_refused(tmp_path: Path) -> None:
    write_run(tmp_path / "run", "bcresnet-1", FeatureConfig(n_samples=6000), tau=0.5)
    with pytest.raises(ConfigError, match="causal"):
        export(tmp_path / "run", "onnx-stream", tmp_path / "run.onnx")
