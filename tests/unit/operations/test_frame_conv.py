"""Convolutions of images of frames by sums and products: their values and gradients are XLA's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from kwstrain.models.layers import operations as plain
from kwstrain.operations.frame_conv import frame_conv, frame_conv_by_kernels


@st.composite
def convolutions(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]:
    """Shapes of an image and of a kernel that fits, and the options: depthwise, grouped, pointwise and dense."""
    n_in = draw(st.sampled_from([1, 2, 4, 6]))
    groups = draw(st.sampled_from([g for g in (1, 2, n_in) if n_in % g == 0]))
    n_out = groups * draw(st.integers(1, 3))
    size, stride, dilation = (tuple(draw(st.integers(1, most)) for _ in range(2)) for most in (4, 3, 2))
    pads = tuple((draw(st.integers(0, 3)), draw(st.integers(0, 3))) for _ in range(2))
    needed = [d * (k - 1) + 1 - sum(p) for k, d, p in zip(size, dilation, pads, strict=True)]
    image = (draw(st.integers(1, 3)), *(draw(st.integers(max(1, n), max(1, n) + 6)) for n in needed), n_in)
    return image, (*size, n_in // groups, n_out), {"stride": stride, "dilation": dilation, "pads": pads, "groups": groups}


@st.composite
def depthwise(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]:
    """The same of so many channels that a kernel computes them, in octets that may overlap."""
    image, size, options = draw(convolutions())
    n = draw(st.integers(16, 40))
    return (*image[:3], n), (*size[:2], 1, n), {**options, "groups": n}


@settings(max_examples=12, deadline=None)
@given(convolutions(), st.integers(0, 2**32 - 1))
def test_values_and_gradients_are_those_of_the_plain_form(convolution: Any, seed: int) -> None:
    compare(frame_conv, *convolution, seed)


@settings(max_examples=12, deadline=None)
@given(depthwise(), st.integers(0, 2**32 - 1))
def test_a_kernel_gives_the_values_and_gradients_of_the_plain_form(convolution: Any, seed: int) -> None:
    compare(frame_conv_by_kernels, *convolution, seed)


def compare(frame_conv: Callable[..., jax.Array], image: tuple[int, ...], size: tuple[int, ...], options: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, kernel = (rng.standard_normal(shape, np.float32) for shape in (image, size))
    shape = jax.eval_shape(lambda *a: plain.frame_conv(*a, **options), x, kernel).shape
    dy = rng.standard_normal(shape, np.float32)

    @jax.jit
    def both(x: jax.Array, kernel: jax.Array, dy: jax.Array) -> Any:
        found = []
        for function in (frame_conv, plain.frame_conv):
            y, pullback = jax.vjp(lambda *a, function=function: function(*a, **options), x, kernel)
            found.append((y, *pullback(dy)))
        return found

    for got, wanted in zip(*both(x, kernel, dy), strict=True):
        assert got.dtype == wanted.dtype
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-4)


def test_bfloat16_stays_bfloat16() -> None:
    x, kernel = jnp.ones((1, 5, 4, 3), jnp.bfloat16), jnp.ones((3, 1, 1, 3), jnp.bfloat16)
    options: dict[str, Any] = {"stride": (1, 1), "dilation": (1, 1), "pads": ((1, 1), (0, 0)), "groups": 3}
    got = frame_conv(x, kernel, **options)
    assert got.dtype == jnp.bfloat16
    np.testing.assert_array_equal(got, plain.frame_conv(x, kernel, **options))
