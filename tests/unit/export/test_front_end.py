"""The front end in a graph against the kernels', over every choice of a FeatureConfig."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import jax
import naive
import numpy as np
import pytest
from feature_scale import close
from hypothesis import given, settings
from strategies import configs, noise_clip

from kwsfeat import PRESETS, ConfigError, FeatureConfig, FrontEnd
from kwstrain.data.clips import frame_range
from kwstrain.export.front_end import front_end, real_frames
from kwstrain.export.graph.value import BATCH
from kwstrain.export.graph.write import Input, write


def waveforms(config: FeatureConfig, n: int = 2) -> np.ndarray:
    return np.stack([noise_clip(config.n_samples, seed) for seed in range(n)])


def graph(config: FeatureConfig) -> object:
    length = Input("length", (BATCH,), np.int32, np.array([config.n_samples], np.int32))
    pytest.importorskip("onnx", reason="the extra export is not installed")
    return write(front_end(config), [Input("waveform", (BATCH, config.n_samples)), length], ["features"], {})


@settings(max_examples=12)
@given(config=configs())
def test_any_config_gives_the_kernels_features(config: FeatureConfig) -> None:
    """By JAX itself: what the graph is made of."""
    y = waveforms(config)
    x = np.asarray(front_end(config)(jax.numpy.asarray(y), np.full(2, config.n_samples, np.int32)))
    wanted = FrontEnd(config).extract_batch(y)
    assert x.shape == wanted.shape
    close(x, wanted, config)


@pytest.mark.parametrize("name", [name for name in PRESETS if name != "micro-frontend"])
def test_presets_as_graphs(name: str, run_graph: Callable[..., list[np.ndarray]]) -> None:
    config = PRESETS[name][0]
    y = waveforms(config)
    (x,) = run_graph(graph(config), waveform=y)
    close(x, FrontEnd(config).extract_batch(y), config)


def test_a_mel_matrix_is_stored_without_its_zeros() -> None:
    """250 by 40 values, of which 480 count; the sines and cosines are two tables."""
    written = graph(PRESETS["logmel"][0])
    assert [node.op_type for node in written.graph.node[:3]] == ["ConstantOfShape", "ScatterElements", "Reshape"]
    assert written.ByteSize() < 25_000


def test_log_mel_is_as_exact_as_float32_allows(run_graph: Callable[..., list[np.ndarray]]) -> None:
    """Against float64: within 1e-4 wherever a band holds a 22,000th of the frame's loudest or more (43 dB)."""
    config = PRESETS["logmel"][0]
    y = waveforms(config, 3)
    (x,) = run_graph(graph(config), waveform=y)
    true = np.stack([naive.features(one, config) for one in y])
    heard = true > true.max(axis=2, keepdims=True) - 10
    assert np.abs(x - true)[heard].max() < 1e-4


def test_silence_and_full_scale(run_graph: Callable[..., list[np.ndarray]]) -> None:
    config = PRESETS["mlperf-tiny"][0]  # divides by the largest sample: there is none
    y = np.stack([np.zeros(config.n_samples), np.ones(config.n_samples)]).astype(np.float32)
    (x,) = run_graph(graph(config), waveform=y)
    np.testing.assert_allclose(x[0], FrontEnd(config).extract_batch(y)[0], atol=1e-3)
    assert np.isfinite(x).all()


@pytest.mark.parametrize("pad", ["end", "front", "center"])
def test_what_padding_added_is_silent_after_the_low_pass(pad: str, run_graph: Callable[..., list[np.ndarray]]) -> None:
    config = replace(PRESETS["mel75"][0], pad=pad, normalize="none")
    length = np.array([9000, 16000], np.int32)
    y = waveforms(config)
    (x,) = run_graph(graph(config), waveform=y, length=length)
    close(x, FrontEnd(config).extract_batch(y, lengths=length), config)


@pytest.mark.parametrize("pad", ["end", "front", "center"])
def test_real_frames_are_those_of_training(pad: str) -> None:
    config = FeatureConfig(pad=pad, hop_length=320)
    length = np.array([1, 159, 320, 8001, 15999, 16000], np.int32)
    first, last = frame_range(config, length)
    frame = np.arange(config.n_frames)
    wanted = (frame >= first[:, None]) & (frame < last[:, None])
    assert np.array_equal(np.asarray(real_frames(config, jax.numpy.asarray(length))), wanted)


@pytest.mark.parametrize(
    ("config", "field"),
    [
        (PRESETS["micro-frontend"][0], "output='micro'"),
        (FeatureConfig(dither=1e-3), "dither=0.001"),
        (FeatureConfig(log="pcen", n_samples=1_000_000, hop_length=160), "log='pcen'"),
        (FeatureConfig(deltas=1, n_samples=1_000_000), "deltas=1"),
        (FeatureConfig(lowpass_hz=0.5, lowpass_order=2), "lowpass_hz=0.5"),
    ],
)
def test_what_no_graph_computes_is_refused_with_the_field(config: FeatureConfig, field: str) -> None:
    with pytest.raises(ConfigError, match=f"^{field} cannot .*[:;]"):
        front_end(config)
