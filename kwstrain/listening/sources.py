"""Where samples come from without a sound card: a recording, and a pipe of raw samples or of WAV."""

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
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE  # WAV's numbers of codings


@dataclass(frozen=True)
class Piece:
    """Samples as they come: mono, at `sr` Hz, after `lost_s` seconds that never arrived."""

    samples: NDArray[Any]  # int16 or float32, (n,)
    sr: int
    lost_s: float = 0.0


def from_recording(path: Path, remark: Callable[[str], None]) -> Iterator[Piece]:
    """The pieces of a recording, as fast as they are taken."""
    for y, sr in read_blocks(path, remark=remark):
        n = max(1, round(PIECE_S * sr))
        for start in range(0, len(y), n):
            yield Piece(y[start : start + n], sr)


def from_pipe(stream: BinaryIO, raw: str, remark: Callable[[str], None]) -> Iterator[Piece]:
    """The pieces of what `stream` gives until it ends: ``arecord`` with ``-t raw``, or the WAV that it writes without.

    Parameters
    ----------
    stream : binary file
        Read as it comes; never to an end that it may not have.
    raw : str
        What samples without a header are: ``s16:16000``, 16-bit little-endian, or ``f32:48000``, and their rate in Hz.
    remark : callable
        Called where the stream ends in the middle of a sample.

    Raises
    ------
    ConfigError
        If `raw` is nothing of the kind.
    AudioError
        If a WAV header says something other than mono samples of 16 bits or of float32.
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
    """What is there, at most `n` bytes, waiting for the first: a pipe is heard as it speaks."""
    read1: Callable[[int], bytes] = getattr(stream, "read1", stream.read)
    return read1(n)


def _parse(raw: str) -> tuple[np.dtype[Any], int]:
    coding, _, rate = raw.partition(":")
    if coding not in _CODINGS or not rate.isdecimal() or not 1 <= int(rate[:9]) <= 1_000_000:
        raise ConfigError(f"raw={raw!r} must be CODING:HZ with the coding s16 or f32, as s16:16000")
    return _CODINGS[coding], int(rate)


def _header(stream: BinaryIO) -> tuple[np.dtype[Any], int]:
    """Coding and rate of a WAV whose first four bytes are read; the stream then stands at its samples.

    The sizes that a pipe's header gives are made up, as nobody knew them; they are not looked at.
    """
    stream.read(8)
    form = b""
    while (name := stream.read(4)) != b"data":
        size = stream.read(4)
        if len(size) < 4:
            raise AudioError("the WAV on stdin ends before its samples: was the recorder stopped?")
        chunk = stream.read(min(struct.unpack("<I", size)[0], 1 << 20))
        form = chunk if name == b"fmt " else form
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
            "arecord -c 1 -f S16_LE -r 16000 gives"
        )
    return _parse(f"{known[number, bits]}:{sr}")
