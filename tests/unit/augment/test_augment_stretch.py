"""Quality of time-stretching and pitch-shifting, and their borders."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from kwsfeat.augment import pitch_shift, time_stretch
from kwsfeat.augment.stretch import _nearest_fraction
from kwsfeat.errors import AudioError, ConfigError

METHODS = ("wsola", "vocoder", "vocoder-locked")
SR = 16000


def tone(hz: float, seconds: float = 1.0, sr: int = SR) -> np.ndarray:
    t = np.arange(round(seconds * sr)) / sr
    return (0.5 * np.sin(2 * np.pi * hz * t)).astype(np.float32)


def frequency_hz(y: np.ndarray, sr: int = SR) -> float:
    """The strongest frequency of the middle of `y`: peak of a zero-padded spectrum, parabola through its logarithm."""
    middle = y[len(y) // 8 : -len(y) // 8]
    spectrum = np.log(np.abs(np.fft.rfft(middle * np.hanning(len(middle)), 1 << 18)) + 1e-12)
    k = int(spectrum.argmax())
    a, b, c = spectrum[k - 1 : k + 2]
    return (k + 0.5 * (a - c) / (a - 2 * b + c)) * sr / (1 << 18)


def cents(measured_hz: float, wanted_hz: float) -> float:
    return 1200.0 * np.log2(measured_hz / wanted_hz)


def rms(y: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(y, dtype=np.float64))))


def speech_like(seed: int, sr: int = SR, n: int = SR) -> np.ndarray:
    """A buzz with a gliding pitch under two resonances, an unvoiced burst, silence at both ends."""
    rng = np.random.default_rng(seed)
    t = np.arange(n) / sr
    pitch_hz = 120 + 40 * np.sin(2 * np.pi * 1.5 * t + seed)
    phase = np.cumsum(pitch_hz) / sr
    buzz = sum(np.cos(2 * np.pi * h * phase) / (1 + ((h * pitch_hz - 700) / 300) ** 2) for h in range(1, 25))
    hiss = rng.standard_normal(n) * (t > 0.6) * (t < 0.75) * 0.5
    envelope = np.clip((t - 0.15) / 0.05, 0, 1) * np.clip((0.85 - t) / 0.05, 0, 1)
    return (0.2 * (buzz + hiss) * envelope).astype(np.float32)


@pytest.mark.parametrize("method", [*METHODS, "speed"])
@pytest.mark.parametrize("rate", [0.5, 0.7, 0.97, 1.1, 1.3, 2.0])
@pytest.mark.parametrize("n", [SR, 17640, 12345, 2000])
def test_length_is_exact(method, rate, n):
    y = np.resize(speech_like(0), n)
    stretched = time_stretch(y, rate, method=method)
    assert stretched.shape == (round(n / rate),)
    assert stretched.dtype == np.float32
    assert np.isfinite(stretched).all()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n_steps", [-12, -5, -0.3, 1, 7, 12])
def test_pitch_shift_keeps_the_length(method, n_steps):
    for n in (SR, 12345):
        shifted = pitch_shift(np.resize(speech_like(1), n), SR, n_steps, method=method)
        assert shifted.shape == (n,)
        assert np.isfinite(shifted).all()


@pytest.mark.parametrize("method", METHODS)
def test_rate_1_and_0_steps_are_the_identity(method):
    y = speech_like(2)
    for same in (time_stretch(y, 1.0, method=method), pitch_shift(y, SR, 0, method=method)):
        np.testing.assert_array_equal(same, y)
        assert not np.shares_memory(same, y)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("rate", [0.5, 0.8, 1.25, 2.0])
@pytest.mark.parametrize(("hz", "sr"), [(110.0, 16000), (440.0, 16000), (1234.5, 22050), (3000.0, 16000), (330.0, 8000)])
def test_a_tone_keeps_its_frequency_within_5_cents(method, rate, hz, sr):
    stretched = time_stretch(tone(hz, sr=sr), rate, sr=sr, method=method)
    assert abs(cents(frequency_hz(stretched, sr), hz)) < 5.0


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n_steps", [-12, -7, -1, 0.5, 1, 4, 12])
@pytest.mark.parametrize("hz", [220.0, 1000.0])
def test_a_tone_moves_by_n_steps_within_5_cents(method, n_steps, hz):
    shifted = pitch_shift(tone(hz), SR, n_steps, method=method)
    assert abs(cents(frequency_hz(shifted), hz * 2 ** (n_steps / 12))) < 5.0


@pytest.mark.parametrize("rate", [0.5, 0.7, 0.9, 1.1, 1.3, 1.7, 2.0])
@pytest.mark.parametrize("places", [(0.2, 0.6), (0.3, 0.42), (0.05, 0.9), (0.111, 0.5)])
@pytest.mark.parametrize("length", [1, 40])
def test_two_clicks_land_in_their_place_with_wsola(rate, places, length):
    y = np.zeros(SR, np.float32)
    for place in places:
        y[round(place * SR) : round(place * SR) + length] = 0.8 * np.exp(-np.arange(length) / 10.0)
    stretched = np.abs(time_stretch(y, rate))
    loud = np.flatnonzero(stretched > 0.2)
    found = loud[np.flatnonzero(np.diff(loud, prepend=-SR) > 0.02 * SR)] / SR
    assert found.size == 2, f"{found} for {places} at rate {rate}"
    np.testing.assert_allclose(found, np.array(places) / rate, atol=0.002)


# librosa's phase vocoder, which "vocoder" reproduces, loses up to 3.5 dB of speech and stops in the middle of a sound.
@pytest.mark.parametrize("method", ["wsola", "vocoder-locked"])
@pytest.mark.parametrize("rate", [0.5, 0.7, 0.9, 1.1, 1.3, 2.0])
def test_the_level_stays_within_1_db(method, rate):
    noise = 0.1 * np.random.default_rng(0).standard_normal(SR).astype(np.float32)
    for y in (tone(300.0), speech_like(3), noise):
        for changed in (time_stretch(y, rate, method=method), pitch_shift(y, SR, 12 * np.log2(rate), method=method)):
            assert abs(20 * np.log10(rms(changed) / rms(y))) < 1.0


def test_the_level_of_real_clips_stays_within_1_db(kws_data):
    for path in sorted((kws_data / "speech_commands").glob("*/*_nohash_*.*"))[::400]:
        y, sr = soundfile.read(path, dtype="float32")
        for rate in (0.7, 1.3, 2.0):
            for changed in (time_stretch(y, rate, sr=sr), pitch_shift(y, sr, -12 * np.log2(rate))):
                assert abs(20 * np.log10(rms(changed) / rms(y))) < 1.0, (path, rate)


@pytest.mark.parametrize("method", ["wsola", "vocoder-locked"])
@pytest.mark.parametrize("rate", [0.6, 0.9, 1.1, 1.6])
def test_no_click_at_the_ends(method, rate):
    fade = np.clip(np.arange(SR) / 160, 0, 1) * np.clip((SR - 1 - np.arange(SR)) / 160, 0, 1)
    y = (tone(200.0) * fade).astype(np.float32)
    steepest = np.abs(np.diff(y)).max()
    for changed in (time_stretch(y, rate, method=method), pitch_shift(y, SR, 12 * np.log2(rate), method=method)):
        limit = 1.5 * steepest * max(1.0, rate)
        closed = np.concatenate([[0.0], changed, [0.0]])
        assert np.abs(np.diff(closed)[:800]).max() < limit
        assert np.abs(np.diff(closed)[-800:]).max() < limit


@pytest.mark.parametrize("method", [*METHODS, "speed"])
def test_silence_stays_silence(method):
    assert not time_stretch(np.zeros(SR, np.float32), 1.3, method=method).any()
    if method != "speed":
        assert not pitch_shift(np.zeros(SR, np.float32), SR, 3, method=method).any()


@pytest.mark.parametrize("method", [*METHODS, "speed"])
@pytest.mark.parametrize("factor", [0.5, 0.1, 1e-3])
def test_linear_in_amplitude(method, factor):
    y = speech_like(4)
    if factor != 0.5 and method.startswith("vocoder"):
        # In digital silence a phase vocoder, librosa's too, takes its phases from rounding errors, and these change with the level.
        y += 1e-4 * np.random.default_rng(0).standard_normal(y.size).astype(np.float32)
    scaled = time_stretch(np.float32(factor) * y, 0.8, method=method) / np.float32(factor)
    np.testing.assert_allclose(scaled, time_stretch(y, 0.8, method=method), atol=1e-3 if method.startswith("vocoder") else 2e-6)


@pytest.mark.parametrize("method", [*METHODS, "speed"])
@pytest.mark.parametrize("rate", [0.5, 0.9, 1.3, 2.0])
@pytest.mark.parametrize("n", [0, 1, 2, 7, 100, 480, 961])
def test_short_clips_are_defined(method, rate, n):
    y = np.full(n, 0.25, np.float32)
    stretched = time_stretch(y, rate, method=method)
    assert stretched.shape == (round(n / rate),)
    assert np.isfinite(stretched).all()
    if method != "speed":
        assert pitch_shift(y, SR, 2, method=method).shape == (n,)


@pytest.mark.parametrize("rate", [0.5, 0.8, 1.3, 2.0])
@pytest.mark.parametrize("n", [1000, 1600])
def test_a_short_tone_keeps_its_pitch(rate, n):
    """Down to just above one piece of 30 ms; shorter ones are resampled."""
    y = tone(400.0)[:n]
    stretched = time_stretch(y, rate)
    crossings = np.flatnonzero(np.diff(np.signbit(stretched)))
    periods = np.diff(crossings) / 20.0  # half periods of 20 samples
    assert 0.9 < np.median(periods) < 1.1
    assert np.abs(stretched).max() < 0.55


def test_a_batch_is_its_clips():
    Y = np.stack([speech_like(5), speech_like(6)])
    stretched = time_stretch(Y, 1.2)
    assert stretched.shape == (2, round(SR / 1.2))
    for row, clip in zip(stretched, Y, strict=True):
        np.testing.assert_array_equal(row, time_stretch(clip, 1.2))
    assert time_stretch(Y[:0], 1.2).shape == (0, round(SR / 1.2))
    np.testing.assert_array_equal(pitch_shift(Y, SR, 2.0)[1], pitch_shift(Y[1], SR, 2.0))


def test_int16_and_read_only_input():
    y = (speech_like(7) * 32767).astype(np.int16)
    y.setflags(write=False)
    np.testing.assert_array_equal(time_stretch(y, 1.1), time_stretch(y.astype(np.float32) / 32768, 1.1))


@pytest.mark.parametrize("bad", [0.0, -1.0, 0.01, 100.0, float("nan")])
def test_a_bad_rate_is_refused(bad):
    with pytest.raises(ConfigError, match="rate="):
        time_stretch(tone(100.0), bad)


def test_bad_arguments_are_refused():
    with pytest.raises(ConfigError, match="n_steps=40"):
        pitch_shift(tone(100.0), SR, 40)
    with pytest.raises(ConfigError, match="did you mean vocoder"):
        time_stretch(tone(100.0), 1.1, method="vocodr")
    with pytest.raises(AudioError, match="NaN"):
        time_stretch(np.array([0.0, np.nan]), 1.1)


@settings(max_examples=300)
@given(st.floats(0.1, 10.0) | st.builds(lambda a, b: a / b, st.integers(1, 300), st.integers(1, 300)), st.sampled_from([128, 256, 512]))
def test_a_ratio_becomes_the_fraction_that_is_nearest(value, limit):
    nearest = Fraction(value).limit_denominator(limit)
    assert _nearest_fraction(value, limit) == (nearest.numerator, nearest.denominator)
