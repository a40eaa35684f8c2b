"""Bytes of a file at an offset, written and read by any thread; the lock on a file in the making; flushing a folder."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from kwsfeat.errors import StoreError

try:
    import fcntl
except ImportError:  # Windows, where files are read and not written
    fcntl = None  # type: ignore[assignment]

_NETWORK = frozenset(
    ("nfs", "nfs3", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "lustre", "glusterfs", "gpfs", "beegfs", "fuse.sshfs", "davfs")
)
_OCTAL = re.compile(r"\\([0-7]{3})")  # how a blank is written in /proc/mounts
_CACHED_BYTES = 1 << 18


def open_locked(partial: Path, path: Path, *, lock: bool = True) -> int:
    """Open (or make) the unfinished file `partial` and hold the only lock on it; messages name the finished `path`.

    Without `lock`, it is for the caller to know that nobody else writes it.
    """
    if fcntl is None:
        raise StoreError(f"cannot write {path}: kwsfeat writes files on Linux and macOS, here it can only read them")
    while True:
        try:
            fd = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
        except OSError as error:
            cure = "choose an output elsewhere" if partial.parent.is_dir() else "make its folder, or choose an output elsewhere"
            raise StoreError(f"cannot write {path}: {error.strerror}: {cure}") from None
        try:
            if lock:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            raise StoreError(f"{path} is being written by another process: wait for it, or choose another output") from None
        except OSError as error:
            os.close(fd)
            raise StoreError(
                f"cannot lock {path}: {error.strerror}: choose an output on another disk, or --no-lock if nothing else writes it"
            ) from None
        # The other process may have finished, and renamed this very file, between our open and our lock.
        if partial.exists() and os.path.samestat(os.fstat(fd), os.stat(partial)):
            return fd
        os.close(fd)


def network_file_system(path: Path, mounts: Path = Path("/proc/mounts")) -> str | None:
    """What kind of network the folder of `path` lies on, such as ``nfs4``; None for a local disk, or where it cannot be told."""
    try:
        lines = [line.split() for line in mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()]
    except OSError:  # not on Linux
        return None
    folder = path.absolute().parent.resolve()
    at = [(Path(_OCTAL.sub(lambda code: chr(int(code[1], 8)), line[1])), line[2]) for line in lines if len(line) > 2]
    holding = [(len(point.parts), i, kind) for i, (point, kind) in enumerate(at) if folder.is_relative_to(point)]
    kind = max(holding, default=(0, 0, ""))[2]  # of mounts at one point, the last
    return kind if kind in _NETWORK else None


def is_locked(file: BinaryIO) -> bool:
    """Whether another program has the file open for writing, as far as it can be told: reading needs no lock."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        fcntl.flock(file, fcntl.LOCK_UN)
    except BlockingIOError:
        return True
    except OSError:  # a file system without locks
        return False
    return False


def write_at(fd: int, data: NDArray[Any], offset: int) -> None:
    """Write all bytes of `data`, in C order."""
    view = np.ascontiguousarray(data).reshape(-1).view(np.uint8).data
    while view:
        n = os.pwrite(fd, view, offset)
        view, offset = view[n:], offset + n


def read_at(fd: int, out: NDArray[Any], offset: int) -> None:
    """Fill `out`, which is C-contiguous; a file that ends before is a StoreError."""
    view = out.reshape(-1).view(np.uint8).data
    while view:
        n = os.preadv(fd, [view], offset)
        if not n:
            raise StoreError(f"the file ends {len(view)} bytes too early: it was cut off")
        view, offset = view[n:], offset + n


def read_all(fd: int, offset: int) -> bytes:
    """All bytes from `offset` on."""
    parts = []
    while part := os.pread(fd, _CACHED_BYTES, offset):
        parts.append(part)
        offset += len(part)
    return b"".join(parts)


def reason(error: OSError) -> str:
    """What the system says, in one line; HDF5's own text has several."""
    return os.strerror(error.errno) if error.errno else str(error).splitlines()[0]


def move(fd: int, source: int, target: int, n_bytes: int) -> None:
    """Copy bytes within a file, to where they may overlap themselves."""
    steps = range(0, n_bytes, _CACHED_BYTES)
    for at in steps if target < source else reversed(steps):
        part = np.empty(min(_CACHED_BYTES, n_bytes - at), np.uint8)
        read_at(fd, part, source + at)
        write_at(fd, part, target + at)


def clear(fd: int, start: int, stop: int) -> None:
    """Fill bytes with zeros."""
    zeros = np.zeros(min(_CACHED_BYTES, max(0, stop - start)), np.uint8)
    for at in range(start, stop, _CACHED_BYTES):
        write_at(fd, zeros[: stop - at], at)


def start_flush(fd: int, n_bytes: int, offset: int) -> None:
    """Have the system begin to write these bytes to the disk, without waiting: a later fsync finds little left to do.

    On Linux this is what "not needed" does to bytes that are not on the disk yet; they stay in the page cache. A few bytes are
    left to the fsync, a call costs more than they do.
    """
    if n_bytes >= _CACHED_BYTES and hasattr(os, "posix_fadvise"):  # not on macOS
        os.posix_fadvise(fd, offset, n_bytes, os.POSIX_FADV_DONTNEED)


def will_need(fd: int, n_bytes: int, offset: int) -> None:
    """Have the system begin to read these bytes into the page cache, without waiting; where it can be told."""
    if hasattr(os, "posix_fadvise"):  # not on macOS
        os.posix_fadvise(fd, offset, n_bytes, os.POSIX_FADV_WILLNEED)


def is_written(fd: int, data: NDArray[Any], offset: int) -> bool:
    """Whether the file holds `data` at `offset`."""
    expected = data.reshape(-1).view(f"u{data.itemsize}")  # bits: a NaN equals itself, 0.0 does not equal -0.0
    step = _CACHED_BYTES // data.itemsize
    there = np.empty(min(expected.size, step), expected.dtype)
    for at in range(0, expected.size, step):
        part = expected[at : at + step]
        read_at(fd, there[: part.size], offset + at * data.itemsize)
        if not np.array_equal(part, there[: part.size]):
            return False
    return True


def reserve(fd: int, n_bytes: int) -> None:
    """Make the disk keep room for a file, so that a full one is found now and not after hours; where a file system can do that."""
    if hasattr(os, "posix_fallocate"):
        with _unsupported_is_fine():
            os.posix_fallocate(fd, 0, n_bytes)


def sync_folder(folder: Path) -> None:
    """Make a new name in `folder` survive a loss of power; where a file system can do that."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        with _unsupported_is_fine():
            os.fsync(fd)
    finally:
        os.close(fd)


@contextmanager
def _unsupported_is_fine() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS):
            raise
