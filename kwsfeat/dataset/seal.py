"""The first page of a file: one line of JSON that seals every byte which no block checksum covers.

It stands in HDF5's user block, before the HDF5 data, so that a damaged file is found out without asking the HDF5 library,
which may hang or crash on damaged metadata. While a file is being made, the page holds the key of its build instead.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from typing import Any

from kwsfeat.errors import StoreError

PAGE = 4096
FORMAT = "kwsfeat"
FORMAT_VERSION = 1

_READ_BYTES = 1 << 22

Spans = Sequence[tuple[int, int]]


def sealed_page(fd: int, blocks: Spans) -> bytes:
    """The page that fits the file: BLAKE2b-256 of all bytes behind the page that are not in `blocks`, (first, end) in bytes.

    Together with the checksums of the blocks, which lie among the bytes that it covers, this protects the whole file.
    """
    digest = hashlib.blake2b(digest_size=32)
    for first, end in _between(sorted(blocks), os.fstat(fd).st_size):
        for offset in range(first, end, _READ_BYTES):
            digest.update(os.pread(fd, min(_READ_BYTES, end - offset), offset))
    return _page({"seal": digest.hexdigest(), "blocks": sorted(blocks)})


def unfinished_page(key: bytes, ledger: int) -> bytes:
    """The page of a file in the making: `key` stands for all that it is made from, its ledger begins at byte `ledger`."""
    return _page({"unfinished": key.hex(), "ledger": ledger})


def ledger_of(fd: int, key: bytes) -> int | None:
    """Where the ledger of an unfinished file begins; None when it was not begun with this `key`, or is sealed."""
    try:
        values = json.loads(os.pread(fd, PAGE, 0).rstrip(b"\0"))
        return int(values["ledger"]) if key and values["unfinished"] == key.hex() else None
    except (ValueError, KeyError, TypeError):
        return None


def stored_seal(fd: int) -> str:
    """The seal that is written in the page: two finished files with the same seal are equal but for their large arrays.

    Raises
    ------
    StoreError
        If the page holds no seal.
    """
    return str(_parsed(fd)["seal"])


def broken_seal(fd: int) -> str | None:
    """What is wrong with the bytes that the seal protects, None when nothing is."""
    try:
        blocks = [(int(first), int(end)) for first, end in _parsed(fd)["blocks"]]
    except (StoreError, TypeError, ValueError):
        return "the first page holds no seal: this is no finished file of kwsfeat build, or it was damaged or changed"
    if os.pread(fd, PAGE, 0) != sealed_page(fd, blocks):
        return "metadata, columns or checksums differ from the seal in the first page: they were damaged or changed"
    return None


def sealed_blocks(fd: int) -> list[tuple[int, int]]:
    """The (first, end) of the arrays that the seal leaves to the checksums, ascending."""
    return [(first, end) for first, end in _parsed(fd)["blocks"]]


def _page(values: dict[str, Any]) -> bytes:
    text = json.dumps({"format": FORMAT, "format_version": FORMAT_VERSION, **values})
    if len(text) >= PAGE:
        raise StoreError(f"too many feature sets for one file: their places need {len(text)} bytes, and the first page has {PAGE}")
    return f"{text}\n".ljust(PAGE, "\0").encode()


def _parsed(fd: int) -> dict[str, Any]:
    try:
        values = json.loads(os.pread(fd, PAGE, 0).rstrip(b"\0"))
        if isinstance(values, dict) and {"seal", "blocks"} <= values.keys():
            return values
    except ValueError:
        pass
    raise StoreError("the first page holds no seal")


def _between(blocks: Spans, size: int) -> Iterator[tuple[int, int]]:
    at = PAGE
    for first, end in blocks:
        yield at, min(first, size)
        at = max(at, end)
    yield at, size
