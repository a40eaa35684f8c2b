"""What a taught word lets through of the caller's own negatives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kwstrain.detection.point import OperatingPoint
from kwstrain.teaching.bank import score_stream
from kwstrain.teaching.choices import OTHER
from kwstrain.teaching.embeddings.embedding import Embedding, Vectors


@dataclass(frozen=True)
class FalseAlarm:
    """An event in a recording without the word: when, in s, and its score from 0 to 1."""

    path: Path
    time_s: float
    score: float


def false_alarms(
    heard: Mapping[Path, Vectors], e: Embedding, word: str, layer: tuple[NDArray[np.float64], NDArray[np.float64]], point: OperatingPoint
) -> list[FalseAlarm]:
    """The events of a detector in recordings, the highest first.

    Parameters
    ----------
    heard : mapping of Path to ndarray
        The vectors (n, dim) of each recording.
    e : Embedding
        Whose vectors they are.
    word : str
    layer : tuple of ndarray
        Kernels (n_templates, window, dim, 2) and bias (2,) of the classes word and anything else.
    point : OperatingPoint
    """
    kernels, bias = layer
    window = kernels.shape[1]
    found = []
    for path, vectors in heard.items():
        if len(vectors) < window:
            continue
        logits = np.max([score_stream(vectors, one[..., 0] - one[..., 1]) for one in kernels], axis=0) + bias[0] - bias[1]
        p = 1 / (1 + np.exp(-logits))
        rows = np.stack([p, 1 - p], axis=1).astype(np.float32)
        events = point.detector((word, OTHER)).feed(rows, e.times(len(vectors))[window - 1 :])
        found += [FalseAlarm(path, event.time_s, event.score) for event in events]
    return sorted(found, key=lambda one: -one.score)
