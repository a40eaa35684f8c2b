"""Butterworth cascades against scipy, in both forms (clips side by side, sections side by side)."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import noise_clip

from kwsfeat import AudioError, ConfigError, butter_sos, sosfilt
from kwsfeat.kernels._jit import LANES


def test_design_is_scipys():
    np.testing.assert_array_equal(butter_sos(35, 3000, sr=16000), scipy.signal.butter(35, 3000 / 8000, output="sos"))
    band = butter_sos(4, (300.0, 3400.0), sr=16000, btype="bandpass")
    np.testing.assert_array_equal(band, scipy.signal.butter(4, (300, 3400), "bandpass", fs=16000, output="sos"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 3000.0), "order=0 must be >= 1"),
        ((4, 8000.0), "must lie between 0 and sr / 2 = 8000"),
        ((4, -1.0), "must lie between 0"),
        ((4, (300.0, 200.0)), "does not fit"),
    ],
)
def test_impossible_designs_are_refused(arguments, message):
    with pytest.raises(ConfigError, match=message):
        butter_sos(*arguments, sr=16000)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 36), st.floats(500, 7500), st.sampled_from([1, 2, LANES - 1, LANES, LANES + 1, 2 * LANES + 3]), st.integers(0, 600),
    st.integers(0, 99),
)  # fmt: skip
def test_any_order_any_batch_equals_scipy_in_float64(order, cutoff_hz, n_clips, n_samples, seed):
    sos = butter_sos(order, cutoff_hz, sr=16000)
    clips = np.stack([noise_clip(n_samples, seed + i) for i in range(n_clips)])
    expected = scipy.signal.sosfilt(sos, clips.astype(np.float64), axis=1) if n_samples else clips
    # float32 rounding, larger where a section's poles lie close to the unit circle
    np.testing.assert_allclose(sosfilt(sos, clips), expected, atol=3e-5)


def test_system_a_filter_is_accurate_to_six_digits():
    sos = butter_sos(35, 3000, sr=16000)
    y = noise_clip(16000, 0)
    np.testing.assert_allclose(sosfilt(sos, y), scipy.signal.sosfilt(sos, y.astype(np.float64)), atol=3e-6)


@pytest.mark.parametrize("n_clips", [None, 1, LANES, LANES + 2])
@pytest.mark.parametrize("cut", [1, 7, 500, 999])
def test_state_carries_over_any_cut(n_clips, cut):
    sos = butter_sos(9, 2000, sr=16000)
    shape = (1000,) if n_clips is None else (n_clips, 1000)
    y = noise_clip(int(np.prod(shape)), 1).reshape(shape)
    state = np.zeros(((len(sos), 2) if n_clips is None else (n_clips, len(sos), 2)), np.float32)
    whole = sosfilt(sos, y)
    first, state = sosfilt(sos, y[..., :cut], zi=state)
    second, _ = sosfilt(sos, y[..., cut:], zi=state)
    np.testing.assert_allclose(np.concatenate([first, second], axis=-1), whole, atol=2e-6)


def test_state_is_scipys():
    sos = butter_sos(6, 2500, sr=16000)
    y = noise_clip(800, 2)
    zi = scipy.signal.sosfilt_zi(sos) * 0.3
    ours, zf = sosfilt(sos, y, zi=zi)
    theirs, expected = scipy.signal.sosfilt(sos, y.astype(np.float64), zi=zi)
    np.testing.assert_allclose(ours, theirs, atol=2e-6)
    np.testing.assert_allclose(zf, expected, atol=2e-6)


def test_both_forms_give_the_same_bits():
    sos = butter_sos(35, 3000, sr=16000)
    clips = np.stack([noise_clip(2001, seed) for seed in range(LANES)])
    together = sosfilt(sos, clips)
    for y, filtered in zip(clips, together, strict=True):
        np.testing.assert_array_equal(sosfilt(sos, y), filtered)


def test_integers_are_scaled_and_silence_and_impulse_are_exact():
    sos = butter_sos(35, 3000, sr=16000)
    integers = np.round(noise_clip(1000, 3) * 32768).astype(np.int16)
    np.testing.assert_allclose(sosfilt(sos, integers), sosfilt(sos, (integers / 32768).astype(np.float32)), atol=1e-7)
    assert not sosfilt(sos, np.zeros(1000, np.float32)).any()
    impulse = np.zeros(4000, np.float32)
    impulse[0] = 1
    response = sosfilt(sos, impulse)
    assert np.isfinite(response).all()
    magnitude = np.abs(np.fft.rfft(response, 16000))
    assert magnitude[3000] == pytest.approx(np.sqrt(0.5), abs=1e-3)
    assert magnitude[100] == pytest.approx(1.0, abs=1e-4)
    assert magnitude[4000] < 1e-4


def test_shapes_that_do_not_fit_are_refused():
    sos = butter_sos(3, 1000, sr=16000)
    with pytest.raises(ConfigError, match=r"sos has shape \(2, 5\)"):
        sosfilt(sos[:, :5], np.zeros(10, np.float32))
    with pytest.raises(ConfigError, match=r"zi has shape \(1, 2\) and must have \(2, 2\)"):
        sosfilt(sos, np.zeros(10, np.float32), zi=np.zeros((1, 2)))
    with pytest.raises(AudioError, match="y has shape"):
        sosfilt(sos, np.zeros((2, 3, 4), np.float32))
