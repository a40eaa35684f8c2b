"""The kernels that read a doubled signal between its samples, each against a slow, obvious version."""

from __future__ import annotations

import numpy as np
import pytest

from kwsfeat.kernels._jit import LANES
from kwsfeat.kernels.fft.real import fft_plan
from kwsfeat.kernels.simd import aligned
from kwsfeat.kernels.waveform import shift

RNG = np.random.default_rng(0)


def between(bank: np.ndarray, fraction: float) -> np.ndarray:
    """A filter of the bank, linear between its rows."""
    x = fraction * (len(bank) - 1)
    row = min(int(x), len(bank) - 2)
    return bank[row] + (x - row) * (bank[row + 1] - bank[row])


@pytest.mark.parametrize("cutoff", [3.3, 100.0, 1024.0])
def test_low_pass(cutoff):
    response = np.linspace(1, 0, 65, dtype=np.float32) ** 2
    weight = np.full(200, 7, np.float32)
    shift.low_pass(response, cutoff, weight)
    want = np.interp(np.arange(200), np.linspace(0, cutoff, 65), response, right=0.0)
    np.testing.assert_allclose(weight, want, atol=1e-6)


@pytest.mark.parametrize("n_frames", [1, 2, 3, 9])
@pytest.mark.parametrize("n", [1, 5, 40])
def test_even_out(n_frames, n):
    hop, n_parts = 2 * LANES, 4
    square = RNG.uniform(0.5, 1.0, n_parts * hop).astype(np.float32)
    square /= square.reshape(n_parts, hop).sum(axis=0)[None].repeat(n_parts, 0).ravel()  # all parts add up to 1
    first, reach = 2 * hop, hop
    stop = min(first + n, (n_frames + 3) * hop)
    signal = RNG.standard_normal((n_frames + 8) * hop).astype(np.float32)
    total = np.zeros(signal.size)
    for t in range(n_frames):
        total[t * hop : t * hop + square.size] += square
    if not total[first:stop].all():
        stop = first + np.flatnonzero(total[first:stop])[-1] + 1 if total[first] else first
    if stop <= first:
        pytest.skip("no frame reaches the clip")
    want = signal.astype(np.float64)
    want[first:stop] /= total[first:stop]
    want[first - reach : first] /= total[first]
    want[stop : stop + reach] /= total[stop - 1]
    factors = shift.even_out(signal, square, hop, n_frames, first, stop, reach)
    np.testing.assert_allclose(factors, [1 / total[first], 1 / total[stop - 1]], rtol=1e-5)
    np.testing.assert_allclose(signal, want, rtol=1e-5)


@pytest.mark.parametrize("step", [0.25, 1.0, 1.888, 2.0, 16.0])
@pytest.mark.parametrize("n", [1, LANES, 3 * LANES + 5])
@pytest.mark.parametrize("n_fractions", [1, 128])
def test_interpolate(step, n, n_fractions):
    first = 40
    doubled = RNG.standard_normal(first + int(step * (n + LANES)) + 40).astype(np.float32)
    bank = RNG.standard_normal((n_fractions + 1, shift.TAPS)).astype(np.float32)
    out = np.full(n + 3, 9, np.float32)
    shift.interpolate(doubled, first, step, bank, np.empty(LANES * LANES, np.float32), out[:n])
    for i in range(n):
        whole = int(np.floor(i * step))
        start = first + whole - shift.TAPS // 2 + 1
        want = between(bank.astype(np.float64), i * step - whole) @ doubled[start : start + shift.TAPS]
        assert out[i] == pytest.approx(want, abs=2e-5)
    assert (out[n:] == 9).all()


@pytest.mark.parametrize(("n_frames", "n", "reach"), [(1, 1, 20), (2, 100, 100), (9, 260, 33), (30, 900, 96)])
def test_around(n_frames, n, reach):
    n_fft, hop, n_cols = 128, 32, -(-65 // LANES) * LANES
    frames = np.full((2, n_frames + 2 + LANES, n_cols), 5, np.float32)
    frames[:, :n_frames, :65] = RNG.standard_normal((2, n_frames, 65))
    window = RNG.uniform(0.1, 1.0, 2 * n_fft).astype(np.float32)
    sums = np.zeros(n_frames * hop + n_fft + n + reach)
    for t in range(n_frames):  # the kernel's inverse is half of n_fft times numpy's
        spectrum = frames[0, t, :65] + 1j * frames[1, t, :65]
        sums[t * hop : t * hop + n_fft] += n_fft / 2 * np.fft.irfft(spectrum) * window[::2]
    sums = np.concatenate([np.zeros(reach), sums])
    zero = reach + n_fft // 2
    plan = fft_plan(n_fft)
    scratch = [aligned(n * LANES) for n in (n_cols, n_cols, plan.n_slots, plan.n_slots)]
    before, after = np.full((2, reach), np.nan, np.float32)
    shift.around(*frames, n_frames, hop, n, window, plan, *scratch, before, after)
    np.testing.assert_allclose(before, sums[zero - 1 - np.arange(reach)], atol=1e-4)
    np.testing.assert_allclose(after, sums[zero + n : zero + n + reach], atol=1e-4)


@pytest.mark.parametrize("step", [0.13, 0.94, 1.0, 1.06, 7.9])
@pytest.mark.parametrize("n", [1, 7, 300])
def test_subtract_outside(step, n):
    support, n_fractions = 32, 16
    half = np.zeros((n_fractions + 1, support + LANES), np.float32)
    t = np.arange(support)[None] + np.arange(n_fractions + 1)[:, None] / n_fractions
    half[:, :support] = np.where(t < support, np.cos(np.pi * t / support / 2) ** 2 * np.sinc(0.9 * t), 0)
    cutoff = min(1.0, 1.0 / step)
    reach = int(np.ceil(support / cutoff))
    before, after = RNG.standard_normal((2, reach + LANES)).astype(np.float32)
    out = RNG.standard_normal(max(1, int(n / step + 0.5))).astype(np.float32)

    def h(x: float) -> float:
        whole = int(x)
        return float(between(half.astype(np.float64), x - whole)[whole]) if x < support else 0.0

    want = out.astype(np.float64)
    for i in range(out.size):
        for k in range(reach):
            want[i] -= cutoff * (before[k] * h(cutoff * (i * step + 1 + k)) + after[k] * h(cutoff * (n + k - i * step)))
    change = np.full(int(np.ceil(support / min(step, 1.0))) + LANES, np.nan, np.float32)
    shift.subtract_outside(before, after, n, step, half, change, out)
    np.testing.assert_allclose(out, want, atol=1e-5)


@pytest.mark.parametrize("step", [0.13, 0.94, 1.06, 1.7])
@pytest.mark.parametrize("n_out", [1, 40])
def test_start_in_silence(step, n_out):
    support, n_fractions, first = 32, 16, 20
    half = np.zeros((n_fractions + 1, support + LANES), np.float32)
    half[:, :support] = RNG.standard_normal((n_fractions + 1, support))
    bank = RNG.standard_normal((n_fractions + 1, shift.TAPS)).astype(np.float32)
    doubled = RNG.standard_normal(first + 20).astype(np.float32)
    cutoff = min(1.0, 1.0 / step)
    before = RNG.standard_normal(int(np.ceil(support / cutoff)) + LANES).astype(np.float32)
    ringing = doubled[:first].astype(np.float64)  # sample v of the doubled signal is at half of v
    for v in range(-first, 0):
        for k, sample in enumerate(before):
            x = cutoff * abs(v / 2 + 1 + k)
            if x < support:
                ringing[first + v] -= cutoff * sample * between(half.astype(np.float64), x - int(x))[int(x)]
    out = RNG.standard_normal(n_out).astype(np.float32)
    want = out.astype(np.float64)
    for i in range(n_out):
        whole = int(2 * i * step)
        weights = between(bank.astype(np.float64), 2 * i * step - whole)
        for j in range(shift.TAPS):
            v = whole - shift.TAPS // 2 + 1 + j
            if v < 0:
                want[i] -= weights[j] * ringing[first + v]
    shift.start_in_silence(doubled, first, step, before, half, bank, out)
    np.testing.assert_allclose(out, want, atol=2e-4)
