"""What is where in a dataset file: names, versions and addresses, shared by writing, reading and verifying."""

from __future__ import annotations

import mmap
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

import h5py
import numpy as np
from numpy.typing import NDArray

from kwsfeat.errors import ConfigError, StoreError


@dataclass(frozen=True)
class Extent:
    """Where an array lies in the file: `offset` in bytes, C order, no gaps."""

    offset: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def row_bytes(self) -> int:
        """Bytes of one row (one index of the first axis)."""
        return int(np.prod(self.shape[1:], dtype=np.int64)) * self.dtype.itemsize

    @property
    def end(self) -> int:
        """First byte after the array."""
        return self.offset + self.shape[0] * self.row_bytes


def extents(file: h5py.File) -> dict[str, Extent]:
    """The place of every dataset of an open file, by path without the leading slash.

    Raises
    ------
    StoreError
        For a dataset that is chunked, compressed, external or not allocated: it has no address.
    """
    found: dict[str, Extent] = {}

    def visit(path: str, item: h5py.Group | h5py.Dataset) -> None:
        if isinstance(item, h5py.Dataset):
            offset = item.id.get_offset() if item.chunks is None else None
            if offset is None or item.external:
                raise StoreError(
                    f"{file.filename}: /{path} is not contiguous, so it cannot be mapped into memory; "
                    "was the file repacked? build it again, or copy the original"
                )
            found[path] = Extent(offset, item.shape, item.dtype)

    file.visititems(visit)
    return found


def map_rows(file: str | os.PathLike[str] | BinaryIO, place: Extent, rows: slice | None = None) -> NDArray[Any]:
    """A read-only memory map of an array, or of some consecutive `rows` of it: it counts as memory only while it is kept."""
    if rows is None:
        return np.memmap(file, place.dtype, "r", place.offset, place.shape)
    if rows.start == rows.stop:
        return np.empty((0, *place.shape[1:]), place.dtype)  # which the system does not map
    return np.memmap(file, place.dtype, "r", place.offset + rows.start * place.row_bytes, (rows.stop - rows.start, *place.shape[1:]))


def consecutive(rows: slice, n: int) -> slice:
    """What a slice is of `n` rows: as NumPy takes it, negative and open ends and those beyond included.

    Raises
    ------
    ConfigError
        If its step is not 1.
    """
    start, stop, step = rows.indices(n)
    if step != 1:
        raise ConfigError(f"rows with a step of {step} are not consecutive: the step must be 1; index the whole array by them")
    return slice(start, max(start, stop))


def release(mapped: NDArray[Any]) -> None:
    """Give back the memory of what was used of a memory map; it is read again where it is used again."""
    if hasattr(mmap, "MADV_DONTNEED"):  # not on Windows
        held: mmap.mmap = mapped._mmap  # type: ignore[attr-defined]
        held.madvise(mmap.MADV_DONTNEED)


@dataclass(frozen=True)
class Layout:
    """The places of all arrays of a file: picklable, and all that another process needs to write a block of it.

    Attributes
    ----------
    places : mapping of str to Extent
        By path without the leading slash.
    n_clips, block_rows : int
        Rows of the file; rows that share a checksum.
    """

    places: Mapping[str, Extent]
    n_clips: int
    block_rows: int

    @property
    def blocks(self) -> list[slice]:
        """The rows of each block."""
        return block_slices(self.n_clips, self.block_rows)

    @property
    def stored(self) -> list[str]:
        """The arrays that are written block by block."""
        return [path for path in self.places if is_block_array(path)]


def is_block_array(path: str) -> bool:
    """Whether the dataset at `path` is written, and protected by a checksum, block by block of rows."""
    return path in ("audio", "length", "cut") or path.startswith("features/")


def block_spans(places: Mapping[str, Extent]) -> list[tuple[int, int]]:
    """(first, end) in bytes of each array that has block checksums, ascending."""
    return sorted((place.offset, place.end) for path, place in places.items() if is_block_array(path))


def block_slices(n_clips: int, block_rows: int) -> list[slice]:
    """The rows of each block; the last may be shorter."""
    return [slice(first, min(first + block_rows, n_clips)) for first in range(0, n_clips, block_rows)]
