"""What is wrong with a recording, in one line with its name and the cure."""

from __future__ import annotations

import os
from typing import BinaryIO

from kwsfeat.errors import AudioError

Source = str | os.PathLike[str] | BinaryIO


def truncated(source: Source, there: int, promised: int) -> AudioError:
    return AudioError(
        f"{name_of(source)}: truncated: {max(0, there)} of {promised} bytes of samples are there: fetch it again or remove it"
    )


def cannot_open(source: Source, error: OSError | None = None) -> AudioError:
    name = name_of(source)
    if isinstance(source, str | os.PathLike):
        if os.path.isdir(source):
            return AudioError(f"{name}: is a folder, not a recording")
        if os.path.islink(source) and not os.path.exists(source):
            return AudioError(f"{name}: a symbolic link to {os.readlink(source)}, which does not exist")
        if not os.path.exists(source):
            return AudioError(f"{name}: no such file")
    return AudioError(f"{name}: cannot be opened: {error.strerror if error else 'not a regular file'}")


def name_of(source: Source) -> str:
    """The source for a message; bytes that are no Unicode become a question mark."""
    name = os.fspath(source) if isinstance(source, str | os.PathLike) else str(getattr(source, "name", "recording"))
    return os.fsencode(name).decode("utf-8", "replace")
