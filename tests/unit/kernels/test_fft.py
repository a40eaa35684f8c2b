"""The real FFT over lanes against numpy in float64, for every kind of size, forwards and backwards."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kwsfeat.kernels._jit import LANES, jit
from kwsfeat.kernels.fft import real as fft
from kwsfeat.kernels.simd import aligned

SIZES = sorted({2**a * 3**b * 5**c for a in range(12) for b in range(4) for c in range(4) if 4 <= 2**a * 3**b * 5**c <= 4096})


@jit
def _forward(source, offsets, window, re, im, plan):
    fft.forward(source, offsets, window, re, im, plan)


@jit
def _power(re, im, out, plan):
    fft.power(re, im, out, plan)


@jit
def _windowed_power(source, offsets, window, re, im, out, plan):
    fft.windowed_power(source, offsets, window, re, im, out, plan)


@jit
def _spectrum(re, im, out_re, out_im, plan):
    fft.spectrum(re, im, out_re, out_im, plan)


@jit
def _inverse(in_re, in_im, even, odd, plan):
    fft.inverse(in_re, in_im, even, odd, plan)


def _transform(x: np.ndarray, window: np.ndarray):
    """Power, spectrum and inverse of x (LANES, n_fft) by the kernels."""
    n_fft = x.shape[1]
    plan = fft.fft_plan(n_fft)
    source = aligned(x.size)
    source[:] = np.ascontiguousarray(x.T).ravel()
    re, im = aligned(plan.n_slots * LANES), aligned(plan.n_slots * LANES)
    n_bins = n_fft // 2 + 1
    power, out_re, out_im = aligned(n_bins * LANES), aligned(n_bins * LANES), aligned(n_bins * LANES)
    _forward(source, np.arange(n_fft) * LANES, window, re, im, plan)
    _power(re, im, power, plan)
    fused = aligned(power.size)
    _windowed_power(source, np.arange(n_fft) * LANES, window, re, im, fused, plan)
    np.testing.assert_allclose(fused, power, rtol=1e-5, atol=1e-6 * np.nanmax(power))  # the fast path against the plain one
    _forward(source, np.arange(n_fft) * LANES, window, re, im, plan)
    _spectrum(re, im, out_re, out_im, plan)
    _inverse(out_re, out_im, re, im, plan)
    y = np.zeros((n_fft, LANES), np.float32)
    even, odd = re.reshape(-1, LANES)[plan.order], im.reshape(-1, LANES)[plan.order]
    if n_fft % 2:
        y[:] = even
    else:
        y[0::2], y[1::2] = even, odd
    spectrum = (out_re + 1j * out_im).reshape(n_bins, LANES).T
    return power.reshape(n_bins, LANES).T, spectrum, y.T / plan.half


@settings(max_examples=120)
@given(st.sampled_from(SIZES), st.integers(0, 2**32 - 1))
def test_any_good_size_equals_numpy(n_fft, seed):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((LANES, n_fft)).astype(np.float32)
    window = rng.uniform(0.1, 1.0, n_fft).astype(np.float32)
    power, spectrum, y = _transform(x, window)
    expected = np.fft.rfft(x.astype(np.float64) * window, axis=1)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(spectrum / scale, expected / scale, atol=5e-7)
    np.testing.assert_allclose(power / scale**2, np.abs(expected) ** 2 / scale**2, atol=1e-6)
    np.testing.assert_allclose(y, x * window, atol=2e-6)


@pytest.mark.parametrize("n_fft", [4, 5, 6, 9, 512, 400, 375])
def test_lanes_do_not_mix(n_fft):
    x = np.zeros((LANES, n_fft), np.float32)
    x[LANES - 1] = 1.0
    power, _, y = _transform(x, np.ones(n_fft, np.float32))
    assert np.all(power[: LANES - 1] == 0)
    assert power[LANES - 1, 0] == pytest.approx(n_fft**2)
    np.testing.assert_allclose(y, x, atol=1e-6)


def test_a_nan_stays_in_its_lane():
    x = np.ones((LANES, 512), np.float32)
    x[2, 100] = np.nan
    power, _, _ = _transform(x, np.ones(512, np.float32))
    assert np.isnan(power[2]).all()
    assert np.isfinite(np.delete(power, 2, axis=0)).all()
