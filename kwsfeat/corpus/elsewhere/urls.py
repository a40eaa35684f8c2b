"""Files at URLs, by fsspec: ``s3://``, ``gs://``, ``https://``, ``file://`` and whatever else it has a package for."""

from __future__ import annotations

import io
import os
import re
from pathlib import Path
from typing import Any

from kwsfeat.errors import AudioError, CorpusError, MissingExtraError

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://.")
_STAMPS = ("size", "mtime", "created", "LastModified", "Last-Modified", "ETag", "etag", "md5Hash")


class Named(io.BytesIO):
    """Bytes in memory that messages can call by a name."""

    def __init__(self, data: bytes, name: str) -> None:
        super().__init__(data)
        self.name = name


def is_url(path: str | os.PathLike[str]) -> bool:
    """Whether a path is a URL."""
    return isinstance(path, str) and _URL.match(path) is not None


def source_path(text: str) -> str | Path:
    """A source as the user wrote it: a URL stays a text, in which two slashes matter."""
    return text if is_url(text) else Path(text)


def read_url(url: str, start: int = 0, size: int | None = None) -> Named:
    """`size` bytes from `start` on; all of them without either.

    Raises
    ------
    AudioError
        If nothing is there.
    CorpusError
        If the place does not answer: then nothing is known of what is there. If it does not send parts of a file.
    """
    try:
        system, path = _system(url)
        data = system.cat_file(path, start=start or None, end=None if size is None else start + size)
    except (MissingExtraError, CorpusError):
        raise
    except Exception as error:  # every protocol has its own
        if _is_absent(error):
            raise AudioError(f"{url}: no such file") from None
        raise _unreachable(url, error) from None
    if size is not None and len(data) > size:
        raise CorpusError(f"{url}: its server sends whole files, not parts of one: fetch it first")
    return Named(data, url)


def open_url(url: str) -> Any:
    """A seekable file at a URL, read piece by piece.

    Raises
    ------
    CorpusError
        If it cannot be opened.
    """
    try:
        system, path = _system(url)
        return system.open(path, "rb")
    except (MissingExtraError, CorpusError):
        raise
    except Exception as error:
        if _is_absent(error):
            raise CorpusError(f"{url}: no such file") from None
        raise _unreachable(url, error) from None


def stamp_url(url: str) -> bytes:
    """Changes when the file at a URL does, as far as its place tells."""
    try:
        system, path = _system(url)
        said = system.info(path)
    except (MissingExtraError, CorpusError):
        raise
    except Exception as error:
        if _is_absent(error):
            return b"missing\n"
        raise _unreachable(url, error) from None
    return f"{[said.get(name) for name in _STAMPS]}\n".encode()


def _system(url: str) -> tuple[Any, str]:
    try:
        from fsspec.core import url_to_fs
    except ImportError:
        raise MissingExtraError(f"{url}: URLs need fsspec: pip install 'kwsfeat[cluster]'") from None
    try:
        return url_to_fs(url)  # type: ignore[no-any-return]
    except ImportError as error:
        raise MissingExtraError(f"{url}: {error}") from None
    except ValueError as error:  # an unknown protocol
        raise CorpusError(f"{url}: {error}") from None


def _is_absent(error: Exception) -> bool:
    """Whether the place says that nothing is there; fsspec takes a web server that does not answer, or refuses, for the same."""
    cause = error.__cause__
    return isinstance(error, FileNotFoundError) and not isinstance(cause, OSError) and getattr(cause, "status", 404) in (404, 410)


def _unreachable(url: str, error: Exception) -> CorpusError:
    why = error.__cause__ if isinstance(error, FileNotFoundError) else error
    first = (str(why).splitlines() or [type(why).__name__])[0]
    return CorpusError(f"{url}: cannot be reached ({first}): repeat the command, it goes on where it stopped")
