"""A streaming network as a JAX step: the program of :mod:`kwstrain.streaming`, with one array per layer that has a state."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import numpy as np

from kwstrain.models.layers.frames import evened
from kwstrain.streaming.program import BandMean, Convolution, Evened, MaxPool, Program, Sum

State = Mapping[str, jax.Array]
_ACTIVATIONS: dict[str, Callable[[jax.Array], jax.Array]] = {
    "none": lambda y: y,
    "relu": jax.nn.relu,
    "silu": jax.nn.silu,
    "leaky": lambda y: jnp.maximum(jnp.maximum(y, 0.2 * y), -0.4),
}


def state_shapes(program: Program, n_frames: int) -> dict[str, tuple[int, ...]]:
    """Name -> shape of every state, float32, if a step takes `n_frames` frames. A stream begins with zeros."""
    shapes = program.shapes(n_frames)
    held = {
        f"layer_{i}": (layer.past, *shapes[layer.source][1:])
        for i, layer in enumerate(program.layers)
        if isinstance(layer, Convolution) and layer.past
    }
    return {**held, "mean": (program.n_mean - 1, shapes[-1][2])}


def step(program: Program, x: jax.Array, state: State, place: jax.Array) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Logits (n_frames // stride, n_classes) of features (n_frames, n_features), and the state after them.

    `place`, an integer of shape (1,), is the number of the first of these frames, `lead` included. Everything before the recording
    is zero in every layer, as in training.
    """
    values, rates = [_first(program, x)], [1]
    after: dict[str, jax.Array] = {}
    for i, layer in enumerate(program.layers):
        given, rate = values[layer.source], rates[layer.source]
        if isinstance(layer, Convolution):
            if layer.past:
                given = jnp.where(_counts(place, rate, len(given), program.lead // rate)[:, None, None], given, 0)
                given = jnp.concatenate([state[f"layer_{i}"], given])
                after[f"layer_{i}"] = given[len(given) - layer.past :]
            values.append(_convolved(layer, given))
            rate *= layer.stride[0]
        elif isinstance(layer, MaxPool):
            values.append(_largest(layer, given))
            rate *= layer.stride[0]
        elif isinstance(layer, BandMean):
            values.append(given.mean(axis=1, keepdims=True))
        elif isinstance(layer, Evened):
            values.append(evened(given, layer.power, layer.smallest))
        else:
            values.append(_sum(layer, values))
        rates.append(rate)
    frames = jnp.where(_counts(place, program.stride, len(values[-1]), program.first)[:, None], values[-1][:, 0], 0)
    known = jnp.concatenate([state["mean"], frames])
    after["mean"] = known[len(frames) :]
    ones = sum(np.eye(len(frames), len(frames) + program.n_mean - 1, k, dtype=np.float32) for k in range(program.n_mean))
    done = jax.lax.div(place, jnp.asarray(program.stride, place.dtype)) + np.arange(1, len(frames) + 1) - program.first
    mean = (jnp.asarray(ones) @ known) / jnp.clip(done, 1, program.n_mean).astype(jnp.float32)[:, None]
    return mean @ program.kernel + program.bias, after


def _first(program: Program, x: jax.Array) -> jax.Array:
    standardised = (x - program.mean) * (1 / program.std)
    return standardised[:, None] if program.features_are_channels else standardised[..., None]


def _counts(place: jax.Array, rate: int, n: int, first: int) -> jax.Array:
    """Which of the `n` frames at this rate are `first` or later."""
    return jax.lax.div(place, jnp.asarray(rate, place.dtype)) + np.arange(n) >= first


def _convolved(layer: Convolution, x: jax.Array) -> jax.Array:
    y = jax.lax.conv_general_dilated(
        x[None], jnp.asarray(layer.kernel), layer.stride, ((0, 0), layer.pad), rhs_dilation=(layer.dilation, 1),
        dimension_numbers=("NHWC", "HWIO", "NHWC"), feature_group_count=x.shape[2] if layer.depthwise else 1,
    )[0]  # fmt: skip
    if layer.gain is not None:
        y = y * layer.gain
    activated: jax.Array = _ACTIVATIONS[layer.activation](y + layer.bias)
    return activated


def _largest(layer: MaxPool, x: jax.Array) -> jax.Array:
    (n_frames, n_bands), (high, wide) = x.shape[:2], layer.stride
    return x.reshape(n_frames // high, high, n_bands // wide, wide, x.shape[2]).max(axis=(1, 3))


def _sum(layer: Sum, values: list[jax.Array]) -> jax.Array:
    total = values[layer.sources[0]]
    for source in layer.sources[1:]:
        total = total + values[source]
    return jax.nn.relu(total)
