"""Words that are three tones after another, as somebody would record them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

SR = 16000
RISING, FALLING, STEADY = ((400, 700, 1200), (1200, 700, 400), (900, 900, 900))


def say(word: tuple[int, ...], take: int, *, before_s: float = 0.9, after_s: float = 0.6, level: float = 0.3) -> np.ndarray:
    """Three tones after another, 0.15 s each, in a little noise; each take has its own pitch, speed and noise."""
    rng = np.random.default_rng((take, *word))
    pitch, n = rng.uniform(0.93, 1.07), round(0.15 * SR * rng.uniform(0.9, 1.1))
    t = np.arange(n) / SR
    parts = [sum(np.sin(2 * np.pi * k * pitch * hz * t) / k for k in (1, 2, 3)) * np.hanning(n) ** 0.3 for hz in word]
    y = np.concatenate([np.zeros(round(before_s * SR)), *parts, np.zeros(round(after_s * SR))])
    return (level * y / np.abs(y).max() + 0.001 * rng.standard_normal(len(y))).astype(np.float32)


def write_takes(folder: Path, word: tuple[int, ...], n: int, first: int = 0) -> Path:
    """`n` recordings of a word."""
    folder.mkdir(parents=True, exist_ok=True)
    for take in range(first, first + n):
        soundfile.write(folder / f"take{take:02d}.wav", say(word, take), SR, subtype="PCM_16")
    return folder
