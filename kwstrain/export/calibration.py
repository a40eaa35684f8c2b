"""Clips on which an integer network's ranges are measured: words and noise of the training, and what a microphone gives besides."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kwsfeat import ConfigError, Reader, StoreError, as_float32
from kwstrain.inference.bundle import Bundle

N_CLIPS = 300
FEWEST = 10


def calibration_clips(bundle: Bundle) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Waveforms float32 (n, n_samples) in [-1, 1] and the real samples of each, drawn with the run's seed.

    The training clips of the run's file in equal parts of all classes, digital silence, and clips so loud that they clip.

    Raises
    ------
    StoreError
        If the file is gone or holds no audio.
    ConfigError
        If it has too few training clips.
    """
    rng = np.random.default_rng(bundle.config.seed)
    with Reader(bundle.data) as reader:
        bundle.check(reader)
        if not reader.has_audio:
            raise StoreError(f"{bundle.data} holds no audio, on which ranges are measured: build it again without --no-audio")
        rows = reader.rows("train")
        rows = rows[reader.variant[rows] == 0]
        if len(rows) < FEWEST:
            raise ConfigError(
                f"{bundle.data} has {len(rows)} training clips, at least {FEWEST} are needed to measure ranges: build it with more"
            )
        per_class = -(-N_CLIPS // len(bundle.labels))
        chosen = [rng.permutation(rows[reader.label[rows] == label])[:per_class] for label in range(len(bundle.labels))]
        rows = np.sort(np.concatenate(chosen))
        y = as_float32(reader.audio[rows])
        length = np.asarray(reader.length[rows], np.int32)
    n_loud = max(1, len(y) // 20)
    silence = np.zeros((4, y.shape[1]), np.float32)
    loud = np.clip(np.float32(20) * y[:n_loud], -1, 1)
    whole = np.full(len(silence), y.shape[1], np.int32)
    return np.concatenate([y, silence, loud]), np.concatenate([length, whole, length[:n_loud]])


def judged_clips(bundle: Bundle) -> tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.int32], str]:
    """Waveforms, lengths and classes of the test clips, of the validation clips where there are none; and the split's name."""
    with Reader(bundle.data) as reader:
        for split in ("test", "validation", "train"):
            rows = reader.rows(split)
            rows = rows[reader.label[rows] >= 0]
            if len(rows):
                y = as_float32(reader.audio[rows])
                return y, np.asarray(reader.length[rows], np.int32), np.asarray(reader.label[rows], np.int32), split
    raise ConfigError(f"{bundle.data} holds no labelled clip")
