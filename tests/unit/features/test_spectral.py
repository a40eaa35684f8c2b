"""The public spectral and cepstral functions: values against numpy and scipy, refusals, and the edges of their domains."""

from __future__ import annotations

import naive
import numpy as np
import pytest
import scipy.signal
from strategies import noise_clip

import kwsfeat
from kwsfeat import AudioError, ConfigError, FeatureConfig


@pytest.mark.parametrize("n_fft", [320, 400, 512, 375])
def test_density_is_scipys_spectrogram(n_fft):
    y = noise_clip(8000, 0)
    theirs = scipy.signal.spectrogram(y.astype(np.float64), 16000, window="hann", nperseg=n_fft, noverlap=n_fft // 2, detrend=False)[2]
    hop = n_fft - n_fft // 2
    ours = kwsfeat.spectrogram(y, sr=16000, n_fft=n_fft, hop_length=hop, framing="none", norm="density")
    np.testing.assert_allclose(ours, theirs.T, rtol=1e-4, atol=1e-6 * theirs.max())


@pytest.mark.parametrize("framing", ["zero", "reflect", "none"])
@pytest.mark.parametrize("n_fft", [64, 125, 512])
@pytest.mark.parametrize("n_samples", [600, 1001])
def test_istft_inverts_stft(framing, n_fft, n_samples):
    y = noise_clip(n_samples, 1)
    S = kwsfeat.stft(y, n_fft=n_fft, hop_length=n_fft // 4, framing=framing)
    back = kwsfeat.istft(S, hop_length=n_fft // 4, framing=framing, n_samples=n_samples, n_fft=n_fft)
    assert back.shape == y.shape
    inner = slice(n_fft, (S.shape[0] - 1) * (n_fft // 4) - n_fft // 2)
    np.testing.assert_allclose(back[inner], y[inner], atol=1e-5)


def test_spectrogram_is_the_squared_stft():
    y = noise_clip(5000, 2)
    S = kwsfeat.stft(y, n_fft=256, hop_length=64)
    np.testing.assert_allclose(
        kwsfeat.spectrogram(y, n_fft=256, hop_length=64), np.abs(S) ** 2, rtol=1e-4, atol=1e-6 * np.abs(S).max() ** 2
    )
    np.testing.assert_allclose(
        kwsfeat.spectrogram(y, n_fft=256, hop_length=64, spectrum="magnitude"), np.abs(S), rtol=1e-4, atol=1e-5 * np.abs(S).max()
    )


def test_melspectrogram_equals_the_twin():
    y = noise_clip(9000, 3)
    config = FeatureConfig(n_samples=9000, n_fft=2048, win_length=2048, hop_length=512, n_mels=64, log="none")
    np.testing.assert_allclose(kwsfeat.melspectrogram(y, n_mels=64), naive.features(y, config), rtol=1e-4, atol=1e-6)


def test_amplitude_spectrum_shows_a_sine_with_its_amplitude():
    t = np.arange(16000) / 16000
    frequency_hz, amplitude = kwsfeat.amplitude_spectrum(0.25 * np.sin(2 * np.pi * 440 * t), sr=16000)
    assert frequency_hz[amplitude.argmax()] == 440
    assert amplitude.max() == pytest.approx(0.25, rel=1e-4)
    assert amplitude.shape == frequency_hz.shape == (8000,)


@pytest.mark.parametrize("function", [kwsfeat.stft, kwsfeat.spectrogram, kwsfeat.melspectrogram, kwsfeat.mfcc])
def test_bad_samples_are_refused_by_name(function):
    options = {} if function in (kwsfeat.stft, kwsfeat.spectrogram) else {"n_mels": 20}
    bad = noise_clip(4000, 0)
    bad[100] = np.nan
    with pytest.raises(AudioError, match="NaN or infinity"):
        function(bad, **options)
    assert not np.isfinite(function(bad, **options, check_finite=False)).all()
    for empty in (np.zeros(0, np.float32), np.zeros((2, 100), np.float32)):
        with pytest.raises(AudioError, match="one-dimensional with at least one sample"):
            function(empty, **options)
    with pytest.raises(ConfigError, match="prime factor above 5"):
        function(noise_clip(4000, 0), n_fft=514, **options)


@pytest.mark.parametrize("n_samples", [1, 2, 100])
def test_clips_shorter_than_a_frame_are_padded(n_samples):
    y = noise_clip(n_samples, 4)
    S = kwsfeat.stft(y, n_fft=512)
    expected = np.fft.rfft(np.pad(y.astype(np.float64), (256, 512))[:512] * scipy.signal.get_window("hann", 512))
    np.testing.assert_allclose(S[0], expected, atol=1e-5)


def test_power_to_db_of_special_values():
    assert kwsfeat.power_to_db(np.zeros(3)).tolist() == pytest.approx([-100.0, -100.0, -100.0])
    assert kwsfeat.power_to_db(np.zeros((0, 4))).shape == (0, 4)
    assert np.isnan(kwsfeat.power_to_db(np.array([1.0, np.nan]), top_db=None, check_finite=False)[1])
    with pytest.raises(ConfigError, match="amin=0 must be > 0"):
        kwsfeat.power_to_db(np.ones(3), amin=0)


@pytest.mark.parametrize(("options", "message"), [
    ({"width": 4}, "width=4 must be odd"), ({"order": 3}, "order=3 must be 1 or 2"), ({"width": 31}, "width=31 must be <= n_frames=30"),
])  # fmt: skip
def test_delta_refuses_what_has_no_meaning(options, message):
    with pytest.raises(ConfigError, match=message):
        kwsfeat.delta(np.zeros((30, 4), np.float32), **options)


def test_delta_of_a_line_is_its_slope_and_of_a_parabola_its_curvature():
    t = np.arange(40, dtype=np.float32)[:, None]
    np.testing.assert_allclose(kwsfeat.delta(3 * t), 3, rtol=1e-5)
    np.testing.assert_allclose(kwsfeat.delta(t**2, order=2), 2, rtol=1e-4)
    np.testing.assert_allclose(kwsfeat.delta(3 * t, kind="htk", width=5)[2:-2], 3, rtol=1e-5)


def test_htk_delta_is_the_htk_book_formula():
    x = np.random.default_rng(0).standard_normal((20, 3)).astype(np.float32)
    padded = np.pad(x.astype(np.float64), ((2, 2), (0, 0)), mode="edge")
    expected = sum(k * (padded[2 + k : 22 + k] - padded[2 - k : 22 - k]) for k in (1, 2)) / (2 * (1 + 4))
    np.testing.assert_allclose(kwsfeat.delta(x, kind="htk", width=5), expected, atol=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nothing_that_is_not_finite_gets_in_unasked(bad):
    y = noise_clip(4000, 0)
    y[1234] = bad
    x = np.ones((20, 4), np.float32)
    x[3, 2] = bad
    sos = kwsfeat.butter_sos(4, 1000, sr=16000)
    calls = {
        "sosfilt": lambda **o: kwsfeat.sosfilt(sos, y, **o),
        "amplitude_spectrum": lambda **o: kwsfeat.amplitude_spectrum(y, sr=16000, **o)[1],
        "power_to_db": lambda **o: kwsfeat.power_to_db(x, **o),
        "delta": lambda **o: kwsfeat.delta(x, **o),
        "istft": lambda **o: kwsfeat.istft(x.astype(np.complex64) * 1, **o),
    }
    with np.errstate(invalid="ignore"):
        for call in calls.values():
            with pytest.raises(AudioError, match="holds NaN or infinity: repair the recording, or pass check_finite=False"):
                call()
            assert call(check_finite=False).shape


def test_large_values_are_finite_though_their_sum_is_not():
    np.testing.assert_allclose(kwsfeat.power_to_db(np.full(4, 3e38, np.float32)), 10 * np.log10(3e38), rtol=1e-6)
    with pytest.raises(AudioError, match="S holds NaN or infinity"):
        kwsfeat.power_to_db(np.float32([3e38, np.inf]))


def test_old_keyword_arguments_of_functions_work_with_a_warning():
    y = np.ones(4000, np.float32)
    with pytest.warns(DeprecationWarning, match="edges is called framing now"):
        old = kwsfeat.stft(y, n_fft=512, edges="none")
    np.testing.assert_array_equal(old, kwsfeat.stft(y, n_fft=512, framing="none"))
    with pytest.warns(DeprecationWarning, match="formula is called mel_scale now, weights is called triangle_domain now"):
        old = kwsfeat.mel_filterbank(sr=16000, n_fft=512, n_mels=20, formula="htk", weights="mel")
    np.testing.assert_array_equal(old, kwsfeat.mel_filterbank(sr=16000, n_fft=512, n_mels=20, mel_scale="htk", triangle_domain="mel"))
