"""The networks made for keyword spotting: any input that is large enough, causality, masks."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from kwsfeat import ConfigError
from kwstrain import models
from kwstrain.models.kws.bcresnet import SubSpectralNorm
from kwstrain.models.kws.mixednet import MixedBlock, receptive_field
from kwstrain.models.layers.frames import FrameConv
from kwstrain.models.layers.gru import GRU

# The smallest of each family, made smaller still where it can be.
SMALL: dict[str, dict[str, Any]] = {
    "bcresnet-1": {}, "ds-cnn-s": {"filters": 16, "blocks": 2}, "tc-resnet8": {}, "matchboxnet-3x1x64": {"channels": 8},
    "res8-narrow": {"filters": 8, "layers": 4}, "kwt-1": {"depth": 2}, "mhatt-rnn": {"units": 8}, "mixednet": {"filters": 8},
}  # fmt: skip
FRAMES = receptive_field() + 5
SHAPES = dict.fromkeys(SMALL, (40, 40)) | {"mixednet": (FRAMES, 40)}  # which needs them


def new(name: str, shape: tuple[int, int] = (FRAMES, 40), n_classes: int = 4, **options: Any) -> models.Network:
    return models.create(name, input_shape=shape, n_classes=n_classes, **SMALL[name], **options)


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


run = nnx.jit(lambda model, x, mask=None: model(x, mask))
frames = nnx.jit(lambda model, x: model.frames(x))


def test_matchboxnet_with_35_classes() -> None:
    model = nnx.eval_shape(lambda: models.create("matchboxnet-3x2x64", input_shape=(101, 64), n_classes=35))
    assert sum(leaf.size for leaf in jax.tree.leaves(nnx.state(model, nnx.Param))) == 93_411


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_logits(name: str, dtype: str) -> None:
    model = new(name, SHAPES[name], dtype=dtype)
    model.eval()
    x = noise(3, *SHAPES[name])
    logits = run(model, x)
    assert logits.shape == (3, 4)
    assert logits.dtype == jnp.float32
    assert np.isfinite(logits).all()
    first, second = np.asarray(logits[:2])
    assert np.abs(first - second).max() > 0.01 * np.abs(first).max() > 0, "the input matters"
    np.testing.assert_array_equal(logits, run(model, x))


@pytest.mark.parametrize("name", SMALL)
def test_any_number_of_frames_and_features(name: str) -> None:
    """By shapes alone: nothing is compiled."""

    def logits(n_frames: int) -> jax.Array:
        model = new(name, (FRAMES, 23))
        model.eval()
        return model(jnp.zeros((2, n_frames, 23)))

    for n_frames in (FRAMES, FRAMES + 36):
        assert nnx.eval_shape(lambda n=n_frames: logits(n)).shape == (2, 4)


@pytest.mark.parametrize("name", SMALL)
def test_learns_a_batch(name: str) -> None:
    """Forty steps on eight clips, each loud in the bands of its label, bring the loss below half."""
    model = new(name, SHAPES[name], n_classes=3)
    model.set_attributes(deterministic=True, raise_if_not_found=False)
    optimizer = nnx.Optimizer(model, optax.adam(3e-3 if name.startswith("kwt") else 1e-2), wrt=nnx.Param)
    x, label = noise(8, *SHAPES[name]), np.arange(8) % 3
    for clip, one in zip(x, label, strict=True):
        clip[:, 13 * one : 13 * one + 13] += 2.0

    @nnx.jit
    def step(model: nnx.Module, optimizer: nnx.Optimizer) -> jax.Array:
        def loss(model: nnx.Module) -> jax.Array:
            return optax.softmax_cross_entropy_with_integer_labels(model(x), label).mean()

        value, gradient = nnx.value_and_grad(loss)(model)
        optimizer.update(model, gradient)
        return value

    losses = [float(step(model, optimizer)) for _ in range(40)]
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize(("name", "step"), [("bcresnet-1", 1), ("ds-cnn-s", 2)])
def test_a_causal_network_sees_no_later_frame(name: str, step: int) -> None:
    """An impulse changes no output of a frame before it; without `causal` it does."""
    x, changed = noise(1, 60, 40), noise(1, 60, 40)
    changed[0, 30] += 5.0
    for causal in (True, False):
        model = new(name, (60, 40), causal=causal)
        model.eval()
        moved = np.abs(np.asarray(frames(model, changed)) - np.asarray(frames(model, x))).max(axis=(0, 2)) > 0
        assert moved.any()
        assert moved[: 30 // step].any() == (not causal)


def test_mixednet_on_a_stream_is_mixednet_on_the_whole() -> None:
    """Nothing is padded in time: any window of whole strides gives the same frames."""
    model = new("mixednet")
    model.eval()
    x = noise(1, 60 + receptive_field(), 40)
    whole = np.asarray(frames(model, x))
    window = np.asarray(frames(model, x[:, 30 : 30 + receptive_field() + 9]))
    np.testing.assert_allclose(window, whole[:, 10 : 10 + window.shape[1]], rtol=1e-4, atol=1e-5)
    with pytest.raises(ConfigError, match=f"{receptive_field() - 1} frames are too few: .* needs {receptive_field()}"):
        new("mixednet", (receptive_field() - 1, 40))


@pytest.mark.parametrize("name", ["kwt-1", "mhatt-rnn"])
def test_attention_leaves_out_what_is_not_real(name: str) -> None:
    """Other values in frames that the mask leaves out change nothing (of a network without convolutions over time)."""
    model = new(name)
    model.eval()
    mask = np.arange(FRAMES)[None] < 100
    x = noise(1, FRAMES, 40)
    attended = run(model, x, mask)
    assert np.abs(np.asarray(attended - run(model, x, np.ones_like(mask)))).max() > 1e-6
    if name == "kwt-1":
        other = np.where(mask[..., None], x, noise(1, FRAMES, 40, seed=1))
        np.testing.assert_allclose(run(model, other, mask), attended, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("n_bands", "parts"), [(20, 5), (10, 5), (8, 4), (7, 1), (6, 3)])
def test_sub_spectral_norm_standardises_each_sub_band(n_bands: int, parts: int) -> None:
    layer = SubSpectralNorm(3, n_bands, dtype=jnp.float32, rngs=nnx.Rngs(0))
    layer.train()
    x = 3.0 + 2.0 * noise(4, 50, n_bands, 3) * np.linspace(1, 9, n_bands, dtype=np.float32)[:, None]
    y = np.asarray(layer(x)).reshape(4, 50, parts, -1, 3)
    np.testing.assert_allclose(y.mean(axis=(0, 1, 3)), 0, atol=1e-3)
    np.testing.assert_allclose(y.std(axis=(0, 1, 3)), 1, atol=1e-2)


@pytest.mark.parametrize("time", ["same", "causal", "valid"])
@pytest.mark.parametrize("groups", [1, 2])
def test_frame_conv_is_a_sum_of_products(time: Any, groups: int) -> None:
    """Against the loop that the definition is."""
    layer = FrameConv(4, 6, (3, 2), stride=(2, 1), dilation=(2, 1), groups=groups, time=time, dtype=jnp.float32, rngs=nnx.Rngs(0))
    x, kernel = noise(1, 11, 5, 4).astype(np.float64), np.asarray(layer.kernel[...], np.float64)
    before = {"same": 2, "causal": 4, "valid": 0}[time]
    after = {"same": 2, "causal": 0, "valid": 0}[time]
    padded = np.pad(x[0], ((before, after), (0, 1), (0, 0)))
    n_out = (len(padded) - 5) // 2 + 1
    out = np.zeros((n_out, 5, 6))
    for t in range(n_out):
        for f in range(5):
            for o in range(6):
                part = slice(o // (6 // groups) * (4 // groups), (o // (6 // groups) + 1) * (4 // groups))
                out[t, f, o] = sum(padded[2 * t + 2 * i, f + j, part] @ kernel[i, j, :, o] for i in range(3) for j in range(2))
    np.testing.assert_allclose(layer(x.astype(np.float32))[0], out, rtol=1e-4, atol=1e-5)


def test_gru_is_the_loop_of_its_formula() -> None:
    layer = GRU(3, 5, dtype=jnp.float32, rngs=nnx.Rngs(0))
    layer.bias[...] = jnp.asarray(noise(2, 15))
    kernel, recurrent, bias = (np.asarray(v[...], np.float64) for v in (layer.kernel, layer.recurrent, layer.bias))
    x, h = noise(2, 7, 3), np.zeros((2, 5))
    outputs = []
    for t in range(7):
        a, b = np.split(x[:, t] @ kernel + bias[0], 3, axis=1), np.split(h @ recurrent + bias[1], 3, axis=1)
        z, r = 1 / (1 + np.exp(-(a[0] + b[0]))), 1 / (1 + np.exp(-(a[1] + b[1])))
        h = z * h + (1 - z) * np.tanh(a[2] + r * b[2])
        outputs.append(h)
    np.testing.assert_allclose(layer(x), np.stack(outputs, axis=1), rtol=1e-4, atol=1e-5)


def test_mixed_groups_end_at_the_same_frame() -> None:
    """A kernel that is zero but for its last tap passes the latest frame through, whatever its length."""
    block = MixedBlock(4, 4, (3, 7), dtype=jnp.float32, rngs=nnx.Rngs(0))
    for conv in block.depthwise:
        conv.kernel[...] = jnp.zeros_like(conv.kernel[...]).at[-1].set(1.0)
    block.pointwise.kernel[...] = jnp.eye(4)[None, None]
    block.eval()
    x = np.abs(noise(1, 12, 1, 4))
    np.testing.assert_allclose(block(x), x[:, 6:], rtol=1e-4, atol=1e-4)
