"""The lock on a run folder: one training at a time writes to it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kwsfeat import StoreError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Nobody else trains into `folder`, which may not be there yet; a disk that has no locks lets everybody.

    The lock lies beside the folder, which may be replaced meanwhile, and ends with the process.

    Raises
    ------
    StoreError
        If somebody does.
    """
    place = folder.resolve()
    path = place.parent / f".{place.name}.lock"
    fd = _locked(path, folder)
    try:
        yield
    finally:
        if fd is not None:
            path.unlink(missing_ok=True)
            os.close(fd)


def _locked(path: Path, folder: Path) -> int | None:
    """The open file that holds the lock; None where there is none: in a folder that cannot be written to, or on a disk without."""
    while fcntl is not None:
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
        except OSError:
            return None
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(fd), os.stat(path)):
                return fd
        except BlockingIOError:
            os.close(fd)
            raise StoreError(f"{folder} is in use by another fit: wait for it, or choose another --out") from None
        except FileNotFoundError:  # the other has ended, and taken its file away, between our open and our lock
            pass
        except OSError:
            path.unlink(missing_ok=True)
            os.close(fd)
            return None
        os.close(fd)
    return None
