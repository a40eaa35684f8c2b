"""A block: consecutive rows, written by whoever computed them; any process can, that has the file's path and layout."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kwsfeat.dataset.checksum import checksum
from kwsfeat.dataset.columns import Columns
from kwsfeat.dataset.disk import is_written, read_at, start_flush, write_at
from kwsfeat.dataset.format import Layout
from kwsfeat.dataset.statistics import Moments
from kwsfeat.errors import StoreError

_PRINTED = 512  # samples of a clip


@dataclass(frozen=True)
class Block:
    """The arrays of consecutive `rows` on their way into the file: ``audio``, ``length``, ``cut`` and ``features/<name>``.

    `clips` are the numbers of these rows in the plan of the build, ascending; where nothing was left out before them they are the
    `rows` themselves. `columns` is what the plan says of them.
    """

    rows: slice
    clips: NDArray[np.int64]
    columns: Columns
    arrays: dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Receipt:
    """What is known of a block once it is in the file: enough to finish the file without reading the block again.

    Attributes
    ----------
    index : int
        Of the block.
    clips : ndarray of int64
        As in :class:`Block`.
    checksums : mapping of str to int
        CRC-32 of each stored array.
    moments : mapping of str to Moments
        Of the training rows of each feature set.
    peaks : mapping of str to float
        Largest absolute value of each feature set.
    prints : ndarray of uint64
        Of the samples of each row: equal rows have equal ones, and 0 is silence, or not known.
    """

    index: int
    clips: NDArray[np.int64]
    checksums: Mapping[str, int]
    moments: Mapping[str, Moments]
    peaks: Mapping[str, float]
    prints: NDArray[np.uint64]


def write_block(path: str | os.PathLike[str], layout: Layout, block: Block) -> Receipt:
    """Put a block into the file at `path`, read it back and compare.

    It touches the bytes of this block only, so any number of threads and processes may write different blocks of one file at once.

    Raises
    ------
    StoreError
        If a feature is not finite.
    OSError
        If the disk is full, or does not give back what was written.
    """
    receipt = receipt_for(layout, block)
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        for name in layout.stored:
            place, data = layout.places[name], block.arrays[name]
            first = place.offset + block.rows.start * place.row_bytes
            write_at(fd, data, first)
            if not is_written(fd, data, first):
                raise OSError(f"what was written at byte {first} does not read back the same")
            start_flush(fd, data.nbytes, first)
    finally:
        os.close(fd)
    return receipt


def read_block(path: str | os.PathLike[str], layout: Layout, block: Block, checksums: Mapping[str, int]) -> Receipt | None:
    """Fill the arrays of `block` from the file at `path`; None when they are not what `checksums` say."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        for name in layout.stored:
            place = layout.places[name]
            read_at(fd, block.arrays[name], place.offset + block.rows.start * place.row_bytes)
            if checksum(block.arrays[name]) != checksums[name]:
                return None
    finally:
        os.close(fd)
    return receipt_for(layout, block)


def receipt_for(layout: Layout, block: Block) -> Receipt:
    """Checksums and statistics of the arrays of a block.

    Raises
    ------
    StoreError
        If a feature is not finite.
    """
    train = block.columns.split == b"train"
    moments, peaks = {}, {}
    for path in layout.stored:
        if not path.startswith("features/"):
            continue
        name, x = path.removeprefix("features/"), block.arrays[path]
        peak = np.maximum(x.max(axis=(1, 2)), -x.min(axis=(1, 2))).astype(np.float64)
        if not np.isfinite(peak).all():
            row = int(np.flatnonzero(~np.isfinite(peak))[0])
            raise StoreError(
                f"{os.fsdecode(block.columns.source[row])}: its features {name!r} hold a value that is not finite as {x.dtype}: "
                "raise log_floor" + (", or store float32" if x.dtype == np.float16 else "")
            )
        moments[name], peaks[name] = Moments.of(x, train), float(peak.max())
    sums = {path: checksum(block.arrays[path]) for path in layout.stored}
    prints = _prints(block.arrays["audio"]) if "audio" in block.arrays else np.zeros(len(block.clips), np.uint64)
    return Receipt(block.rows.start // layout.block_rows, block.clips, sums, moments, peaks, prints)


def _prints(audio: NDArray[np.int16]) -> NDArray[np.uint64]:
    """A number for each row, from samples all over it; two rows that differ have the same one if they agree in all of these.

    Their sum modulo 2**64, each times a random number of its own: of rows that differ, one pair in 1e19 has the same.
    """
    some = audio[:, :: max(1, audio.shape[1] // _PRINTED)].astype(np.uint64)
    weights: NDArray[np.uint64] = np.asarray(np.random.PCG64(0).random_raw(some.shape[1]), np.uint64)
    return some @ weights


@dataclass(frozen=True)
class Entry:
    """A line of the ledger of an unfinished file: which clips a block holds, and its checksums."""

    index: int
    clips: NDArray[np.int64]
    checksums: Mapping[str, int]

    @classmethod
    def of(cls, receipt: Receipt) -> Entry:
        """The entry of a block that was written."""
        return cls(receipt.index, receipt.clips, receipt.checksums)

    def line(self) -> bytes:
        """The entry as a line that protects itself: a checksum, then JSON."""
        first, stop = int(self.clips[0]), int(self.clips[-1]) + 1
        left_out = np.setdiff1d(np.arange(first, stop), self.clips).tolist()
        text = json.dumps({"block": self.index, "clips": [first, stop], "left_out": left_out, "checksums": self.checksums}).encode()
        return b"%08x %s\n" % (zlib.crc32(text), text)


def entries(ledger: bytes) -> list[Entry]:
    """The entries of a ledger, up to the first line that was not written to its end."""
    found = []
    for line in ledger.split(b"\n"):
        digest, _, text = line.partition(b" ")
        if digest != b"%08x" % zlib.crc32(text):
            break
        values = json.loads(text)
        clips = np.setdiff1d(np.arange(*values["clips"], dtype=np.int64), values["left_out"])
        found.append(Entry(values["block"], clips, values["checksums"]))
    return found
