"""Copies of one recording in different splits: what a file trains on and is tested with."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kwsfeat.dataset.reader import Reader


def copies_across(reader: Reader, prints: NDArray[np.uint64]) -> tuple[tuple[str, str], ...]:
    """Pairs of recordings that have the same samples, one of them in another split than the first of its kind.

    `prints` are those of all rows, as :class:`~kwsfeat.dataset.block.Receipt` has them. Of the variants of a recording those count
    that are as it was recorded, together once; silence without a sample that is not zero does not count. Where the file holds no
    audio, recordings count as equal that agree in samples all over them.
    """
    source, start = reader.source, reader.start
    pairs = {
        (source[a], start[a], source[b], start[b]): (str(source[a]), str(source[b]))
        for a, b in equal_rows(reader, prints, reader.columns().split)
    }
    return tuple(pairs.values())


def equal_rows(reader: Reader, prints: NDArray[np.uint64], apart: NDArray[Any]) -> list[tuple[int, int]]:
    """Pairs of rows of equal samples whose values of `apart` differ: the first of its kind, and another. A print of 0 equals none."""
    rows = np.flatnonzero(prints)
    _, first, inverse = np.unique(prints[rows], return_index=True, return_inverse=True)
    original = rows[first[inverse]]
    differ = np.flatnonzero(apart[original] != apart[rows])
    pairs = zip(original[differ].tolist(), rows[differ].tolist(), strict=True)
    return [(a, b) for a, b in pairs if not reader.has_audio or np.array_equal(reader.audio[a], reader.audio[b])]
