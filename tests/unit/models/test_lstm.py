"""The chunked LSTM: against a plain loop, Keras, and JAX's own gradient; what a mask means."""

from __future__ import annotations

import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from kwsfeat import ConfigError
from kwstrain import models, operations
from kwstrain.models.layers.lstm import lstm
from kwstrain.models.layers.operations import PLAIN, Operations, Weights

os.environ.setdefault("KERAS_BACKEND", "jax")

compiled = jax.jit(lstm, static_argnames=("return_sequences", "operations"))
run = nnx.jit(lambda model, x, mask=None: model(x, mask))


def draw(n_frames: int, n_in: int = 2, units: int = 5, batch: int = 3) -> tuple[Weights, np.ndarray, np.ndarray]:
    """Weights, a batch, and a mask of a real part, a gap and padding."""
    rng = np.random.default_rng((n_frames, n_in, units))
    weights = Weights(*(0.5 * rng.standard_normal(s).astype(np.float32) for s in ((n_in, 4 * units), (units, 4 * units), (4 * units,))))
    lengths = rng.integers(1, n_frames + 1, batch)
    mask = np.arange(n_frames) < lengths[:, None]
    mask[:, 1:2] = False
    return weights, rng.standard_normal((batch, n_frames, n_in)).astype(np.float32), mask


def naive(weights: Weights, x: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The textbook loop, in float64."""
    kernel, recurrent, bias = (np.asarray(w, np.float64) for w in weights)
    h = c = np.zeros((len(x), len(recurrent)))
    outputs = []
    for t in range(x.shape[1]):
        i, f, g, o = np.split(x[:, t] @ kernel + h @ recurrent + bias, 4, axis=1)
        i, f, o = (1 / (1 + np.exp(-z)) for z in (i, f, o))
        c_next = f * c + i * np.tanh(g)
        real = mask[:, t, None]
        h, c = np.where(real, o * np.tanh(c_next), h), np.where(real, c_next, c)
        outputs.append(h)
    return np.stack(outputs, axis=1)


@pytest.mark.parametrize("n_frames", [1, 35, 128, 129, 257, 300])
def test_forward_equals_a_plain_loop(n_frames: int) -> None:
    weights, x, mask = draw(n_frames)
    expected = naive(weights, x, mask)
    np.testing.assert_allclose(compiled(weights, x, mask, return_sequences=True)[0], expected, atol=2e-6)
    np.testing.assert_allclose(compiled(weights, x, mask, return_sequences=False)[0], expected[:, -1], atol=2e-6)


def test_forward_equals_keras() -> None:
    keras = pytest.importorskip("keras")
    weights, x, mask = draw(40, n_in=4, units=6)
    layer = keras.layers.LSTM(6, return_sequences=True)
    layer.build(x.shape)
    layer.set_weights(list(weights))
    np.testing.assert_allclose(
        compiled(weights, x, mask, return_sequences=True)[0], np.asarray(layer(x, mask=jnp.asarray(mask))), atol=2e-6
    )


def traced(weights: Weights, x: jax.Array, mask: jax.Array) -> jax.Array:
    """The same layer as one scan, for JAX to differentiate."""

    def step(state: tuple[jax.Array, jax.Array], inputs: tuple[jax.Array, jax.Array]) -> tuple[tuple[jax.Array, jax.Array], jax.Array]:
        (h, c), (x_t, real) = state, inputs
        i, f, g, o = jnp.split(x_t @ weights.kernel + h @ weights.recurrent + weights.bias, 4, axis=1)
        c_next = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jnp.where(real[:, None], jax.nn.sigmoid(o) * jnp.tanh(c_next), h)
        return (h, jnp.where(real[:, None], c_next, c)), h

    zero = jnp.zeros((len(x), len(weights.recurrent)))
    return jax.lax.scan(step, (zero, zero), (x.swapaxes(0, 1), mask.T))[1].swapaxes(0, 1)


@pytest.mark.parametrize("return_sequences", [True, False])
@pytest.mark.parametrize("n_frames", [35, 300])
@pytest.mark.parametrize("chosen", [operations.for_training("cpu"), PLAIN], ids=["training", "plain"])
def test_gradient_equals_jax(chosen: Operations, n_frames: int, return_sequences: bool) -> None:
    weights, x, mask = draw(n_frames)
    target = np.random.default_rng(0).standard_normal((3, n_frames, 5)).astype(np.float32)

    def ours(weights: Weights, x: jax.Array) -> jax.Array:
        outputs, _ = lstm(weights, x, mask, return_sequences=return_sequences, operations=chosen)
        return ((outputs - (target if return_sequences else target[:, -1])) ** 2).sum()

    def reference(weights: Weights, x: jax.Array) -> jax.Array:
        outputs = traced(weights, x, mask)
        return ((outputs - target if return_sequences else outputs[:, -1] - target[:, -1]) ** 2).sum()

    got, expected = (jax.jit(jax.grad(f, argnums=(0, 1)))(Weights(*map(jnp.asarray, weights)), x) for f in (ours, reference))
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5 * float(jnp.abs(b).max()), rtol=1e-4)


@pytest.mark.parametrize(("name", "input_shape"), [("lstm-raw", (300, 1)), ("lstm", (35, 64))])
def test_what_padding_holds_does_not_matter(name: str, input_shape: tuple[int, int]) -> None:
    model = models.create(name, input_shape=input_shape, n_classes=4)
    model.eval()
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, *input_shape)).astype(np.float32)
    mask = np.arange(input_shape[0]) < np.array([[20], [33]])
    other = np.where(mask[..., None], x, 9.0).astype(np.float32)
    np.testing.assert_array_equal(run(model, x, mask), run(model, other, mask))
    assert np.abs(np.asarray(run(model, x, mask)) - np.asarray(run(model, x))).max() > 1e-4


def test_raw_state_is_that_of_the_last_real_sample() -> None:
    model = models.create("lstm-raw", input_shape=(300, 1), n_classes=4)
    model.eval()
    x = np.random.default_rng(0).standard_normal((1, 300, 1)).astype(np.float32)
    mask = np.arange(300)[None] < 150
    np.testing.assert_allclose(run(model, x, mask), run(model, x[:, :150]), atol=1e-6)


def test_poolings() -> None:
    x = np.random.default_rng(0).standard_normal((2, 35, 64)).astype(np.float32)
    mask = np.arange(35) < np.array([[10], [35]])
    for pooling, n_pooled in (("time", 128), ("units", 35)):
        model = models.create("lstm", input_shape=(35, 64), n_classes=4, pooling=pooling)
        model.eval()
        assert model.dense.kernel.shape[0] == n_pooled
        outputs = np.asarray(nnx.jit(lambda model, x, mask: model.lstm(x, mask, return_sequences=True)[0])(model, x, mask))
        if pooling == "time":
            pooled = np.stack([outputs[0, :10].mean(axis=0), outputs[1].mean(axis=0)])
        else:
            pooled = np.where(mask, outputs.mean(axis=2), 0)
        np.testing.assert_allclose(run(model, x, mask), model.out(jax.nn.relu(model.dense(jnp.asarray(pooled)))), atol=1e-5)


def test_memory_of_a_long_gradient_is_that_of_a_chunk() -> None:
    weights, x, _ = draw(17640, n_in=1, units=32, batch=8)
    gradient = jax.jit(jax.grad(lambda w: lstm(w, x, None, return_sequences=False, operations=operations.for_training("cpu"))[0].sum()))
    used = gradient.lower(Weights(*map(jnp.asarray, weights))).compile().memory_analysis().temp_size_in_bytes
    one_array_of_all_steps = 17640 * 8 * 32 * 4
    assert used < one_array_of_all_steps


def test_units_remember_for_as_long_as_chrono_steps_says() -> None:
    """With no input a unit keeps the share f of its state each step: half of it is left after log(2) / (1 - f) steps or so."""
    model = models.create("lstm-raw", input_shape=(50, 1), n_classes=2, units=400, chrono_steps=2000)
    start, forget, *rest = np.split(np.asarray(model.lstm.bias[...]), 4)
    np.testing.assert_array_equal(start, -forget)
    assert not np.any(rest)
    steps = 1 / (1 - 1 / (1 + np.exp(-forget.astype(np.float64))))  # a state's time constant
    assert 2 <= steps.min() < 50
    assert 1900 < steps.max() <= 2000
    assert abs(np.mean(steps) - 1000) < 100
    with pytest.raises(ConfigError, match="chrono_steps=2 must be >= 3"):
        models.create("lstm-raw", input_shape=(50, 1), n_classes=2, chrono_steps=2)


def test_a_cut_does_not_show_when_the_state_is_carried() -> None:
    """What a stream does: the layer goes on from the state that it returned, wherever the cut is."""
    weights, x, mask = draw(200)
    whole, state = compiled(weights, x, mask, return_sequences=True)
    for cut in (1, 77, 128, 199):
        first, carried = compiled(weights, x[:, :cut], mask[:, :cut], return_sequences=True)
        second, after = compiled(weights, x[:, cut:], mask[:, cut:], carried, return_sequences=True)
        np.testing.assert_allclose(np.concatenate([first, second], axis=1), whole, atol=1e-6)
        np.testing.assert_allclose(np.stack(after), np.stack(state), atol=1e-6)
    last, _ = compiled(weights, x, mask, return_sequences=False)
    np.testing.assert_array_equal(last, state[0])
