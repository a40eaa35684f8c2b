"""Sources of samples other than a sound card: a recording, and a pipe with raw samples or WAV."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from kwsfeat import AudioError, ConfigError, read_blocks

PIECE_S = 0.08
_CODINGS: dict[str, np.dtype[Any]] = {"s16": np.dtype("<i2"), "f32": np.dtype("<f4")}
_LONGEST_FORM = 40  # bytes of the chunk that says what the samples are
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE  # format codes of WAV


@dataclass(frozen=True)
class Piece:
    """The next samples of a source: mono, at `sr` Hz, preceded by `lost_s` seconds that were lost."""

    samples: NDArray[Any]  # int16 or float32, (n,)
    sr: int
    lost_s: float = 0.0


def from_recording(path: Path, remark: Callable[[str], None]) -> Iterator[Piece]:
    """The pieces of a recording, about 80 ms each, as fast as they can be used.

    Raises
    ------
    AudioError
        If the recording cannot be read to the end.
    """
    for y, sr in read_blocks(path, remark=remark):
        n = max(1, round(PIECE_S * sr))
        for start in range(0, len(y), n):
            yield Piece(y[start : start + n], sr)


def from_pipe(stream: BinaryIO, raw: str, remark: Callable[[str], None]) -> Iterator[Piece]:
    """The pieces of `stream` until it ends: raw samples (``arecord -t raw``), or WAV (``arecord`` without it).

    Parameters
    ----------
    stream : binary file
        Read as the data arrive; the stream need not end.
    raw : str
        Coding and rate in Hz of samples without a header: ``s16:16000`` (16-bit little-endian) or ``f32:48000`` (float32).
    remark : callable
        Called with a sentence if the stream ends in the middle of a sample.

    Yields
    ------
    Piece
        Of about 80 ms or less.

    Raises
    ------
    ConfigError
        If `raw` does not have this form.
    AudioError
        If the header of a WAV describes anything other than mono samples of 16 bits or of float32.
    """
    kind, sr = _parse(raw)
    pending = stream.read(4)
    if pending == b"RIFF":
        kind, sr = _header(stream)
        pending = b""
    width, n_bytes = kind.itemsize, max(1, round(PIECE_S * sr)) * kind.itemsize
    while data := _read(stream, n_bytes - len(pending)):
        data, whole = pending + data, (len(pending) + len(data)) // width * width
        pending = data[whole:]
        if whole:
            yield Piece(np.frombuffer(data[:whole], kind), sr)
    if pending:
        remark(f"the stream ends in the middle of a sample: {len(pending)} of its {width} bytes are left out")


def _read(stream: BinaryIO, n: int) -> bytes:
    """The bytes that have arrived, at least one and at most `n`, without waiting for more."""
    read1: Callable[[int], bytes] = getattr(stream, "read1", stream.read)
    return read1(n)


def _parse(raw: str) -> tuple[np.dtype[Any], int]:
    coding, _, rate = raw.partition(":")
    if coding not in _CODINGS or not rate.isdecimal() or not 1 <= int(rate[:9]) <= 1_000_000:
        raise ConfigError(f"raw={raw!r} must be CODING:HZ with the coding s16 or f32, such as s16:16000")
    return _CODINGS[coding], int(rate)


def _header(stream: BinaryIO) -> tuple[np.dtype[Any], int]:
    """Coding and rate of a WAV whose first four bytes have been read; afterwards the samples are next in the stream.

    The sizes in the header are ignored: a program that writes to a pipe cannot know them.
    """
    stream.read(8)
    form = b""
    while (name := stream.read(4)) != b"data":
        size = stream.read(4)
        if len(size) < 4:
            raise AudioError("the WAV on stdin ends before its samples: was the recorder stopped?")
        (n,) = struct.unpack("<I", size)
        n += n % 2  # a chunk of an odd size has a byte more, which its size does not count
        if name == b"fmt ":
            form = stream.read(min(n, _LONGEST_FORM))
            n -= len(form)
        while n > 0 and (part := stream.read(min(n, 1 << 16))):
            n -= len(part)
    stream.read(4)
    if len(form) < 16:
        raise AudioError("the WAV on stdin does not say what its samples are (no chunk 'fmt '): record with -t raw")
    number, channels, sr, _, _, bits = struct.unpack("<HHIIHH", form[:16])
    if number == _EXTENSIBLE and len(form) >= 26:
        number = struct.unpack("<H", form[24:26])[0]
    known = {(_PCM, 16): "s16", (_FLOAT, 32): "f32"}
    if channels != 1 or (number, bits) not in known:
        raise AudioError(
            f"the WAV on stdin has {channels} channels of {bits} bits (coding {number}): it must be mono, 16 bits or float32, as "
            "arecord -c 1 -f S16_LE -r 16000 records"
        )
    return _parse(f"{known[number, bits]}:{sr}")
