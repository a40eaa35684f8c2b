"""In which order an epoch takes the clips of a split: each once in any order, classes evenly, or windows of a split that fits no memory.

Rows that are drawn from all over a large data set are as many short reads, each of which a disk must look for. So such a split is
read in pieces, whole and in order; the pieces of a window, which come from all over the data set, lie in memory together, and
batches are drawn from them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_WINDOWED_BYTES = 4 << 30  # a split up to this size stays in memory after its first epoch
_PIECE_BYTES = 1 << 20
_WINDOW_BYTES = 128 << 20


@dataclass(frozen=True)
class Windows:
    """Windows of `steps` steps each, of pieces of `piece` clips that are neighbours in the split."""

    piece: int
    steps: int

    @classmethod
    def of(cls, n_clips: int, row_bytes: int, batch: int) -> Windows | None:
        """Those of a split of which `row_bytes` are read for a clip, `batch` clips a step; None where it is small.

        They follow from the data and the batch alone: every machine, and any number of processes, takes the same batches.
        """
        if n_clips * row_bytes <= _WINDOWED_BYTES:
            return None
        return cls(max(1, _PIECE_BYTES // row_bytes), max(1, _WINDOW_BYTES // (row_bytes * batch)))


def balanced_order(label: NDArray[np.int32], rng: np.random.Generator) -> NDArray[np.int64]:
    """As many places as there are clips, in random order, each class that occurs as often as the others (to within one).

    Within a class every clip is taken once before one is taken again.
    """
    classes = np.unique(label)
    share = np.full(len(classes), len(label) // len(classes))
    share[rng.permutation(len(classes))[: len(label) % len(classes)]] += 1
    drawn = []
    for one, n in zip(classes, share, strict=True):
        places = np.flatnonzero(label == one)
        drawn += [rng.permutation(places) for _ in range(n // len(places))] + [rng.permutation(places)[: n % len(places)]]
    return rng.permutation(np.concatenate(drawn))


def windowed_order(clips: NDArray[np.int64], batch: int, windows: Windows, rng: np.random.Generator) -> NDArray[np.int64]:
    """`clips`, which ascend, in an order that needs one window of them at a time.

    Column c of all batches of a window comes from part c of its pieces: a process that takes some of the columns reads some of the
    pieces, and each of these alone.
    """
    size, piece = windows.steps * batch, np.arange(len(clips)) // windows.piece
    shuffled = clips[np.argsort(rng.permutation(piece[-1] + 1)[piece], kind="stable")]
    return np.concatenate([_mixed(window, batch, rng) for window in np.split(shuffled, range(size, len(clips), size))])


def _mixed(window: NDArray[np.int64], batch: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """The clips of a window batch by batch; those of a last batch that is not full are drawn first."""
    last = np.sort(rng.choice(len(window), len(window) % batch, replace=False))
    columns = np.delete(window, last).reshape(batch, -1)
    return np.concatenate([rng.permuted(columns, axis=1).T.ravel(), window[last]])
