"""The clips of a split: rows of one feature set of a file."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kwsfeat import FeatureConfig, Reader, StoreError
from kwstrain.data.batches import Block

_DIGESTED = 1 << 16  # clips at a time


@dataclass(frozen=True)
class Clips:
    """Some rows of one feature set: what a split is made of. Unlabelled rows are left out by :func:`select`."""

    reader: Reader
    name: str
    rows: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def label(self) -> NDArray[np.int32]:
        """Class of each clip, int32, shape (n,)."""
        return np.asarray(self.reader.label[self.rows], np.int32)

    @property
    def nbytes(self) -> int:
        """Size of the features in bytes."""
        features = self.reader.features(self.name)
        return int(len(self) * features.nbytes / len(features))

    def load(self, rows: NDArray[np.int64], epoch: int = 0) -> Block:
        """The clips at `rows` of the file (of any shape, taken in order), in memory; the same in every epoch."""
        rows = rows.ravel()
        first, last = frame_range(self.reader.config(self.name), self.reader.length[rows])
        return Block(self.reader.features(self.name)[rows], np.asarray(self.reader.label[rows], np.int32), first, last)

    def check(self, rows: NDArray[np.int64]) -> None:
        """Refuse features that are not finite among `rows` of the file, of which there may be many.

        Raises
        ------
        StoreError
            With the first such row.
        """
        features = self.reader.features(self.name)
        for row in rows.ravel():
            if not np.isfinite(features[row]).all():
                raise StoreError(
                    f"the features of row {row} are not finite; run kwsfeat verify {self.reader.path}, and build the file again"
                )


def select(reader: Reader, name: str, rows: NDArray[np.int64]) -> Clips:
    """The labelled ones among `rows`.

    Raises
    ------
    StoreError
        If the file has no such row.
    """
    if rows.size and not 0 <= rows.min() <= rows.max() < len(reader.label):
        raise StoreError(f"{reader.path} has the rows 0 to {len(reader.label) - 1:,}: {rows.min():,} to {rows.max():,} were asked for")
    return Clips(reader, name, rows[reader.label[rows] >= 0])


def digest(*splits: Clips) -> str:
    """16 digits that differ where one of the splits holds other clips, in another order, or with other labels."""
    found = hashlib.sha256()
    for clips in splits:
        reader = clips.reader
        found.update(f"{len(clips)} clips\n".encode())
        for first in range(0, len(clips), _DIGESTED):
            rows = clips.rows[first : first + _DIGESTED]
            found.update(b"\n".join(reader.map("source")[rows].tolist()))
            for column in (reader.start, reader.variant, reader.label):
                found.update(column[rows].astype("<i8").tobytes())
    return found.hexdigest()[:16]


def digest_of_splits(reader: Reader, name: str) -> str:
    """:func:`digest` of what the file has for training and for validation."""
    return digest(*(select(reader, name, reader.rows(split)) for split in ("train", "validation")))


def frame_range(config: FeatureConfig, length: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """The frames ``[first, last)`` that begin in the recording and not in the zeros that filled it up; at least one.

    `length` int32 (n,) are the real samples of each clip; both results are int32 (n,).
    """
    before = {"end": 0, "front": 2, "center": 1}[config.pad] * (config.n_samples - length) // 2
    hop = 1 if config.output == "waveform" else config.hop_length
    first = np.minimum(before // hop, config.n_frames - 1)
    last = np.clip(-(-(before + length) // hop), first + 1, config.n_frames)
    return first.astype(np.int32), last.astype(np.int32)
