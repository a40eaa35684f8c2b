"""A folder of files in the making: beside its name until it is complete, and taken up again where an earlier run stopped."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from kwsfeat.dataset.disk import open_locked, reason, sync_folder
from kwsfeat.dataset.storage.index import BEGUN, INDEX, Index
from kwsfeat.errors import StoreError

if TYPE_CHECKING:
    from types import TracebackType


class Making:
    """A folder at ``<path>.partial``, which becomes `path` when :meth:`finish` has written its table.

    Files that an earlier run left there stay when it had the same `key`, else they go.

    Parameters
    ----------
    path : str or path
    key : bytes
        Stands for all that the files are made from.
    overwrite : bool
        Whether an earlier data set may have that name; it stays until this one is complete.
    lock : bool
        Whether to hold a lock, so that nobody else makes it at the same time.

    Raises
    ------
    StoreError
        If `path` exists, or another process makes it.
    """

    def __init__(self, path: str | os.PathLike[str], key: bytes, *, overwrite: bool, lock: bool) -> None:
        self.path = Path(path)
        self.partial = self.path.with_name(self.path.name + ".partial")
        self._overwrite = overwrite
        self._check_absent()
        try:
            self.partial.mkdir(exist_ok=True)
        except OSError as error:
            raise StoreError(f"cannot write {self.path}: {reason(error)}: choose an output elsewhere") from None
        self._fd = open_locked(self.partial / BEGUN, self.path, lock=lock)
        begun = json.dumps({"key": key.hex()})
        if (self.partial / BEGUN).read_text(encoding="utf-8") != begun:
            self.clear(keep=())
            (self.partial / BEGUN).write_text(begun, encoding="utf-8")

    def __enter__(self) -> Making:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def clear(self, keep: tuple[str, ...]) -> None:
        """Remove everything but the files that are called so."""
        for entry in self.partial.iterdir():
            if entry.name not in (*keep, BEGUN):
                shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()

    def finish(self, index: Index) -> None:
        """Write the table, remove what it does not list, and give the folder its name."""
        try:
            index.write(self.partial / INDEX)
            self.clear(keep=(INDEX, *(shard.file for shard in index.shards)))
            sync_folder(self.partial)
            self._check_absent()
            replaced = self.path.with_name(self.path.name + ".replaced")
            if self.path.exists():
                os.rename(self.path, replaced)
            (self.partial / BEGUN).unlink()
            os.rename(self.partial, self.path)
            sync_folder(self.path.parent)
            shutil.rmtree(replaced, ignore_errors=True)
        except OSError as error:
            raise StoreError(f"cannot write {self.path}: {reason(error)}: make room and repeat the command") from error

    def _check_absent(self) -> None:
        if not self.path.exists() or (self.path.is_dir() and not any(self.path.iterdir())):
            return
        if not (self.path / INDEX).is_file():
            raise StoreError(f"{self.path} exists and is not a folder of kwsfeat build --shard-clips: choose another name")
        if not self._overwrite:
            raise StoreError(f"{self.path} exists: choose another name or use --overwrite")
