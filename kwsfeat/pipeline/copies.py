"""Copies of one recording in different splits: what a file trains on and is tested with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kwsfeat.dataset.reader import Reader


def copies_across(reader: Reader, prints: NDArray[np.uint64]) -> tuple[tuple[str, str], ...]:
    """Pairs of recordings that have the same samples, one of them in another split than the first of its kind.

    `prints` are those of all rows, as :class:`~kwsfeat.dataset.block.Receipt` has them. Augmented copies and silence without a sample
    that is not zero do not count. Where the file holds no audio, recordings count as equal that agree in samples all over them.
    """
    columns = reader.columns()
    rows = np.flatnonzero((prints != 0) & (columns.variant == 0))
    _, first, inverse = np.unique(prints[rows], return_index=True, return_inverse=True)
    original = rows[first[inverse]]
    apart = np.flatnonzero(columns.split[original] != columns.split[rows])
    pairs = list(zip(original[apart].tolist(), rows[apart].tolist(), strict=True))
    if reader.has_audio:
        pairs = [(a, b) for a, b in pairs if np.array_equal(reader.audio[a], reader.audio[b])]
    return tuple((str(reader.source[a]), str(reader.source[b])) for a, b in pairs)
