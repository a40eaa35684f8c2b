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


@st.composite
def designs(draw: st.DrawFn) -> np.ndarray:
    """Any Butterworth design between 300 and 7,700 Hz: up to 60 sections in a row, poles as close to the unit circle as 0.998."""
    btype = draw(st.sampled_from(["lowpass", "highpass", "bandpass", "bandstop"]))
    if not btype.startswith("band"):
        return butter_sos(draw(st.integers(1, 60)), draw(st.floats(500, 7500)), sr=16000, btype=btype)
    low = draw(st.floats(300, 6000))
    return butter_sos(draw(st.integers(1, 12)), (low, low + draw(st.floats(500, 1700))), sr=16000, btype=btype)


@settings(max_examples=100)
@given(designs(), st.sampled_from([1, 2, LANES - 1, LANES, LANES + 1, 2 * LANES + 3]), st.integers(0, 600), st.integers(0, 99))
def test_any_design_any_batch_equals_scipy_in_float64(sos, n_clips, n_samples, seed):
    clips = np.stack([noise_clip(n_samples, seed + i) for i in range(n_clips)])
    expected = scipy.signal.sosfilt(sos, clips.astype(np.float64), axis=1) if n_samples else clips
    np.testing.assert_allclose(sosfilt(sos, clips), expected, atol=5e-6)


@pytest.mark.parametrize(
    ("order", "cutoff_hz", "btype", "atol"),
    [
        (35, 50.0, "lowpass", 3e-4),  # the rounded coefficients of poles at 0.9998
        (60, 7950.0, "lowpass", 1e-4),
        (60, 50.0, "highpass", 1e-4),
        (16, (300.0, 3400.0), "bandstop", 1e-4),
    ],
)
def test_extreme_designs_stay_accurate(order, cutoff_hz, btype, atol):
    sos = butter_sos(order, cutoff_hz, sr=16000, btype=btype)
    y = np.stack([noise_clip(6000, 0), np.full(6000, 0.5, np.float32)])
    np.testing.assert_allclose(sosfilt(sos, y), scipy.signal.sosfilt(sos, y.astype(np.float64), axis=1), atol=atol)


def test_sections_of_any_kind_are_filtered():
    """Not only Butterworth: a delay (b0 = 0), a resonance with unequal numerator, a section that does nothing."""
    sos = np.array([[0, 1.0, 0, 1, 0, 0], [1.5, -2.7, 1.3, 1, -1.8, 0.85], [1, 0, 0, 1, 0, 0]])
    y = noise_clip(700, 4)
    np.testing.assert_allclose(sosfilt(sos, y), scipy.signal.sosfilt(sos, y.astype(np.float64)), atol=2e-6)


def test_system_a_filter_is_accurate_to_six_digits():
    sos = butter_sos(35, 3000, sr=16000)
    y = noise_clip(16000, 0)
    np.testing.assert_allclose(sosfilt(sos, y), scipy.signal.sosfilt(sos, y.astype(np.float64)), atol=5e-7)


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


@pytest.mark.parametrize("order", [1, 2, 9, 35, 48, 60])  # 1 to 30 sections: more than one group of lanes
@pytest.mark.parametrize("n_samples", [1, 30, 2001])
def test_both_forms_give_the_same_bits(order, n_samples):
    sos = butter_sos(order, 3000, sr=16000)
    clips = np.stack([noise_clip(n_samples, seed) for seed in range(LANES)])
    together = sosfilt(sos, clips)
    for y, filtered in zip(clips, together, strict=True):
        np.testing.assert_array_equal(sosfilt(sos, y), filtered)


def test_integers_are_scaled_and_silence_and_impulse_are_exact():
    sos = butter_sos(35, 3000, sr=16000)
    integers = np.round(noise_clip(1000, 3) * 32768).astype(np.int16)
    np.testing.assert_array_equal(sosfilt(sos, integers), sosfilt(sos, (integers / 32768).astype(np.float32)))
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
    with pytest.raises(ConfigError, match=r"sos has shape \(0, 6\)"):
        sosfilt(sos[:0], np.zeros(10, np.float32))
    with pytest.raises(ConfigError, match=r"zi has shape \(1, 2\) and must have \(2, 2\)"):
        sosfilt(sos, np.zeros(10, np.float32), zi=np.zeros((1, 2)))
    with pytest.raises(AudioError, match="y has shape"):
        sosfilt(sos, np.zeros((2, 3, 4), np.float32))
