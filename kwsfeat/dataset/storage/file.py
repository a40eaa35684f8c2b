"""One file as a place of arrays: opened once, checked, mapped."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, BinaryIO

from numpy.typing import NDArray

from kwsfeat.dataset.checksum import checksum
from kwsfeat.dataset.disk import is_locked, will_need
from kwsfeat.dataset.format import Extent, block_slices, block_spans, consecutive, is_block_array, map_rows
from kwsfeat.dataset.hdf5 import parse
from kwsfeat.dataset.seal import read_seal
from kwsfeat.errors import StoreError, unknown_name


class File:
    """A finished file; see :class:`~kwsfeat.dataset.storage.open.Storage` for what it answers.

    The file is opened once and needs no lock; the HDF5 library is used only while the constructor runs.

    Attributes
    ----------
    places : dict of str to Extent
        Where each array lies, by path without the leading slash.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._file = _open(self.path)  # once: it stays the same file when another one takes its name
        try:
            self.seal, sealed, version = read_seal(self._file.fileno())  # before HDF5 sees it, which may hang on damaged metadata
            contents = parse(self._file)
            if block_spans(contents.places) != sealed:
                raise StoreError("the large arrays do not lie where the first page says")
            if contents.attrs["format_version"] != version:
                raise StoreError("the first page says another format version than the file: it was damaged or changed")
        except StoreError as error:
            self._file.close()
            raise StoreError(f"{self.path}: {error}") from None
        self.attrs, self.places, self.feature_attrs = contents.attrs, contents.places, contents.feature_attrs
        self.clip, self.configs = contents.clip, contents.configs
        self.n_clips = self.places["length"].shape[0]
        self.block_rows = int(self.attrs["block_rows"])

    def close(self) -> None:
        """Close the file; maps that were handed out stay valid."""
        self._file.close()

    @property
    def n_parts(self) -> int:
        """One, itself."""
        return 1

    def part(self, i: int) -> File:
        """Itself."""
        return self

    @property
    def files(self) -> list[Path]:
        """This one."""
        return [self.path]

    def has(self, path: str) -> bool:
        """Whether there is an array at `path`."""
        return path in self.places

    def map(self, path: str, rows: slice | None = None) -> NDArray[Any]:
        """A memory map of the array at `path`, or of some consecutive `rows` of it."""
        place = self._place(path)
        return map_rows(self._file, place, None if rows is None else consecutive(rows, place.shape[0]))

    def read_ahead(self, path: str, rows: slice) -> None:
        """Have the system read some consecutive rows, without waiting for them."""
        place = self._place(path)
        rows = consecutive(rows, place.shape[0])
        if rows.start < rows.stop:  # no bytes would be all to the end of the file
            will_need(self._file.fileno(), (rows.stop - rows.start) * place.row_bytes, place.offset + rows.start * place.row_bytes)

    def checked(self, path: str, rows: slice) -> NDArray[Any]:
        """As :meth:`map`, after comparing the checksums of the blocks that it touches."""
        if not (is_block_array(path) and self.has(path)):
            raise unknown_name(f"array of {self.path} with checksums", path, filter(is_block_array, self.places))
        sums, rows = self.map(f"checksum/{path}"), consecutive(rows, self.n_clips)
        first = rows.start - rows.start % self.block_rows
        data = self.map(path, slice(first, min(self.n_clips, -(-rows.stop // self.block_rows) * self.block_rows)))
        for block in block_slices(len(data), self.block_rows):
            if checksum(data[block]) != sums[(first + block.start) // self.block_rows]:
                raise StoreError(f"{self.path}: /{path} is damaged near row {first + block.start}: kwsfeat verify says more")
        return data[rows.start - first : rows.stop - first]

    def _place(self, path: str) -> Extent:
        if self._file.closed:
            raise StoreError(f"{self.path}: this reader is closed")
        if path not in self.places:
            raise unknown_name(f"dataset of {self.path}", path, self.places)
        return self.places[path]


def _open(path: Path) -> BinaryIO:
    if not path.is_file():
        raise StoreError(f"{path}: no such file" if not path.exists() else f"{path}: not a file")
    try:
        file = open(path, "rb")  # noqa: SIM115
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}: check its permissions") from None
    if is_locked(file):
        file.close()
        raise StoreError(f"{path} is open for writing in another program: close it there")
    return file
