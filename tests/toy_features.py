"""A small feature file whose classes are bands of energy: learned in seconds, made without the feature engine."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from kwsfeat import FeatureConfig
from kwsfeat.dataset.columns import Columns
from kwsfeat.dataset.writer import Writer

CONFIG = FeatureConfig(sr=8000, n_samples=2000, output="spectrum", n_fft=64, win_length=64, hop_length=80)
LABELS = ("yes", "no", "up")


def write_toy(path: Path, *, n_clips: int = 120, config: FeatureConfig = CONFIG, noise: float = 1.0, name: str = "toy") -> Path:
    """`n_clips` clips of three classes, 3 in 5 for training, 1 in 5 each for validation and test."""
    rng = np.random.default_rng(0)
    label = np.arange(n_clips) % len(LABELS)
    split = np.array(["train", "validation", "test", "train", "train"])[np.arange(n_clips) // len(LABELS) % 5]
    n_frames, n_features = config.shape
    features = noise * rng.standard_normal((n_clips, n_frames, n_features)).astype(np.float32)
    for row, one in enumerate(label):
        features[row, :, one * n_features // 3 : (one + 1) * n_features // 3] += 2.0
    columns = Columns.of(
        label, split, speaker=[f"s{i // 6}" for i in range(n_clips)], source=[f"{LABELS[one]}/{i}.wav" for i, one in enumerate(label)]
    )
    with Writer(path, columns=columns, labels=LABELS, configs={name: config}, overwrite=True) as writer:
        for index, rows in enumerate(writer.blocks):
            block = writer.empty_block(index)
            block.arrays[f"features/{name}"][:] = features[rows]
            block.arrays["length"][:] = config.n_samples
            block.arrays["audio"][:] = rng.integers(-1000, 1000, block.arrays["audio"].shape)
            writer.write(block)
        writer.finish()
    return path
