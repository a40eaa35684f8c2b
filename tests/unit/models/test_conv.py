"""The CPU's convolution: the same values and gradients as XLA's own, for every size."""

from __future__ import annotations

from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kwstrain import operations
from kwstrain.models.layers import operations as plain
from kwstrain.operations.conv import conv2d, conv2d_forward


def check(
    batch: int, size: tuple[int, int], n_in: int, n_out: int, kernel_size: tuple[int, int], stride: int, padding: Literal["valid", "same"]
) -> None:
    """Value and both gradients of `conv2d` against ``lax.conv_general_dilated``."""
    rng = np.random.default_rng((batch, *size, n_in, n_out))
    x = jnp.asarray(rng.standard_normal((batch, *size, n_in)), jnp.float32)
    kernel = jnp.asarray(rng.standard_normal((*kernel_size, n_in, n_out)), jnp.float32)

    def reference(x: jax.Array, kernel: jax.Array) -> jax.Array:
        return jax.lax.conv_general_dilated(
            x, kernel, (stride, stride), padding.upper(), dimension_numbers=("NHWC", "HWIO", "NHWC"), precision="highest"
        )

    def ours(x: jax.Array, kernel: jax.Array) -> jax.Array:
        return conv2d(x, kernel, stride=stride, padding=padding)

    dy = jnp.asarray(rng.standard_normal(jax.eval_shape(reference, x, kernel).shape), jnp.float32)

    @jax.jit
    def results(x: jax.Array, kernel: jax.Array, dy: jax.Array) -> list[tuple[jax.Array, ...]]:
        pairs = [jax.vjp(f, x, kernel) for f in (ours, reference)]
        return [(y, *pullback(dy)) for y, pullback in pairs]

    for a, b in zip(*results(x, kernel, dy), strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=0, atol=2e-5 * max(1.0, float(jnp.abs(b).max())))


@pytest.mark.parametrize(
    ("size", "n_in", "n_out", "kernel_size"),
    [((25, 41), 1, 8, 2), ((24, 40), 8, 8, 2), ((12, 19), 8, 16, 3), ((10, 17), 16, 16, 3), ((9, 8), 16, 32, 3)],
)
def test_layers_of_the_light_cnn(size: tuple[int, int], n_in: int, n_out: int, kernel_size: int) -> None:
    check(4, size, n_in, n_out, (kernel_size, kernel_size), 1, "valid")


@pytest.mark.parametrize("padding", ["valid", "same"])
def test_strided_1x1(padding: Literal["valid", "same"]) -> None:
    check(2, (7, 8), 4, 6, (1, 1), 2, padding)


@settings(max_examples=12)
@given(
    batch=st.integers(1, 5),
    size=st.tuples(st.integers(5, 9), st.integers(7, 13)),
    n_in=st.sampled_from([1, 2, 5]),
    n_out=st.sampled_from([1, 3, 8, 40]),
    kernel_size=st.tuples(st.integers(1, 5), st.integers(1, 7)),
    stride=st.sampled_from([1, 1, 2]),
    padding=st.sampled_from(["valid", "same"]),
)
def test_equals_xla(
    batch: int, size: tuple[int, int], n_in: int, n_out: int, kernel_size: tuple[int, int], stride: int, padding: Literal["valid", "same"]
) -> None:
    check(batch, size, n_in, n_out, kernel_size, stride, padding)


def test_bfloat16() -> None:
    rng = np.random.default_rng(0)
    x, kernel = (jnp.asarray(rng.standard_normal(shape), jnp.bfloat16) for shape in ((2, 8, 9, 4), (3, 3, 4, 8)))
    y, pullback = jax.vjp(conv2d, x, kernel)
    gradients = pullback(jnp.ones_like(y))
    assert {y.dtype, *(g.dtype for g in gradients)} == {jnp.dtype("bfloat16")}
    exact = jax.vjp(conv2d, x.astype(jnp.float32), kernel.astype(jnp.float32))[1](jnp.ones(y.shape))
    for got, expected in zip(gradients, exact, strict=True):
        np.testing.assert_allclose(got.astype(jnp.float32), expected, atol=0.02 * float(jnp.abs(expected).max()))


def test_what_is_chosen_for_what() -> None:
    """Training on a CPU takes the gradients of this module; evaluation consists of plain operations everywhere."""
    x, kernel = jnp.ones((1, 5, 5, 2)), jnp.ones((2, 2, 2, 3))

    def program(chosen: plain.Operations) -> str:
        return str(jax.make_jaxpr(lambda x, k: chosen.max_pool(chosen.conv2d(x, k)))(x, kernel))

    assert operations.for_training("cpu").conv2d is conv2d
    assert operations.for_training("gpu").conv2d is plain.conv2d
    assert program(operations.for_training("cpu")).count("custom_vjp_call[") == 2
    for backend in ("cpu", "gpu"):
        assert "custom_vjp" not in program(operations.for_inference(backend))


@pytest.mark.parametrize("n_out", [3, 8, 40])
def test_the_forward_form_equals_the_plain_one(n_out: int) -> None:
    rng = np.random.default_rng(n_out)
    x, kernel = (jnp.asarray(rng.standard_normal(shape), jnp.float32) for shape in ((2, 9, 11, 4), (3, 2, 4, n_out)))
    for padding in ("valid", "same"):
        for stride in (1, 2):
            expected = plain.conv2d(x, kernel, stride=stride, padding=padding)
            np.testing.assert_allclose(conv2d_forward(x, kernel, stride=stride, padding=padding), expected, atol=2e-5)
