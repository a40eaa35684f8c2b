"""A recogniser of tones: it needs no network, and its posteriors can be computed by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from kwsfeat import Interval

SR = 8000
LABELS = ("yes", "no", "silence")
TONES_HZ = {"yes": 1000, "no": 2000}
HOP_S = 0.1


class ToneRecognizer:
    """The posterior of a word is the amplitude of its tone in the last 0.1 s; a frame's digits do not depend on chunks."""

    labels, mode, hop_s, latency, cost = LABELS, "windowed", HOP_S, HOP_S, "tones"

    def __init__(self, run: Any = "", *, sr: int | None = None, mode: str = "auto", hop_ms: float = 100.0) -> None:
        if not Path(run, "bundle.json").exists():
            raise FileNotFoundError(run)
        self.sr = sr or SR
        self.reset()

    def reset(self) -> None:
        self._waiting, self._n, self.frame_times = np.zeros(0), 0, np.zeros(0)

    def feed(self, samples: np.ndarray, sr: int | None = None) -> np.ndarray:
        self.sr = sr or self.sr
        y = samples / 32768 if samples.dtype == np.int16 else samples
        self._waiting = np.concatenate([self._waiting, y])
        hop = round(HOP_S * self.sr)
        n = len(self._waiting) // hop
        frames, self._waiting = self._waiting[: n * hop].reshape(n, hop), self._waiting[n * hop :]
        t = np.arange(hop) / self.sr
        given = [np.abs(frames @ np.exp(-2j * np.pi * hz * t)) * 2 / hop for hz in TONES_HZ.values()]
        self.frame_times = HOP_S * np.arange(self._n + 1, self._n + n + 1)
        self._n += n
        return np.clip(np.stack([*given, 1 - sum(given, np.zeros(n))], axis=1), 0, 1).astype(np.float32)

    def finish(self) -> np.ndarray:
        self.reset()
        return np.zeros((0, len(LABELS)), np.float32)


def tones(seconds: float, *said: tuple[str, float, float], sr: int = SR) -> np.ndarray:
    """Silence with tones of 0.3 s: (word, start in s, amplitude)."""
    y = np.zeros(round(seconds * sr))
    for word, start_s, amplitude in said:
        at = round(start_s * sr)
        n = round(0.3 * sr)
        y[at : at + n] = amplitude * np.sin(2 * np.pi * TONES_HZ[word] * np.arange(n) / sr)
    return y


def reference(*said: tuple[str, float]) -> list[Interval]:
    return [Interval(start_s, start_s + 0.3, word, snr_db=10 * start_s, level_db=-20) for word, start_s in said]
