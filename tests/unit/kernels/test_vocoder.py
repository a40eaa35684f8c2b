"""The phase vocoder against librosa, whose algorithm and defaults it has."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import soundfile

from kwsfeat.augment import pitch_shift, time_stretch

pytestmark = pytest.mark.slow

librosa = pytest.importorskip("librosa")

RATES = (0.5, 0.7, 0.9, 1.1, 1.3, 2.0)


def word(seed: int, n: int = 16000, sr: int = 16000) -> np.ndarray:
    """Resonances that move, a burst of noise and a noise floor, as a microphone would record them."""
    rng = np.random.default_rng(seed)
    t = np.arange(n) / sr
    phase = np.cumsum(rng.uniform(100, 220) * (1 + 0.15 * np.sin(2 * np.pi * 2 * t))) / sr
    y = sum(np.cos(2 * np.pi * h * phase + h) / h for h in range(1, 25)) * np.exp(-0.5 * ((t - 0.5 * n / sr) / 0.12) ** 2)
    y += 0.3 * rng.standard_normal(n) * (np.abs(t - 0.7 * n / sr) < 0.05)
    return (0.1 * y + 1e-3 * rng.standard_normal(n)).astype(np.float32)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("n", [16000, 17640, 5000, 1500])
def test_time_stretch_is_librosas(rate, n):
    for seed in range(3):
        y = word(seed, n)
        ours = time_stretch(y, rate, method="vocoder")
        np.testing.assert_allclose(ours, librosa.effects.time_stretch(y.astype(np.float64), rate=rate), atol=1e-3)


@pytest.mark.parametrize("n_steps", [-12, -1, 0.5, 4, 12])
def test_pitch_shift_is_librosas(n_steps):
    y = word(4, 17640, 22050)
    ours = pitch_shift(y, 22050, n_steps, method="vocoder")
    np.testing.assert_allclose(ours, librosa.effects.pitch_shift(y.astype(np.float64), sr=22050, n_steps=n_steps), atol=1e-3)


@pytest.mark.parametrize("n_steps", [-24, -5.5, -0.1, 1, 2, 6.3])
@pytest.mark.parametrize("n", [2048, 5000, 700])
def test_pitch_shift_is_librosas_to_the_last_sample(n_steps, n):
    """Cut in the middle of a sound at both ends, where a resampler meets silence; soxr's own start included."""
    y = word(6, 16000)[6000 : 6000 + n]
    exact = librosa.effects.pitch_shift(y.astype(np.float64), sr=16000, n_steps=n_steps)
    np.testing.assert_allclose(pitch_shift(y, 16000, n_steps, method="vocoder"), exact, atol=5e-4)


def recordings(data: Path, count: int) -> list[Path]:
    found = sorted((data / "speech_commands").glob("*/*_nohash_*.*"))
    return found[:: len(found) // count][:count]


def test_real_clips_are_librosas(kws_data):
    """Within 1e-3 of librosa in float64. In float32 librosa's own phases, which grow to 1e5 radians, cost it as much at rate 0.5."""
    for path in recordings(kws_data, 24):
        y, sr = soundfile.read(path, dtype="float32")
        for rate in RATES:
            exact = librosa.effects.time_stretch(y.astype(np.float64), rate=rate)
            ours = time_stretch(y, rate, sr=sr, method="vocoder")
            assert ours.shape == exact.shape
            np.testing.assert_allclose(ours, exact, atol=2e-4)
            if rate >= 0.7:
                np.testing.assert_allclose(ours, librosa.effects.time_stretch(y, rate=rate), atol=1e-3)
        for n_steps in (-2, 3):
            exact = librosa.effects.pitch_shift(y.astype(np.float64), sr=sr, n_steps=n_steps)
            np.testing.assert_allclose(pitch_shift(y, sr, n_steps, method="vocoder"), exact, atol=1e-3)


def locked_with_angles(y: np.ndarray, rate: float) -> np.ndarray:
    """Identity phase locking as Laroche and Dolson write it, with angles, on librosa's transforms in float64."""
    spectrum = librosa.stft(y.astype(np.float64))
    n_frames = spectrum.shape[1]
    spectrum = np.pad(spectrum, ((0, 0), (0, 2)))
    magnitude, angle = np.abs(spectrum), np.angle(spectrum)
    phase = angle[:, 0].copy()
    out = []
    for step in np.arange(0, n_frames, rate):
        i = int(step)
        m = magnitude[:, i]
        inner = np.arange(2, m.size - 2)
        is_peak = (m[inner] > m[inner - 1]) & (m[inner] > m[inner - 2]) & (m[inner] >= m[inner + 1]) & (m[inner] >= m[inner + 2])
        peaks = inner[is_peak] if is_peak.any() else np.array([0])
        borders = [0, *((a + b) // 2 + 1 for a, b in itertools.pairwise(peaks)), m.size]
        for peak, first, last in zip(peaks, borders[:-1], borders[1:], strict=True):
            phase[first:last] = phase[peak] + angle[first:last, i] - angle[peak, i]
        share = step - i
        out.append(((1 - share) * m + share * magnitude[:, i + 1]) * np.exp(1j * phase))
        phase = phase + angle[:, i + 1] - angle[:, i]
    stretched = librosa.istft(np.array(out).T, length=round(y.size / rate))
    stretched[-96:] *= np.linspace(1, 0, 96)
    return stretched * np.sqrt(np.mean(np.square(y, dtype=np.float64)) / np.mean(stretched**2))


@pytest.mark.parametrize("rate", RATES)
def test_locked_vocoder_is_the_one_with_angles(rate):
    y = word(1)
    np.testing.assert_allclose(time_stretch(y, rate, method="vocoder-locked"), locked_with_angles(y, rate), atol=1e-3)
