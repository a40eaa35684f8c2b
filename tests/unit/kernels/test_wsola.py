"""The WSOLA and resampling kernels against slow, obvious versions of themselves."""

from __future__ import annotations

import numpy as np
import pytest

from kwsfeat.augment import time_stretch
from kwsfeat.augment.stretch import Pieces, _fraction, _Wsola, resample

SR = 16000


def naive_onsets(y: np.ndarray, past: int) -> list[int]:
    blocks = y[: y.size // 16 * 16].reshape(-1, 16).astype(np.float64)
    level = (blocks**2).sum(axis=1)
    found: list[int] = []
    quiet_until = 2
    for b in range(2, len(level)):
        if b >= quiet_until and level[b] > 16 * level[max(0, b - past) : b].max() and level[b] > 1e-5 * level.max():
            loud = np.abs(blocks[b]) >= 0.5 * np.abs(blocks[b]).max()
            found.append(16 * b + int(loud.argmax()))
            quiet_until = b + past
    return found


def naive_wsola(y: np.ndarray, rate: float, pieces: Pieces) -> np.ndarray:
    """Pieces one after the other, each found by a normalised correlation at every lag; only for clips without onsets."""
    hop, overlap, search = pieces.hop, pieces.overlap, pieces.search
    length = hop + overlap
    n_out = round(y.size / rate)
    n_pieces = -(-(n_out - overlap) // hop)
    padded = np.concatenate([y.astype(np.float64), np.zeros(length)])
    out = np.zeros(n_pieces * hop + overlap)
    start = 0
    for k in range(n_pieces):
        at, natural = k * hop, start + hop
        middle = round(rate * (at + length / 2) - length / 2)
        low, high = (int(np.clip(middle + side, 0, y.size - length)) for side in (-search, search))
        if k == 0:
            natural = low = high = 0
        if k == n_pieces - 1:
            low = high = y.size - n_out + at
        target = padded[natural : natural + overlap]
        energy = np.dot(target, target)
        scores = []
        for lag in range(low, high + 1):
            candidate = padded[lag : lag + overlap]
            correlation = np.dot(target, candidate) / np.sqrt(energy * (np.dot(candidate, candidate) + 1e-4 * energy) + 1e-30)
            scores.append((correlation - 0.005 * ((lag - (low + high) // 2) / search) ** 2, correlation, lag))
        _, correlation, start = max(scores, key=lambda s: s[0])
        rho = np.clip(correlation, 0.0, 1.0)
        w = 0.5 - 0.5 * np.cos(np.pi * (np.arange(overlap) + 0.5) / overlap)
        gain = 1.0 / np.sqrt(w**2 + (1 - w) ** 2 + 2 * rho * w * (1 - w))
        if start == natural:
            gain = 1.0
        out[at : at + overlap] = (target * (1 - w) + padded[start : start + overlap] * w) * gain
        out[at + overlap : at + length] = padded[start + overlap : start + length]
    stretched = out[:n_out]
    return stretched * np.sqrt(np.mean(np.square(y, dtype=np.float64)) / np.mean(stretched**2))


def voice(seed: int) -> np.ndarray:
    """A buzz with a gliding pitch in noise, loud from the first sample on: no onset."""
    rng = np.random.default_rng(seed)
    t = np.arange(SR) / SR
    phase = np.cumsum(rng.uniform(90, 250) * (1 + 0.1 * np.sin(2 * np.pi * 3 * t))) / SR
    return (0.05 * sum(np.cos(2 * np.pi * h * phase) for h in range(1, 9)) + 0.02 * rng.standard_normal(SR)).astype(np.float32)


@pytest.mark.parametrize("rate", [0.5, 0.83, 1.02, 1.3, 2.0])
@pytest.mark.parametrize("seed", [0, 1])
def test_wsola_is_its_naive_twin(rate, seed):
    y = voice(seed)
    assert naive_onsets(y, Pieces.at(SR).past) == []
    np.testing.assert_allclose(time_stretch(y, rate, sr=SR), naive_wsola(y, rate, Pieces.at(SR)), atol=2e-5)


@pytest.mark.parametrize("seed", range(6))
def test_onsets_are_their_naive_twins(seed):
    rng = np.random.default_rng(seed)
    y = 0.001 * rng.standard_normal(SR)
    for start in rng.integers(100, SR - 2000, 6):
        y[start : start + 400] += rng.uniform(0.05, 0.5) * rng.standard_normal(400) * np.exp(-np.arange(400) / 80)
    y = y.astype(np.float32)
    pieces = Pieces.at(SR)
    assert _Wsola(y, pieces).marks.tolist() == naive_onsets(y, pieces.past)
    assert len(naive_onsets(y, pieces.past)) >= 3


@pytest.mark.parametrize("sr", [8000, 16000, 22050, 44100, 48000])
def test_the_beats_of_a_voice_are_no_onsets(sr):
    t = np.arange(sr) / sr
    beats = (np.sin(2 * np.pi * 100 * t) > 0.999) * 1.0
    ring = np.exp(-np.arange(round(0.02 * sr)) / (0.003 * sr)) * np.sin(2 * np.pi * 700 * np.arange(round(0.02 * sr)) / sr)
    y = np.convolve(beats, ring)[: t.size].astype(np.float32)
    assert _Wsola(y, Pieces.at(sr)).marks.size <= 1


def naive_resample(y: np.ndarray, ratio: float, n_out: int) -> np.ndarray:
    """The definition: a windowed sinc around every output sample, in float64."""
    cutoff = min(1.0, 1.0 / ratio)
    out = np.zeros(n_out)
    for i in range(n_out):
        distance = (np.arange(y.size) - i * ratio) * cutoff
        inside = np.abs(distance) <= 48
        window = np.i0(8.96 * np.sqrt(np.maximum(0.0, 1 - (distance[inside] / 48) ** 2))) / np.i0(8.96)
        out[i] = np.sum(y[inside] * cutoff * 0.94 * np.sinc(0.94 * distance[inside]) * window)
    return out


@pytest.mark.parametrize("ratio", [0.5, 101 / 107, 1.25, 107 / 101, 2.0])
def test_resampling_is_its_naive_twin(ratio):
    y = np.random.default_rng(0).standard_normal(700).astype(np.float32)
    n_out = round(700 / ratio)
    np.testing.assert_allclose(resample(y, ratio, n_out), naive_resample(y, ratio, n_out), atol=3e-5)


@pytest.mark.parametrize("n_steps", [-7, -1, 1, 7])
def test_resampling_is_as_good_as_soxr_in_the_band_that_both_keep(n_steps):
    """Up to 0.85 of the lower Nyquist frequency: the same samples, 80 dB down."""
    import soxr
    from scipy.signal import firwin

    ratio = np.divide(*_fraction(2.0 ** (n_steps / 12)))
    noise = np.random.default_rng(0).standard_normal(SR)
    y = np.convolve(noise, firwin(501, 0.83 * min(1.0, 1 / ratio), window=("kaiser", 12)), "same").astype(np.float32)
    n_out = round(SR / ratio)
    middle = slice(500, n_out - 500)
    difference = resample(y, ratio, n_out)[middle] - soxr.resample(y.astype(np.float64), ratio, 1.0, quality="VHQ")[middle]
    assert 20 * np.log10(np.std(difference) / np.std(y)) < -80.0


def test_ratios_become_near_fractions():
    def error_cents(n_steps: float) -> float:
        ratio = 2.0 ** (n_steps / 12)
        return abs(1200 * np.log2(np.divide(*_fraction(ratio)) / ratio))

    assert max(error_cents(n_steps) for n_steps in np.linspace(-36, 36, 2001)) < 1.7
    assert max(error_cents(n_steps) for n_steps in range(-12, 13)) < 0.11
