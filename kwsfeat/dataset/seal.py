"""The first page of a file: one line of JSON that seals every byte which no block checksum covers.

It stands in HDF5's user block, before the HDF5 data, so that a damaged file is found out without asking the HDF5 library,
which may hang or crash on damaged metadata. While a file is being made, the page holds the key of its build instead.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from kwsfeat.errors import StoreError

PAGE = 4096
FORMAT = "kwsfeat"
FORMAT_VERSION = 3  # 2 added /noise, 3 /cut

_READ_BYTES = 1 << 22


class Sealed(Protocol):
    """What is opened, has a seal and is closed."""

    seal: str

    def close(self) -> None:
        """Nothing more is read."""


Opened = TypeVar("Opened", bound=Sealed)
Spans = Sequence[tuple[int, int]]


def sealed_page(fd: int, blocks: Spans, version: int = FORMAT_VERSION) -> bytes:
    """The page that fits a file of format `version`: BLAKE2b-256 of all bytes after it that are not in `blocks`, (first, end) in bytes.

    Together with the checksums of the blocks, which lie among the bytes that it covers, this protects the whole file.
    """
    digest = hashlib.blake2b(digest_size=32)
    for first, end in _between(sorted(blocks), os.fstat(fd).st_size):
        for offset in range(first, end, _READ_BYTES):
            digest.update(read_bytes(fd, min(_READ_BYTES, end - offset), offset))
    return _page({"seal": digest.hexdigest(), "blocks": sorted(blocks)}, version)


def unfinished_page(key: bytes, ledger: int) -> bytes:
    """The page of a file in the making: `key` stands for all that it is made from, its ledger begins at byte `ledger`."""
    return _page({"unfinished": key.hex(), "ledger": ledger})


def ledger_of(fd: int, key: bytes) -> int | None:
    """Where the ledger of an unfinished file begins; None when it was not begun with this `key`, or is sealed."""
    try:
        values = json.loads(read_bytes(fd, PAGE, 0).rstrip(b"\0"))
        return int(values["ledger"]) if key and values["unfinished"] == key.hex() else None
    except (ValueError, KeyError, TypeError):
        return None


def read_seal(fd: int) -> tuple[str, list[tuple[int, int]], int]:
    """The seal of a finished file, if the bytes that it protects are intact, the (first, end) of those that it leaves to checksums, and the
    version of the format, which the seal does not cover.

    Two files with the same seal are equal but for their large arrays, and these have the same checksums.

    Raises
    ------
    StoreError
        A sentence without the name of the file.
    """
    values = _parsed(fd)
    size = os.fstat(fd).st_size
    if "unfinished" in values:
        raise StoreError("unfinished: run the build that was writing it again, it goes on where it stopped")
    if values.get("format") == FORMAT:
        check_version(values.get("format_version"))
    try:
        seal, blocks = str(values["seal"]), [(int(first), int(end)) for first, end in values["blocks"]]
        version = int(values["format_version"])
    except (KeyError, TypeError, ValueError, OverflowError):
        raise StoreError(_NO_SEAL) from None
    if any(not PAGE <= first <= end <= size for first, end in blocks) or read_bytes(fd, PAGE, 0) != sealed_page(fd, blocks, version):
        raise StoreError("metadata, columns or checksums differ from the seal in the first page: they were damaged or changed")
    return seal, blocks, version


def check_version(number: object) -> None:
    """Refuse a format that this program does not know, by its number."""
    if not isinstance(number, int) or not 1 <= number <= FORMAT_VERSION:
        raise StoreError(
            f"format version {number}, this program reads versions up to {FORMAT_VERSION}: update kwsfeat, or build the file again"
        )


def read_bytes(fd: int, n: int, offset: int) -> bytes:
    """Up to `n` bytes at `offset`."""
    if hasattr(os, "pread"):
        return os.pread(fd, n, offset)
    os.lseek(fd, offset, os.SEEK_SET)  # Windows
    return os.read(fd, n)


def _page(values: dict[str, Any], version: int = FORMAT_VERSION) -> bytes:
    text = json.dumps({"format": FORMAT, "format_version": version, **values})
    if len(text) >= PAGE:
        raise StoreError(f"too many feature sets for one file: their places need {len(text)} bytes, and the first page has {PAGE}")
    return f"{text}\n".ljust(PAGE, "\0").encode()


_NO_SEAL = "the first page holds no seal: this is not a finished file of kwsfeat build, or it was repacked, damaged or changed"
_HDF5 = b"\x89HDF\r\n\x1a\n"


def _parsed(fd: int) -> dict[str, Any]:
    page = read_bytes(fd, PAGE, 0)
    try:
        values = json.loads(page.rstrip(b"\0"))
    except (ValueError, RecursionError):
        values = None
    if isinstance(values, dict):
        return values
    if page.startswith(_HDF5):
        raise StoreError("an HDF5 file, but not one made by kwsfeat build")
    raise StoreError(_NO_SEAL if read_bytes(fd, len(_HDF5), PAGE) == _HDF5 else "not an HDF5 file")


def reopened(kind: Callable[[Path], Opened], path: Path, seal: str) -> Opened:
    """What another process pickled: the same data, and not those that took their name.

    Raises
    ------
    StoreError
        If the seal is another one.
    """
    one = kind(path)
    if one.seal != seal:
        one.close()
        raise StoreError(f"{path} was replaced since it was opened: open it again")
    return one


def _between(blocks: Spans, size: int) -> Iterator[tuple[int, int]]:
    at = PAGE
    for first, end in blocks:
        yield at, min(first, size)
        at = max(at, end)
    yield at, size
