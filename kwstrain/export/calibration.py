"""Clips on which the ranges of an integer network are measured: training clips, digital silence, and clips that are too loud.

A run that was trained in the form that listens hears them as it did in training: a word at any phase, among other sounds. A taught
run hears its recordings, and what voices say.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kwsfeat import ConfigError, Reader, StoreError, as_float32
from kwstrain.data.clips import select
from kwstrain.data.streams import Streams
from kwstrain.export.taught import is_taught, taught_clips
from kwstrain.inference.bundle import Bundle

N_CLIPS = 300
FEWEST = 10


def calibration_clips(bundle: Bundle) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Clips to measure ranges on: about 300 training clips, equally many per class, digital silence, and clips so loud that they clip.

    Parameters
    ----------
    bundle : Bundle
        The run; its seed draws the clips.

    Returns
    -------
    waveforms : ndarray, float32, shape (n, n_samples), in [-1, 1]
    lengths : ndarray, int32, shape (n,)
        The number of real samples of each clip.

    Raises
    ------
    StoreError
        If the run's file is missing or has no audio.
    ConfigError
        If it has too few training clips.
    """
    if is_taught(bundle):
        y, _ = taught_clips(bundle)
        return _with_extremes(y, np.full(len(y), y.shape[1], np.int32))
    rng = np.random.default_rng(bundle.config.seed)
    with Reader(bundle.data) as reader:
        bundle.check(reader)
        if not reader.has_audio:
            raise StoreError(f"{bundle.data} holds no audio, on which ranges are measured: build it again without --no-audio")
        rows = reader.rows("train")
        if (is_original := reader.variant[rows] == 0).any():  # a grid has augmented clips alone
            rows = rows[is_original]
        if len(rows) < FEWEST:
            raise ConfigError(
                f"{bundle.data} has {len(rows)} training clips, at least {FEWEST} are needed to measure ranges: build it with more"
            )
        per_class = -(-N_CLIPS // len(bundle.labels))
        chosen = [rng.permutation(rows[reader.label[rows] == label])[:per_class] for label in range(len(bundle.labels))]
        y, length = _heard(bundle, reader, rows, np.sort(np.concatenate(chosen)))
    return _with_extremes(y, length)


def _with_extremes(y: NDArray[np.float32], length: NDArray[np.int32]) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Clips, digital silence, and clips that are too loud."""
    n_loud = max(1, len(y) // 20)
    silence = np.zeros((4, y.shape[1]), np.float32)
    loud = np.clip(np.float32(20) * y[:n_loud], -1, 1)
    whole = np.full(len(silence), y.shape[1], np.int32)
    return np.concatenate([y, silence, loud]), np.concatenate([length, whole, length[:n_loud]])


def _heard(
    bundle: Bundle, reader: Reader, split: NDArray[np.int64], rows: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Waveforms and lengths of the clips at `rows`; for a stream, the last clip's length of the examples that `evaluate` makes of them."""
    if not bundle.config.stream:
        return as_float32(reader.audio[rows]), np.asarray(reader.length[rows], np.int32)
    n_samples = bundle.feature_config.n_samples
    examples = Streams(select(reader, bundle.feature_name, split), bundle.config, "off").waveforms(rows, 0)
    return np.ascontiguousarray(examples[:, -n_samples:]), np.full(len(rows), n_samples, np.int32)


def judged_clips(bundle: Bundle) -> tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.int32], str]:
    """Waveforms, lengths and classes of the test clips, as the run hears them, and the name of the split.

    Without test clips they are the validation clips, and without these the training clips.

    Raises
    ------
    StoreError
        If the run's file is missing or has no audio.
    ConfigError
        If it has no labelled clip.
    """
    if is_taught(bundle):
        y, label = taught_clips(bundle)
        return y, np.full(len(y), y.shape[1], np.int32), label, "taught"
    with Reader(bundle.data) as reader:
        for split in ("test", "validation", "train"):
            rows = reader.rows(split)
            rows = rows[reader.label[rows] >= 0]
            if len(rows):
                return *_heard(bundle, reader, rows, rows), np.asarray(reader.label[rows], np.int32), split
    raise ConfigError(f"{bundle.data} holds no labelled clip")
