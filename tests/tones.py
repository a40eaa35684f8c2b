"""Words made of tones: what the synthetic corpus of the tests says."""

from __future__ import annotations

import numpy as np

WORDS = ("yes", "no", "up")


def tone_clip(word: int, take: int, sr: int = 16000) -> np.ndarray:
    """One second of a word: two partials that rise with the word's number, an envelope, a little noise."""
    rng = np.random.default_rng((word, take))
    t = np.arange(sr) / sr
    pitch_hz = 200.0 * 2.0**word * rng.uniform(0.95, 1.05)
    y = np.sin(2 * np.pi * pitch_hz * t) + 0.4 * np.sin(2 * np.pi * 2.7 * pitch_hz * t)
    y *= np.exp(-0.5 * ((t - rng.uniform(0.4, 0.6)) / 0.15) ** 2) * rng.uniform(0.1, 0.5)
    return (y + 0.003 * rng.standard_normal(sr)).astype(np.float32)
