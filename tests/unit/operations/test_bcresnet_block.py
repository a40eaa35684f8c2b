"""A block of BC-ResNet by kernels: its values against NumPy in float64, its gradients against differences of those."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kwstrain.operations.batch_norm import Affine
from kwstrain.operations.broadcast import BlockWeights, StemSteps, Steps, block, first, over_all_bands


def normalised(x: np.ndarray, affine: Affine) -> np.ndarray:
    """BatchNorm of each of equal groups of bands: x (clips, frames, bands, n), scale and bias (parts, n)."""
    scale, bias = (np.asarray(a, np.float64) for a in affine)
    y = x.reshape(*x.shape[:2], len(scale), -1, x.shape[3])
    mean, var = y.mean((0, 1, 3), keepdims=True), y.var((0, 1, 3), keepdims=True)
    return ((y - mean) / np.sqrt(var + 1e-5) * scale[:, None] + bias[:, None]).reshape(x.shape)


def naive_block(steps: Steps, x: np.ndarray, weights: BlockWeights, keep: np.ndarray) -> np.ndarray:
    entered = x if weights.enter is None else np.maximum(0, normalised(x @ weights.enter, weights.enter_norm))
    padded = np.pad(entered, ((0, 0), (0, 0), (1, 1), (0, 0)))
    bands_in = entered.shape[2]
    bands = sum(weights.over_bands[k] * padded[:, :, k : k + bands_in][:, :, :: steps.stride] for k in range(3))
    bands = normalised(bands, weights.band_norm)
    reach, n_frames = 2 * steps.dilation, x.shape[1]
    means = np.pad(bands.mean(2, keepdims=True), ((0, 0), (steps.left, reach - steps.left), (0, 0), (0, 0)))
    frames = sum(weights.over_time[k] * means[:, k * steps.dilation : k * steps.dilation + n_frames] for k in range(3))
    frames = normalised(frames, weights.time_norm)
    y = (frames / (1 + np.exp(-frames))) @ weights.mix * keep[:, None, None] + bands
    return np.maximum(0, y if weights.enter is not None else y + x)


def naive_first(steps: StemSteps, x: np.ndarray, weight: np.ndarray, affine: Affine) -> np.ndarray:
    rows, columns, n = weight.shape
    frames, bands = steps.n_out
    y = np.zeros((len(x), frames, bands, n))
    padded = np.pad(x, ((0, 0), (steps.left, rows), (steps.before, columns)))
    for i in range(rows):
        for j in range(columns):
            of_tap = padded[:, i :: steps.stride_t, j :: steps.stride_f][:, :frames, :bands]
            y += of_tap[..., None] * weight[i, j]
    return np.maximum(0, normalised(y, affine))


def naive_last(left: int, x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    rows = len(weight)
    padded = np.pad(x, ((0, 0), (left, rows - 1 - left), (0, 0), (0, 0)))
    return sum((padded[:, k : k + x.shape[1]] * weight[k]).sum(2) for k in range(rows))


def check(fast: Any, naive: Any, arguments: list[Any], rng: np.random.Generator) -> None:
    """Values and, along a random direction of each array, the derivative of a random sum of them."""
    y, back = jax.vjp(lambda *a: fast(*a), *arguments)
    exact = [jax.tree.map(lambda a: np.asarray(a, np.float64), a) for a in arguments]
    want = naive(*exact)
    np.testing.assert_allclose(y, want, rtol=1e-4, atol=2e-5 * np.abs(want).max())
    dy = rng.standard_normal(y.shape).astype(np.float32)
    gradients, tree = jax.tree.flatten(back(jnp.asarray(dy)))
    leaves, step = tree.flatten_up_to(tuple(exact)), 1e-6
    for i, gradient in enumerate(gradients):
        direction = rng.standard_normal(leaves[i].shape)
        moved = [[leaf + sign * step * direction if i == j else leaf for j, leaf in enumerate(leaves)] for sign in (1, -1)]
        ahead, behind = (naive(*tree.unflatten(m)) for m in moved)
        found = float((np.asarray(gradient, np.float64) * direction).sum())
        scale = float(np.linalg.norm(gradient)) + 1e-3 * float(np.linalg.norm(dy))
        assert found == pytest.approx(float((dy * (ahead - behind)).sum()) / (2 * step), abs=2e-3 * scale), i


def drawn(rng: np.random.Generator, *shape: int) -> jax.Array:
    return jnp.asarray(rng.standard_normal(shape), jnp.float32)


def affine(rng: np.random.Generator, parts: int, n: int) -> Affine:
    return Affine(1 + 0.3 * drawn(rng, parts, n), 0.3 * drawn(rng, parts, n))


@settings(max_examples=5)
@given(
    seed=st.integers(0, 2**32 - 1), clips=st.integers(1, 3), frames=st.integers(8, 24), parts=st.integers(1, 5), wide=st.integers(1, 3),
    n=st.integers(8, 20), n_in=st.integers(8, 12) | st.none(), stride=st.integers(1, 2), dilation=st.sampled_from([1, 4, 8]),
    causal=st.booleans(),
)  # fmt: skip
def test_block(
    seed: int, clips: int, frames: int, parts: int, wide: int, n: int, n_in: int | None, stride: int, dilation: int, causal: bool
) -> None:
    rng = np.random.default_rng(seed)
    stride = stride if n_in else 1
    steps = Steps(stride, dilation, 2 * dilation if causal else dilation)
    weights = BlockWeights(
        enter=drawn(rng, n_in, n) if n_in else None,
        enter_norm=affine(rng, 1, n) if n_in else None,
        over_bands=drawn(rng, 3, n),
        band_norm=affine(rng, parts, n),
        over_time=drawn(rng, 3, n),
        time_norm=affine(rng, 1, n),
        mix=0.3 * drawn(rng, n, n),
    )
    x = drawn(rng, clips, frames, parts * wide * stride, n_in or n)
    keep = jnp.asarray(rng.integers(0, 2, (clips, n)) / 0.9, jnp.float32)
    check(lambda x, w: block(steps, x, w, keep)[0], lambda x, w: naive_block(steps, x, w, np.asarray(keep)), [x, weights], rng)


@settings(max_examples=4)
@given(
    seed=st.integers(0, 2**32 - 1), frames=st.integers(16, 24), features=st.integers(5, 12), n=st.integers(8, 20),
    left=st.sampled_from([2, 4]), stride_t=st.integers(1, 2), stride_f=st.integers(1, 2),
)  # fmt: skip
def test_first_convolution(seed: int, frames: int, features: int, n: int, left: int, stride_t: int, stride_f: int) -> None:
    rng = np.random.default_rng(seed)
    steps = StemSteps(((frames - 1) // stride_t + 1, (features - 1) // stride_f + 1), left, 2, stride_t, stride_f)
    x = drawn(rng, 2, frames, features)
    arguments = [drawn(rng, 5, 5, n), affine(rng, 1, n)]
    check(lambda w, a: first(steps, x, w, a)[0], lambda w, a: naive_first(steps, np.asarray(x, np.float64), w, a), arguments, rng)


@settings(max_examples=4)
@given(
    seed=st.integers(0, 2**32 - 1), frames=st.integers(1, 12), bands=st.integers(1, 5), n=st.integers(8, 20), left=st.sampled_from([2, 4])
)  # fmt: skip
def test_last_convolution(seed: int, frames: int, bands: int, n: int, left: int) -> None:
    rng = np.random.default_rng(seed)
    arguments = [drawn(rng, 2, frames, bands, n), drawn(rng, 5, bands, n)]
    check(lambda x, w: over_all_bands(left, x, w), lambda x, w: naive_last(left, x, w), arguments, rng)


def test_statistics_of_a_block() -> None:
    rng = np.random.default_rng(0)
    weights = BlockWeights(None, None, drawn(rng, 3, 8), affine(rng, 1, 8), drawn(rng, 3, 8), affine(rng, 1, 8), drawn(rng, 8, 8))
    x = np.asarray(drawn(rng, 3, 9, 4, 8))
    _, (of_bands, _) = block(Steps(1, 1, 1), jnp.asarray(x), weights, jnp.ones((3, 8)))
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (0, 0)))
    bands = sum(np.asarray(weights.over_bands)[k] * padded[:, :, k : k + 4] for k in range(3))
    np.testing.assert_allclose(of_bands[:, 0], [bands.mean((0, 1, 2)), bands.var((0, 1, 2))], rtol=1e-5, atol=1e-6)
