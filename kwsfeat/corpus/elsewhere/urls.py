"""Files at URLs, by fsspec: ``s3://``, ``gs://``, ``https://``, ``file://`` and whatever else it has a package for."""

from __future__ import annotations

import io
import os
import re
from pathlib import Path
from typing import Any

from kwsfeat.errors import AudioError, CorpusError, MissingExtraError

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://.")


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
        If the place does not answer: then nothing is known of what is there.
    """
    try:
        system, path = _system(url)
        end = None if size is None else start + size
        return Named(system.cat_file(path, start=start or None, end=end), url)
    except FileNotFoundError:
        raise AudioError(f"{url}: no such file") from None
    except (MissingExtraError, CorpusError):
        raise
    except Exception as error:  # every protocol has its own
        raise _unreachable(url, error) from None


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
    except FileNotFoundError:
        raise CorpusError(f"{url}: no such file") from None
    except (MissingExtraError, CorpusError):
        raise
    except Exception as error:
        raise _unreachable(url, error) from None


def stamp_url(url: str) -> bytes:
    """Changes when the file at a URL does, as far as its place tells."""
    try:
        system, path = _system(url)
        said = system.info(path)
    except FileNotFoundError:
        return b"missing\n"
    except (MissingExtraError, CorpusError):
        raise
    except Exception as error:
        raise _unreachable(url, error) from None
    known = [said.get(name) for name in ("size", "mtime", "created", "LastModified", "ETag", "etag", "md5Hash")]
    return f"{known}\n".encode()


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


def _unreachable(url: str, error: Exception) -> CorpusError:
    first = (str(error).splitlines() or [type(error).__name__])[0]
    return CorpusError(f"{url}: cannot be reached ({first}): repeat the command, it goes on where it stopped")
