"""A run that knows two tones, without a training: a network that streams, and whose weights are written by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from random_runs import write_run

from kwsfeat import FeatureConfig, FrontEnd
from kwstrain.inference.bundle import Bundle
from kwstrain.io import save_arrays

CONFIG = FeatureConfig(n_samples=32000, framing="none")
LABELS = ("high", "low", "silence")
HZ = {"high": 2400.0, "low": 700.0}
TONE_S = 1.5


def tones(seconds: float, *said: tuple[str, float], sr: int = 16000) -> np.ndarray:
    """Soft noise, and tones at (word or its frequency in Hz, start in s), int16."""
    t = np.arange(round(seconds * sr)) / sr
    y = 0.002 * np.random.default_rng(5).standard_normal(len(t))
    for word, start_s in said:
        y += ((t >= start_s) & (t < start_s + TONE_S)) * 0.2 * np.sin(2 * np.pi * HZ.get(word, 0) * t)
        if word not in HZ:
            y += ((t >= start_s) & (t < start_s + TONE_S)) * 0.2 * np.sin(2 * np.pi * float(word) * t)
    return np.round(32767 * y).astype(np.int16)


def write_tone_run(folder: Path) -> Bundle:
    """Each layer hands on how far the band of a tone stands out of those around it; the last one decides on the mean."""
    bundle = write_run(folder, "mixednet", CONFIG, filters=8)
    weights = {name: np.zeros_like(value) for name, value in bundle.weights.items()}
    for name, value in weights.items():
        if name.endswith(("/var", "/std", "/scale")):
            value[...] = 1
        elif "/depthwise/" in name:
            value[-1] = 1  # the latest frame
        elif "/pointwise/kernel" in name:
            value[0, 0] = np.eye(*value.shape[2:])
    for channel, hz in enumerate(HZ.values()):
        tone = np.sin(2 * np.pi * hz * np.arange(CONFIG.n_samples) / CONFIG.sr)
        band = int(FrontEnd(CONFIG).extract(tone.astype(np.float32))[50].argmax())
        weights["stem/kernel"][-1, 0, [band, band - 5, band + 5], channel] = 1, -0.5, -0.5
        weights["blocks/0/norm/bias"][channel] = -2
        weights["out/kernel"][channel, channel] = 3
        weights["out/bias"][channel] = -6
    save_arrays(folder / "weights.npz", weights)
    bundle = replace(bundle, labels=LABELS, mean=weights["input_norm/mean"], std=weights["input_norm/std"])
    bundle.save()
    return bundle
