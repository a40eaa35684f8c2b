"""Convolutions of images of frames by sums and products: their values and gradients are XLA's."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from kwstrain.models.layers import operations as plain
from kwstrain.operations.frame_conv import frame_conv


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


@settings(max_examples=12, deadline=None)
@given(convolutions(), st.integers(0, 2**32 - 1))
def test_values_and_gradients_are_those_of_the_plain_form(convolution: Any, seed: int) -> None:
    image, size, options = convolution
    rng = np.random.default_rng(seed)
    x, kernel = (jnp.asarray(rng.standard_normal(shape), jnp.float32) for shape in (image, size))
    wanted, wanted_pullback = jax.vjp(lambda *a: plain.frame_conv(*a, **options), x, kernel)
    got, pullback = jax.vjp(lambda *a: frame_conv(*a, **options), x, kernel)
    assert got.dtype == wanted.dtype
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5)
    dy = jnp.asarray(rng.standard_normal(wanted.shape), jnp.float32)
    for one, other in zip(pullback(dy), wanted_pullback(dy), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


def test_bfloat16_stays_bfloat16() -> None:
    x, kernel = jnp.ones((1, 5, 4, 3), jnp.bfloat16), jnp.ones((3, 1, 1, 3), jnp.bfloat16)
    options: dict[str, Any] = {"stride": (1, 1), "dilation": (1, 1), "pads": ((1, 1), (0, 0)), "groups": 3}
    got = frame_conv(x, kernel, **options)
    assert got.dtype == jnp.bfloat16
    np.testing.assert_array_equal(got, plain.frame_conv(x, kernel, **options))
