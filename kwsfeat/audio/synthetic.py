"""Noises that are made, not recorded: coloured, hum, babble, and seconds of near silence."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kwsfeat.audio.waveform import as_int16

SR = 16000
COLOURS = {"white": 0.0, "pink": 1.0, "brown": 2.0}  # power falls with frequency to this power


def coloured(n: int, rng: np.random.Generator, colour: str) -> NDArray[np.float32]:
    """`n` samples of noise of one of COLOURS, flat below 20 Hz, mean square 1; float32."""
    spectrum = np.fft.rfft(rng.standard_normal(n))
    spectrum *= np.maximum(np.fft.rfftfreq(n, 1 / SR), 20.0) ** (-COLOURS[colour] / 2.0)
    spectrum[0] = 0.0
    return _unit_power(np.fft.irfft(spectrum, n))


def hum(n: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """`n` samples of mains hum: 50 Hz and its harmonics, a little hiss; mean square 1, float32."""
    t = np.arange(n) / SR
    y = sum(np.sin(2 * np.pi * 50.0 * k * t + rng.uniform(0, 2 * np.pi)) / k for k in range(1, 13))
    return _unit_power(y + 0.1 * rng.standard_normal(n))


def babble(n: int, rng: np.random.Generator, words: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """`n` samples of `words` over each other, about eight at any time; mean square 1, float32."""
    y = np.zeros(n)
    n_spoken = 0
    while n_spoken < 8 * n:
        word = words[int(rng.integers(len(words)))][:n]
        first = int(rng.integers(-len(word) + 1, n))
        part = word[max(0, -first) : n - first]
        y[max(0, first) : max(0, first) + len(part)] += part
        n_spoken += len(part)
    return _unit_power(y)


def silence_wav(index: int, seconds: float = 1.0) -> bytes:
    """A WAV file of `seconds` of nearly nothing: coloured noise between -80 and -40 dB. Equal for equal `index` and length."""
    import soundfile

    rng = np.random.default_rng((0x51E7CE, index))
    y = coloured(round(SR * seconds), rng, list(COLOURS)[index % 3]) * np.float32(10.0 ** (rng.uniform(-80.0, -40.0) / 20.0))
    file = io.BytesIO()
    soundfile.write(file, as_int16(y), SR, format="WAV", subtype="PCM_16")
    return file.getvalue()


def _unit_power(y: NDArray[np.float64]) -> NDArray[np.float32]:
    return np.asarray(y / np.sqrt(np.mean(np.square(y))), np.float32)
