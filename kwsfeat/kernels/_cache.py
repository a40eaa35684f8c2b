"""Compiled kernels on disk: one file for each function and kinds of arguments, checked to the last byte before it is run.

Numba's own cache has an index beside its files and runs whatever they hold; a damaged one ends in a traceback or in a crash. Here
a file stands for itself: it begins with the digest of what follows, is replaced as a whole, and is never needed. What cannot be
read is compiled anew, what cannot be written stays in memory, and each is said once.
"""

from __future__ import annotations

import hashlib
import logging
import os
import pickle
import re
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from numba.core.caching import _Cache
from numba.core.compiler import CompileResult
from numba.core.serialize import dumps

_log = logging.getLogger("kwsfeat")
_DIGEST_SIZE = hashlib.sha256().digest_size
_DAY = 86400.0  # seconds
_KEPT = 30 * _DAY  # a folder that nobody used for so long is removed
_IN_USE = _DAY  # one used since then never is
_MOST = 8  # folders of other versions, processors and edits that are kept otherwise


class KernelCache(_Cache):
    """Where a dispatcher looks before it compiles `function`, and leaves what it compiled: `folder`, which need not exist."""

    def __init__(self, function: Callable[..., Any], folder: Path) -> None:
        self._function, self._folder, self._enabled = function, folder, True

    @property
    def cache_path(self) -> str:
        """The folder."""
        return str(self._folder)

    def has(self, sig: Any) -> bool:
        """Whether a function compiled for argument types `sig` is there; it may be damaged."""
        path = self._path(sig)
        return path is not None and path.is_file()

    def load_overload(self, sig: Any, target_context: Any) -> CompileResult | None:
        """The compiled function for argument types `sig`, or None where there is none that is whole."""
        path = self._path(sig)
        if path is None:
            return None
        try:
            data = path.read_bytes()
        except OSError:
            return None
        if data[:_DIGEST_SIZE] != _digest(path, data[_DIGEST_SIZE:]):
            _warn_once("damaged", f"a compiled kernel is made anew, because {path} is damaged")
            return None
        _mark_as_used(self._folder)
        target_context.refresh()
        return CompileResult._rebuild(target_context, *pickle.loads(data[_DIGEST_SIZE:]))

    def save_overload(self, sig: Any, cres: CompileResult) -> None:
        """Keep a compiled function, whole or not at all."""
        path = self._path(sig)
        if path is None or cres.library.has_dynamic_globals:
            return
        data = dumps(cres._reduce())
        part = path.with_name(f"{path.name}.{os.getpid()}.part")
        try:
            if not self._folder.is_dir():
                self._folder.mkdir(parents=True, exist_ok=True)
                _remove_old_neighbours(self._folder)
            try:
                part.write_bytes(_digest(path, data) + data)
                part.replace(path)
            finally:
                part.unlink(missing_ok=True)
        except OSError as error:
            _warn_once(
                "unwritable",
                f"kernels are compiled anew in every process, because {self._folder} cannot be written ({error.strerror}): "
                "set KWSFEAT_CACHE_DIR to a folder that can",
            )

    def enable(self) -> None:
        """Use the folder."""
        self._enabled = True

    def disable(self) -> None:
        """Neither look nor leave anything there."""
        self._enabled = False

    def flush(self) -> None:
        """Nothing waits to be written."""

    def _path(self, sig: Any) -> Path | None:
        source = _source(self._function.__code__.co_filename)
        if source is None or not self._enabled:
            return None
        types = hashlib.sha256(source + str(sig).encode()).hexdigest()[:16]
        return self._folder / f"{self._function.__module__}.{self._function.__qualname__}-{types}.nbc".replace("<", "").replace(">", "")


def _digest(path: Path, data: bytes) -> bytes:
    return hashlib.sha256(path.name.encode() + data).digest()


@cache
def _source(file: str) -> bytes | None:
    """A digest of a function's own file; None for what was typed at a prompt, which is not kept."""
    try:
        return hashlib.sha256(Path(file).read_bytes()).digest()
    except OSError:
        return None


_warned: set[str] = set()


def _warn_once(kind: str, text: str) -> None:
    if kind not in _warned:
        _warned.add(kind)
        _log.warning(text)


@cache
def _mark_as_used(folder: Path) -> None:
    with suppress(OSError):  # a folder that others keep
        os.utime(folder)


def _remove_old_neighbours(folder: Path) -> None:
    """Remove what other versions left beside `folder` and nobody has used for a month; of the rest, keep the most recently used."""
    now, ages = time.time(), {}
    for other in folder.parent.iterdir():
        if other != folder and re.fullmatch(r"[0-9a-f]{16}", other.name) and other.is_dir():
            ages[other] = now - other.stat().st_mtime
    for rank, other in enumerate(sorted(ages, key=lambda path: ages[path])):
        if ages[other] > _KEPT or (rank >= _MOST and ages[other] > _IN_USE):
            shutil.rmtree(other, ignore_errors=True)
