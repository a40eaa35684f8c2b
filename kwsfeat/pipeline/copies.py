"""Copies of one recording in different splits: what a file trains on and is tested with."""

from __future__ import annotations

import os

import numpy as np

from kwsfeat.dataset.reader import Reader
from kwsfeat.dataset.writer import Writer


def copies_across(writer: Writer) -> tuple[tuple[str, str], ...]:
    """Pairs of recordings of a finished file that have the same samples, one of them in another split than the first of its kind.

    Augmented copies and silence without a sample that is not zero do not count. Where the file holds no audio, recordings count as
    equal that agree in samples all over them.
    """
    receipts = writer.receipts
    columns = writer.columns.take(np.concatenate([receipt.clips for receipt in receipts]))
    prints = np.concatenate([receipt.prints for receipt in receipts])
    rows = np.flatnonzero((prints != 0) & (columns.variant == 0))
    _, first, inverse = np.unique(prints[rows], return_index=True, return_inverse=True)
    pairs = [(int(a), int(b)) for a, b in zip(rows[first[inverse]], rows, strict=True) if columns.split[a] != columns.split[b]]
    with Reader(writer.path) as reader:
        if reader.has_audio:
            pairs = [(a, b) for a, b in pairs if np.array_equal(reader.audio[a], reader.audio[b])]
    return tuple((os.fsdecode(columns.source[a]), os.fsdecode(columns.source[b])) for a, b in pairs)
