"""The one place where it is decided whether a path is a file or a folder of files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from h5py import is_hdf5
from numpy.typing import NDArray

from kwsfeat.config.clip import ClipConfig
from kwsfeat.config.features import FeatureConfig
from kwsfeat.dataset.format import Extent
from kwsfeat.dataset.storage.file import File
from kwsfeat.dataset.storage.folder import Folder
from kwsfeat.dataset.storage.index import INDEX


class Storage(Protocol):
    """A place of arrays, by the paths of the format: all that a reader needs of it.

    `attrs` and `feature_attrs` are the attributes of the root and of each feature set, `seal` is a digest of everything.
    """

    path: Path
    seal: str
    attrs: dict[str, Any]
    feature_attrs: dict[str, dict[str, Any]]
    n_clips: int

    @property
    def clip(self) -> ClipConfig | None:
        """What a clip is; None in a file that is as old as format 1."""

    @property
    def configs(self) -> Mapping[str, FeatureConfig]:
        """The configuration of each feature set."""

    @property
    def places(self) -> Mapping[str, Extent]:
        """Where each array of a file lies."""

    @property
    def n_parts(self) -> int:
        """The number of files that hold rows."""

    def part(self, i: int) -> File:
        """One of them, opened."""

    @property
    def files(self) -> list[Path]:
        """All files on the disk."""

    def close(self) -> None:
        """Nothing more is read."""

    def has(self, path: str) -> bool:
        """Whether there is an array at `path`."""

    def map(self, path: str, rows: slice | None = None) -> NDArray[Any]:
        """The array at `path`, or some consecutive `rows` of it, read when it is used."""

    def read_ahead(self, path: str, rows: slice) -> None:
        """Have the system read some consecutive rows, without waiting for them."""

    def checked(self, path: str, rows: slice) -> NDArray[Any]:
        """Rows of an array that has checksums, after comparing these."""


def open_storage(path: str | os.PathLike[str]) -> Storage:
    """What lies at `path`.

    Raises
    ------
    StoreError
        If it is neither a finished file nor a finished folder of files.
    """
    return Folder(path) if Path(path).is_dir() else File(path)


def is_dataset(path: str | os.PathLike[str]) -> bool:
    """Whether `path` looks like a file of features, or a folder of such files; recordings do not."""
    path = Path(path)
    return (path / INDEX).is_file() if path.is_dir() else path.is_file() and bool(is_hdf5(path))
