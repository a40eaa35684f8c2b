"""Our features against librosa 0.11 and scipy themselves, on real and on synthetic clips."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.signal
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import noise_clip

import kwsfeat
from kwsfeat import FeatureConfig, FrontEnd, preset

librosa = pytest.importorskip("librosa")


def real_clips(kws_data: Path, sr: int, n_samples: int, n: int = 60) -> list[np.ndarray]:
    """`n` recordings, spread over all words, resampled and padded by the peers' own functions."""
    paths = sorted((kws_data / "speech_commands").glob("[a-z]*/*_nohash_0.flac"))
    clips = []
    for path in paths[:: len(paths) // n][:n]:
        y, native = soundfile.read(path, dtype="float32")
        y = y if native == sr else librosa.resample(y, orig_sr=native, target_sr=sr)
        clips.append(np.pad(y, (0, max(0, n_samples - y.size)))[:n_samples].astype(np.float32))
    assert len(clips) == n
    return clips


def mel_power(y: np.ndarray, c: FeatureConfig) -> np.ndarray:
    return librosa.feature.melspectrogram(
        y=y, sr=c.sr, n_fft=c.n_fft, win_length=c.win_length, hop_length=c.hop_length, n_mels=c.n_mels, fmin=c.fmin_hz, fmax=c.fmax_hz,
        pad_mode="reflect" if c.framing == "reflect" else "constant", htk=c.mel_scale == "htk",
        norm="slaney" if c.mel_norm == "slaney" else None,
    )  # fmt: skip


def low_passed(y: np.ndarray) -> np.ndarray:
    return scipy.signal.sosfilt(scipy.signal.butter(35, 3000 / 8000, output="sos"), y.astype(np.float64))


def librosa_features(name: str, y: np.ndarray, c: FeatureConfig) -> np.ndarray:
    """What a user of librosa and scipy writes for the preset `name`; time last, as they have it."""
    if name in ("logmel",):
        return np.log(np.maximum(mel_power(y, c), 1e-10))
    if name == "mfcc":
        return librosa.feature.mfcc(S=librosa.power_to_db(mel_power(y, c)), n_mfcc=13)
    if name == "mel75":
        db = librosa.power_to_db(mel_power(low_passed(y), c), ref=1.0, amin=1e-10, top_db=80)
        return db / np.maximum(np.abs(db).sum(axis=1, keepdims=True), 1e-30)
    if name == "mfcc75":
        return librosa.feature.mfcc(S=librosa.power_to_db(mel_power(low_passed(y), c)), n_mfcc=75)
    if name == "mfcc75-power":
        return librosa.feature.mfcc(S=mel_power(low_passed(y), c), n_mfcc=75)
    if name in ("logspec16k", "logspec8k"):
        S = scipy.signal.spectrogram(y.astype(np.float64), c.sr, window="hann", nperseg=c.sr // 50, noverlap=c.sr // 100, detrend=False)[2]
        return np.log(S + 1e-10)
    if name in ("logmel64", "librosa"):
        return librosa.power_to_db(mel_power(y, c))
    assert name == "bcresnet"
    return np.log(mel_power(y, c) + 1e-6)


# What a whole clip is summed into has no single level. mel75: rows divided by their norm, largest value 0.02. The MFCC sum up to 75
# dB values, those of the deep CNN down into the stop band of its low-pass.
TOLERANCE = {"mel75": 1e-6, "mfcc": 1e-3, "mfcc75": 1e-3, "mfcc75-power": 1e-3}


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["logmel", "mfcc", "mel75", "mfcc75", "mfcc75-power", "logspec16k", "logspec8k", "logmel64", "librosa", "bcresnet"]
)
def test_presets_equal_librosa_and_scipy_on_real_clips(name, kws_data):
    """Every value to 1e-4 (dB: 1e-3) and a relative 1e-4; to 1e-4 alone down to 60 dB (single bins: 50) below the clip's largest.

    Further down librosa's FFT, which is float64 whatever it is given, and our float32 part.
    """
    config = preset(name)
    front_end = FrontEnd(config)
    unit = 10.0 if config.log == "db" else 1.0
    for y in real_clips(kws_data, config.sr, config.n_samples):
        theirs = librosa_features(name, y, config).T
        ours = front_end.extract(y)
        assert ours.shape == theirs.shape == config.shape
        error = np.abs(ours - theirs)
        if name in TOLERANCE:
            assert error.max() < TOLERANCE[name]
        else:
            audible = theirs > theirs.max() - (5.0 if config.output == "spectrum" else 6.0) * (10.0 if config.log == "db" else np.log(10.0))
            assert error[audible].max() < 1e-4 * unit
            np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4 * unit)


@settings(max_examples=40)
@given(
    st.integers(300, 6000), st.sampled_from([200, 256, 400, 512, 1000]), st.integers(10, 400), st.sampled_from(["zero", "reflect"]),
    st.sampled_from(["hann", "hamming", "blackman"]), st.integers(0, 100),
)  # fmt: skip
def test_stft_and_its_inverse_equal_librosa(n_samples, n_fft, hop_length, framing, window, seed):
    y = noise_clip(max(n_samples, n_fft), seed)
    pad_mode = "constant" if framing == "zero" else "reflect"
    theirs = librosa.stft(y, n_fft=n_fft, hop_length=hop_length, window=window, pad_mode=pad_mode)
    ours = kwsfeat.stft(y, n_fft=n_fft, hop_length=hop_length, window=window, framing=framing)
    np.testing.assert_allclose(ours, theirs.T, atol=2e-6 * np.abs(theirs).max())
    if hop_length <= n_fft // 4:
        back = kwsfeat.istft(ours, hop_length=hop_length, window=window, framing=framing, n_samples=y.size)
        covered = slice(0, (ours.shape[0] - 1) * hop_length)  # behind the last frame's centre only a window's tail is left
        np.testing.assert_allclose(back[covered], y[covered], atol=1e-5)
        np.testing.assert_allclose(back, librosa.istft(theirs, n_fft=n_fft, hop_length=hop_length, window=window, length=y.size), atol=1e-4)


@pytest.mark.parametrize("options", [{}, {"ref": "max"}, {"amin": 1e-5, "top_db": None}, {"ref": 0.5, "top_db": 30.0}])
def test_power_to_db_equals_librosa(options):
    S = np.random.default_rng(0).exponential(size=(50, 40)).astype(np.float32) ** 4
    theirs = librosa.power_to_db(S, **{**options, **({"ref": np.max} if options.get("ref") == "max" else {})})
    np.testing.assert_allclose(kwsfeat.power_to_db(S, **options), theirs, atol=2e-5)


@pytest.mark.parametrize("options", [{}, {"n_mfcc": 13, "n_mels": 40}, {"lifter": 22.0}])
def test_mfcc_equals_librosa(options):
    y = noise_clip(16000, 3)
    theirs = librosa.feature.mfcc(y=y, sr=16000, **options)
    np.testing.assert_allclose(kwsfeat.mfcc(y, sr=16000, **options), theirs.T, atol=1e-3, rtol=1e-5)


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("width", [3, 9, 15])
def test_delta_equals_librosa(order, width):
    x = np.random.default_rng(0).standard_normal((30, 7)).astype(np.float32)
    if width == 3 and order == 2:
        pytest.skip("librosa's own weights of a quadratic through three frames lose six digits")
    np.testing.assert_allclose(
        kwsfeat.delta(x, width=width, order=order), librosa.feature.delta(x.T, width=width, order=order).T, atol=1e-5
    )


def test_pcen_equals_librosa():
    y = noise_clip(16000, 4)
    config = FeatureConfig(log="pcen", spectrum="magnitude", input_scale=32768.0)
    S = librosa.feature.melspectrogram(y=y * 32768, sr=16000, n_fft=512, win_length=400, hop_length=160, n_mels=40, power=1.0)
    theirs = librosa.pcen(S, sr=16000, hop_length=160)
    np.testing.assert_allclose(FrontEnd(config).extract(y), theirs.T, rtol=1e-3, atol=1e-4)
