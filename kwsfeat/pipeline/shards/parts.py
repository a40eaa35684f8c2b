"""The parts of a source on the disk that all workers share: one file each, so that nobody needs the whole table."""

from __future__ import annotations

import pickle
from functools import lru_cache
from pathlib import Path
from typing import Any

from kwsfeat.augment import Noise
from kwsfeat.pipeline.shards.shard import Task
from kwsfeat.pipeline.sources import ClipSource

_NOISE = "noise.part"


def write_part(folder: Path, task: Task, source: ClipSource) -> None:
    """Leave the clips of a task in `folder`; noise, which all parts share, once."""
    with open(_path(folder, task), "wb") as file:
        _Pickler(file, folder).dump(source.part(task.rows))


def read_part(folder: Path, task: Task) -> ClipSource:
    """The clips of a task, in any process."""
    with open(_path(folder, task), "rb") as file:
        source: ClipSource = _Unpickler(file, folder).load()
        return source


def remove_part(folder: Path, task: Task) -> None:
    """Its file has been made."""
    _path(folder, task).unlink(missing_ok=True)


def _path(folder: Path, task: Task) -> Path:
    return folder / f"{task.number:05}.part"


class _Pickler(pickle.Pickler):
    def __init__(self, file: Any, folder: Path) -> None:
        super().__init__(file)
        self._path = folder / _NOISE

    def persistent_id(self, value: Any) -> str | None:
        if not isinstance(value, Noise):
            return None
        if not self._path.exists():
            self._path.write_bytes(pickle.dumps(value))
        return _NOISE


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: Any, folder: Path) -> None:
        super().__init__(file)
        self._folder = folder

    def persistent_load(self, name: Any) -> Noise:
        path = self._folder / name
        return _noise(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=1)
def _noise(path: Path, written_ns: int) -> Noise:
    noise: Noise = pickle.loads(path.read_bytes())
    return noise
