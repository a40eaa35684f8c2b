"""The files of a folder as one place of arrays: each is opened when its rows are wanted."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kwsfeat.dataset.format import Extent, consecutive
from kwsfeat.dataset.seal import reopened
from kwsfeat.dataset.storage.file import File
from kwsfeat.dataset.storage.index import INDEX, read_index
from kwsfeat.dataset.storage.rows import Rows
from kwsfeat.errors import StoreError


class Folder:
    """The files that ``dataset.json`` lists; see :class:`~kwsfeat.dataset.storage.open.Storage` for what it answers.

    Opening it reads that table only. Columns of all files are put together when they are asked for; samples and features stay in
    their files, see :class:`~kwsfeat.dataset.storage.rows.Rows`.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.index = read_index(self.path)
        self.seal, self.attrs = self.index.seal, dict(self.index.attrs)
        self.feature_attrs = {name: dict(attrs) for name, attrs in self.index.features.items()}
        self.clip, self.configs = self.index.clip, self.index.configs
        self._lengths = [shard.rows for shard in self.index.shards]
        self._starts = (np.cumsum(self._lengths) - self._lengths).tolist()
        self.n_clips = sum(self._lengths)
        self._gathered: dict[str, tuple[tuple[int, ...], str]] = {
            **({"audio": ((self.attrs["n_samples"],), "<i2")} if self.index.audio else {}),
            **{f"features/{name}": (config.shape, self.index.dtype) for name, config in self.configs.items()},
        }
        self._opened: dict[int, File] = {}
        self._closed = False

    def __reduce__(self) -> tuple[Any, ...]:
        return reopened, (Folder, self.path.absolute(), self.seal)

    def close(self) -> None:
        """Close the files; arrays that were handed out stay valid as far as they have been used."""
        self._closed = True
        for file in self._opened.values():
            file.close()

    @property
    def places(self) -> Mapping[str, Extent]:
        """A folder has none: each of its files has."""
        raise StoreError(f"{self.path} is a folder: open its files for where their arrays lie")

    @property
    def n_parts(self) -> int:
        """The number of files that hold rows."""
        return len(self._lengths)

    @property
    def files(self) -> list[Path]:
        """Those of the data set, its table last."""
        return [self.path / name for name in (*(shard.file for shard in self.index.shards), INDEX)]

    def has(self, path: str) -> bool:
        """Whether there is an array at `path`."""
        if path == "audio":
            return self.index.audio
        return bool(self.attrs["n_skipped"]) if path == "skipped" else True

    def map(self, path: str, rows: slice | None = None) -> NDArray[Any]:
        """Samples and features as :class:`Rows`, columns in memory; or some consecutive `rows` of either."""
        if self._closed:
            raise StoreError(f"{self.path}: this reader is closed")
        if path == "skipped" and self.has(path):
            return np.concatenate([file.map(path) for file in map(self.part, range(self.n_parts)) if file.has(path)])
        if rows is not None:
            return np.concatenate([self.part(i).map(path, part) for i, part in self._parts(rows)])
        if path not in self._gathered:
            return np.concatenate([self.part(i).map(path) for i in range(self.n_parts)])
        gathered: Any = Rows(self._lengths, *self._gathered[path], partial(self._of_part, path))
        return gathered  # type: ignore[no-any-return]  # an array in all that readers do with one

    def read_ahead(self, path: str, rows: slice) -> None:
        """Have the system read some consecutive rows, without waiting for them."""
        for i, part in self._parts(rows):
            self.part(i).read_ahead(path, part)

    def checked(self, path: str, rows: slice) -> NDArray[Any]:
        """Some consecutive rows in memory, after comparing the checksums of the blocks that they touch."""
        return np.concatenate([self.part(i).checked(path, part) for i, part in self._parts(rows)])

    def part(self, i: int) -> File:
        """File number `i`, opened at its first use, if it is the one that the table says.

        Raises
        ------
        StoreError
            If it is missing, damaged or another one.
        """
        if i not in self._opened:
            said = self.index.shards[i]
            try:
                file = File(self.path / said.file)
            except OSError as error:
                if error.errno != errno.EMFILE:
                    raise
                raise StoreError(
                    f"{self.path}: {len(self._opened)} of {len(self._lengths)} files are open, the system allows no more: raise the limit "
                    "(ulimit -n), or build with a larger --shard-clips"
                ) from None
            if (file.seal, file.n_clips) != (said.seal, said.rows):
                file.close()
                raise StoreError(f"{file.path} is not the file that {INDEX} lists: put that back, or build the data set again")
            self._opened[i] = file
        return self._opened[i]

    def _of_part(self, path: str, i: int) -> NDArray[Any]:
        return self.part(i).map(path)

    def _parts(self, rows: slice) -> list[tuple[int, slice]]:
        """The files that consecutive rows lie in, with the rows there; at least one, if with no rows."""
        rows = consecutive(rows, self.n_clips)
        found = []
        for i, (start, n) in enumerate(zip(self._starts, self._lengths, strict=True)):
            first, stop = max(rows.start - start, 0), min(rows.stop - start, n)
            if first < stop:
                found.append((i, slice(first, stop)))
        return found or [(0, slice(0, 0))]
