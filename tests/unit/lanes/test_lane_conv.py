"""Convolutions with clips in the lanes against XLA's own, forward and all three gradients."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kwsfeat.kernels._jit import LANES
from kwstrain.models.layers.operations import max_pool
from kwstrain.operations.lanes import ConvSteps, conv, from_lanes, to_lanes

# float32 sums of at most some thousand products of normal numbers: relative to the largest value
TOLERANCE = 2e-6


def plain(steps, x, kernel, bias):
    y = jax.lax.conv_general_dilated(
        x, kernel, steps.stride, steps.pads, rhs_dilation=steps.dilation, dimension_numbers=("NHWC", "HWIO", "NHWC"),
        precision="highest",
    )  # fmt: skip
    y = y + bias
    y = max_pool(y) if steps.pool else y
    return jax.nn.relu(y) if steps.relu else y


def check(steps, batch, size, taps, n_in, n_out):
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.standard_normal((batch, *size, n_in), np.float32))
    kernel = jnp.asarray(rng.standard_normal((*taps, n_in, n_out), np.float32))
    bias = jnp.asarray(rng.standard_normal(n_out, np.float32))

    before = np.asarray(plain(steps._replace(relu=False), x, kernel, bias))
    dy = rng.standard_normal(before.shape, np.float32)
    dy[np.abs(before) < 1e-4] = 0  # there rounding decides whether a ReLU lets a gradient through
    dy = jnp.asarray(dy)

    @jax.jit
    def both(x, kernel, bias, dy):
        want, back = jax.vjp(lambda *arrays: plain(steps, *arrays), x, kernel, bias)
        got, lane_back = jax.vjp(lambda x, *weights: from_lanes(conv(steps, to_lanes(x), *weights), batch), x, kernel, bias)
        return (got, *lane_back(dy)), (want, *back(dy))

    for got, want in zip(*both(x, kernel, bias, dy), strict=True):
        np.testing.assert_allclose(got, want, rtol=0, atol=TOLERANCE * max(1.0, float(np.abs(want).max(initial=0))))


@st.composite
def cases(draw):
    """Sizes, strides, dilations and paddings for which there is an output; more padding than the kernel is long, too."""
    taps, stride, dilation, pads, size = [], [], [], [], []
    for _ in range(2):
        k, d = draw(st.integers(1, 4)), draw(st.integers(1, 3))
        pad = draw(st.tuples(st.integers(0, 5), st.integers(0, 5)))
        taps.append(k)
        dilation.append(d)
        pads.append(pad)
        stride.append(draw(st.integers(1, 3)))
        size.append(draw(st.integers(max(1, d * (k - 1) + 1 - sum(pad)), 14)))
    pool = draw(st.booleans())
    steps = ConvSteps(tuple(stride), tuple(dilation), tuple(pads), draw(st.booleans()), pool and min(ConvSteps(
        tuple(stride), tuple(dilation), tuple(pads)).out(tuple(size), tuple(taps))) > 1)  # fmt: skip
    return steps, tuple(size), tuple(taps), draw(st.integers(1, 7)), draw(st.integers(1, 9))


@pytest.mark.slow
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(cases(), st.integers(1, LANES + 2))
def test_any_convolution(case, batch):
    steps, size, taps, n_in, n_out = case
    check(steps, batch, size, taps, n_in, n_out)


@pytest.mark.parametrize(
    ("steps", "size", "taps", "n_in", "n_out"),
    [
        (ConvSteps(relu=True), (9, 70), (2, 2), 1, 8),
        (ConvSteps(relu=True, pool=True), (9, 71), (3, 3), 16, 32),
        (ConvSteps(relu=True, pads=((1, 1), (1, 1))), (6, 50), (3, 3), 16, 17),
        (ConvSteps(stride=(2, 2), pads=((4, 5), (1, 2))), (49, 10), (10, 4), 1, 64),
        (ConvSteps(), (20, 1), (1, 1), 64, 12),
    ],
)
def test_the_networks_convolutions(steps, size, taps, n_in, n_out):
    check(steps, 2 * LANES, size, taps, n_in, n_out)


def test_clips_are_lanes():
    x = jnp.arange(2.0 * (LANES + 1)).reshape(LANES + 1, 2)
    lanes = to_lanes(x)
    assert lanes.shape == (2, 2, LANES)
    assert lanes[0, 1, 3] == x[3, 1]
    assert lanes[1, 0, 0] == x[LANES, 0]
    assert (lanes[1, :, 1:] == 0).all()
    np.testing.assert_array_equal(from_lanes(lanes, LANES + 1), x)
