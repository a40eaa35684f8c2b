"""Pitch-shifting by the phase vocoder: against stretching and a slow resampler, and what its memory must not change.

`tests/unit/kernels/test_vocoder.py` compares with librosa.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kwsfeat.augment import pitch_shift, stretch_and_shift, time_stretch
from kwsfeat.augment.phase_vocoder import _BETA, _BETWEEN_BETA, _BETWEEN_CUTOFF, _CUTOFF, _SUPPORT

SR = 16000


def sinc_filter(t: np.ndarray, cutoff: float, half_length: float, beta: float) -> np.ndarray:
    """A sinc under a Kaiser window, at `t` samples from its middle."""
    window = np.i0(beta * np.sqrt(np.maximum(0.0, 1.0 - (t / half_length) ** 2))) / np.i0(beta)
    return np.where(np.abs(t) < half_length, cutoff * np.sinc(cutoff * t) * window, 0.0)


def weighted_sums(y: np.ndarray, places: np.ndarray, weight: Callable[[np.ndarray], np.ndarray], reach: int) -> np.ndarray:
    """At each place the sum of the samples of `y` up to `reach` away, by their distance; silence before and after `y`."""
    k = np.floor(places).astype(int)[:, None] + np.arange(-reach, reach + 1)
    samples = np.append(y.astype(np.float64), 0.0)[np.where((k >= 0) & (k < y.size), k, y.size)]
    return (weight(places[:, None] - k) * samples).sum(axis=1)


def resampled(y: np.ndarray, step: float, n_out: int) -> np.ndarray:
    """Every `step`-th sample of `y` in two stages: the low-pass, at twice the rate, and what reads that between its samples.

    The second stage begins with silence, as soxr's does, where soxr has one.
    """
    cutoff = min(1.0, 1.0 / step)
    n = min(n_out, int(y.size / step + 0.5))
    begin = 0 if step < 1.75 and not (1.0 / step).is_integer() else -8
    places = np.arange(begin, int(2 * step * n) + 9)
    doubled = weighted_sums(
        y, places / 2, lambda t: cutoff * sinc_filter(cutoff * t, _CUTOFF, _SUPPORT, _BETA), int(np.ceil(_SUPPORT / cutoff))
    )
    out = np.zeros(n_out)
    out[:n] = weighted_sums(doubled, 2 * step * np.arange(n) - begin, lambda t: sinc_filter(t, _BETWEEN_CUTOFF, 8, _BETWEEN_BETA), 8)
    return out


def below(y: np.ndarray, edge: float) -> np.ndarray:
    """`y` without what lies above the fraction `edge` of its Nyquist frequency."""
    k = np.arange(-200, 201)
    return np.convolve(y, edge * np.sinc(edge * k) * np.kaiser(k.size, 9.0))[200 : 200 + y.size].astype(np.float32)


def sound(seed: int, n: int) -> np.ndarray:
    """Partials that glide, and noise, loud at both ends."""
    rng = np.random.default_rng(seed)
    t = np.arange(n) / SR
    phase = np.cumsum(rng.uniform(80, 400) * (1 + 0.2 * np.sin(2 * np.pi * rng.uniform(1, 4) * t))) / SR
    return (0.1 * sum(np.cos(2 * np.pi * h * phase + h) / h for h in range(1, 12)) + 0.02 * rng.standard_normal(n)).astype(np.float32)


@settings(max_examples=15, deadline=None)
@given(n=st.integers(1, 1000), n_steps=st.floats(-36, 36).filter(lambda x: abs(x) > 1e-3), seed=st.integers(0, 1000))
def test_pitch_shift_is_stretching_and_resampling(n, n_steps, seed):
    """Away from the edge of the band, where the low-pass works on frames instead of on their sum."""
    ratio = 2.0 ** (n_steps / 12)
    y = below(sound(seed, n), 0.8 * min(1.0, 1.0 / ratio))
    with_low_pass = resampled(time_stretch(y, 1.0 / ratio, method="vocoder"), ratio, n)
    np.testing.assert_allclose(pitch_shift(y, SR, n_steps, method="vocoder"), with_low_pass, rtol=0, atol=2e-4)


@pytest.mark.parametrize("n_steps", [-7, -0.3, 2, 9])
def test_what_is_above_the_band_is_removed(n_steps):
    """A tone that would be folded back is 60 dB down; one below the band's edge is kept."""
    ratio = 2.0 ** (n_steps / 12)
    t = np.arange(SR) / SR
    for hz, kept in ((0.8 * 8000 * min(1.0, 1 / ratio), True), (7990.0 if ratio < 1 else 8000 / ratio * 1.02, False)):
        y = (0.5 * np.sin(2 * np.pi * hz * t) * np.hanning(SR)).astype(np.float32)
        shifted = pitch_shift(y, SR, n_steps, method="vocoder")
        level = np.sqrt(np.mean(np.square(shifted, dtype=np.float64)) / np.mean(np.square(y, dtype=np.float64)))
        assert level > 0.5 if kept else level < 1e-3


@pytest.mark.parametrize("method", ["vocoder", "vocoder-locked"])
def test_a_clip_does_not_depend_on_the_clips_before_it(method):
    """The memory is used again: longer and shorter clips, other steps and loud noise leave nothing behind in it."""
    y = sound(0, 7000)
    alone = pitch_shift(y, SR, 1.5, method=method), time_stretch(y, 1.3, method=method)
    for n, n_steps in ((20_000, -5), (100, 12), (1, 3), (9000, 30)):
        pitch_shift(sound(n, n), SR, n_steps, method=method)
        time_stretch(sound(n, n), 0.7, method=method)
        np.testing.assert_array_equal(pitch_shift(y, SR, 1.5, method=method), alone[0])
        np.testing.assert_array_equal(time_stretch(y, 1.3, method=method), alone[1])


def test_threads_do_not_disturb_each_other():
    clips = [sound(seed, 3000 + 1000 * (seed % 5)) for seed in range(20)]
    alone = [pitch_shift(y, SR, 2.5, method="vocoder") for y in clips]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda y: pitch_shift(y, SR, 2.5, method="vocoder"), clips * 3))
    for one, other in zip(alone * 3, together, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_warm_call_allocates_its_result_only():
    y = sound(1, 16000)
    for n_steps in (-2.0, 2.0):
        pitch_shift(y, SR, n_steps, method="vocoder")
    tracemalloc.start()
    try:
        for n_steps in (-2.0, -0.77, 0.31, 1.9):
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            pitch_shift(y, SR, n_steps, method="vocoder")
            assert tracemalloc.get_traced_memory()[1] - before < y.nbytes + 20_000
    finally:
        tracemalloc.stop()


def test_a_grid_is_one_stretch_for_both_changes():
    """The variant with a rate and semitones is stretched once, by both."""
    y = sound(2, 3000)
    rates, steps = (0.8, 1.0, 1.25), (-2.0, 0.0, 2.0)
    variants = stretch_and_shift(y, SR, rates, steps, "vocoder")
    assert [v.size for v in variants] == [round(3000 / r) for r in rates for _ in steps]
    np.testing.assert_array_equal(variants[3], pitch_shift(y, SR, -2.0, method="vocoder"))
    np.testing.assert_array_equal(variants[1], time_stretch(y, 0.8, method="vocoder"))
    ratio = 2.0 ** (2 / 12)
    one_stretch = resampled(time_stretch(y, 0.8 / ratio, method="vocoder"), ratio, 3750)
    np.testing.assert_allclose(variants[2], one_stretch, atol=2e-3)
