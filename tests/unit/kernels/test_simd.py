"""The vector type: each operation against numpy."""

from __future__ import annotations

import numpy as np
import pytest

from kwsfeat.kernels import simd
from kwsfeat.kernels._jit import LANES, jit
from kwsfeat.kernels.simd_exp import exp
from kwsfeat.kernels.simd_sum import lane_sums

f32 = np.float32


@jit
def _transpose(source, stride, out):
    simd.transpose_block(source, 0, stride, out, 0, LANES)


@jit
def _unary(x, out):
    v = simd.load(x, 0)
    simd.store(out, 0, simd.log(v))
    simd.store(out, LANES, simd.sqrt(v))
    simd.store(out, 2 * LANES, simd.shift_in(v, simd.splat(f32(7))))
    simd.store(out, 3 * LANES, simd.at_least(v, simd.splat(f32(1))))
    simd.store(out, 4 * LANES, simd.at_most(v, simd.splat(f32(1))))
    return simd.lane_sum(v), simd.last(v), simd.at(x, 1)


@jit
def _binary(x, y, out):
    a, b = simd.load(x, 0), simd.load(y, 0)
    simd.store(out, 0, a + b)
    simd.store(out, LANES, a - b)
    simd.store(out, 2 * LANES, a * b)
    simd.store(out, 3 * LANES, a / b)
    simd.store(out, 4 * LANES, simd.fma(a, b, a))
    simd.store(out, 5 * LANES, simd.where_less(a, b, a, b))


@jit
def _octet(x, y):
    v = simd.load_octet(x, 0)
    for i in range(8):
        shifted = simd.shift_in(simd.fma(v, v, v * simd.splat_octet(f32(2))), simd.splat_octet(f32(7)))
        y[i] = simd.last(shifted)
        v = simd.shift_in(v, v)


@jit
def _sums(source, index, out):
    simd.store(out, 0, lane_sums(source, index))


@jit
def _partial(out, x, n):
    simd.store_first(out, 0, simd.load(x, 0), n)


def test_lane_sums_are_the_sums_of_successive_vectors():
    source = np.random.default_rng(0).standard_normal(3 + LANES * LANES).astype(f32)
    out = np.zeros(LANES, f32)
    _sums(source, 3, out)
    np.testing.assert_allclose(out, source[3:].reshape(LANES, LANES).sum(axis=1), atol=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.int16])
def test_transpose_block_is_the_transpose(dtype):
    stride = LANES + 3
    source = np.arange(LANES * stride).astype(dtype)
    out = np.zeros(LANES * LANES, f32)
    _transpose(source, stride, out)
    np.testing.assert_array_equal(out.reshape(LANES, LANES), source.reshape(LANES, stride)[:, :LANES].T)


def test_unary_operations():
    rng = np.random.default_rng(0)
    for _ in range(200):
        x = np.exp(rng.uniform(-80, 80, LANES)).astype(f32)
        out = np.zeros(5 * LANES, f32)
        total, last, second = _unary(x, out)
        out = out.reshape(5, LANES)
        exact = np.log(x.astype(np.float64))
        np.testing.assert_allclose(out[0], exact, rtol=2e-7, atol=1e-6)
        np.testing.assert_allclose(out[1], np.sqrt(x), rtol=2e-7)
        np.testing.assert_array_equal(out[2], [7, *x[:-1]])
        np.testing.assert_array_equal(out[3], np.maximum(x, 1))
        np.testing.assert_array_equal(out[4], np.minimum(x, 1))
        assert total == pytest.approx(x.sum(dtype=np.float64), rel=1e-6)
        assert (last, second) == (x[-1], x[1])


def test_nan_passes_through_comparisons_and_logarithm():
    x, out = np.full(LANES, np.nan, f32), np.zeros(5 * LANES, f32)
    _unary(x, out)
    assert np.isnan(out.reshape(5, LANES)[[0, 1, 3, 4]]).all()


def test_binary_operations():
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((2, LANES)).astype(f32)
    out = np.zeros(6 * LANES, f32)
    _binary(x, y, out)
    expected = np.stack([x + y, x - y, x * y, x / y, x * y + x, np.minimum(x, y)])
    np.testing.assert_allclose(out.reshape(6, LANES), expected, rtol=1e-6, atol=1e-7)


def test_eight_lanes_on_any_machine():
    x, y = np.arange(8).astype(f32), np.zeros(8, f32)
    _octet(x, y)  # turn by turn the last lane is what was two, three ... lanes from the end
    v = np.roll(x, 1)[::-1]
    np.testing.assert_array_equal(y, v * v + 2 * v)


@pytest.mark.parametrize("n", range(1, LANES + 1))
def test_store_first_writes_exactly_n_values(n):
    x, out = np.arange(1, LANES + 1).astype(f32), np.full(LANES, -1, f32)
    _partial(out, x, n)
    np.testing.assert_array_equal(out, np.where(np.arange(LANES) < n, x, -1))


def test_aligned_memory_starts_on_a_cache_line_and_is_zero():
    for n in (1, 5, 1000):
        a = simd.aligned(n)
        assert a.ctypes.data % 64 == 0
        assert a.shape == (n,)
        assert not a.any()


@jit
def _exponentials(x, out):
    for i in range(0, len(x), 8):
        simd.store(out, i, exp(simd.load_octet(x, i)))


def test_the_exponential_is_that_of_float64_to_rounding():
    x = np.linspace(-87, 88, 8 * 20_000, dtype=f32)
    out = np.empty_like(x)
    _exponentials(x, out)
    np.testing.assert_allclose(out, np.exp(x.astype(np.float64)), rtol=2e-7)


def test_the_exponential_beyond_its_bounds():
    x = np.array([np.nan, np.inf, -np.inf, 1e30, -1e30, 0, -0.0, 88], f32)
    out = np.empty_like(x)
    _exponentials(x, out)
    assert np.isnan(out[0])
    np.testing.assert_allclose(out[1:], np.exp([88, -87, 88, -87, 0, 0, 88]), rtol=2e-7)
