"""The fast way for the most common recording: a mono 16-bit PCM WAV file is read without libsndfile's cost per file."""

from __future__ import annotations

import os
import stat
import struct

import numpy as np
from numpy.typing import NDArray

from kwsfeat.audio.faults import HALF_SAMPLE, Remark, cannot_open, name_of, truncated
from kwsfeat.errors import AudioError

_HEAD_BYTES = 1 << 16  # all of an ordinary recording: two seconds at 16 kHz
# Not text, where a system knows the difference; and a pipe is not waited for.
_BYTES = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
LONG_S = 60  # a longer recording is not read as a whole, see long.py
OPEN_ENDED = 0x7FFF0000  # a data chunk this long was never closed by the program that streamed it: its size says nothing


def read_plain_wav(path: str | os.PathLike[str], start: int, stop: int | None, remark: Remark) -> tuple[NDArray[np.int16], int] | None:
    """Mono 16-bit PCM from an ordinary WAV file, without libsndfile's cost per file; None for every other file.

    A short recording is one read of the whole file; the samples are a read-only view of it.
    """
    try:
        fd = os.open(path, _BYTES)
        try:
            head = os.read(fd, _HEAD_BYTES)
            if (found := _find_samples(head)) is None:
                if not stat.S_ISREG(os.fstat(fd).st_mode):
                    raise cannot_open(path)
                return None
            at, size, sr = found
            if len(head) < at + size and (there := os.fstat(fd).st_size - at) < size:
                if there != size - 1:
                    raise truncated(path, there, size)
                remark(HALF_SAMPLE)
                size -= 1
            n = max(0, min(size // 2, size // 2 if stop is None else stop) - start)
            if n > LONG_S * sr:
                return None
            at += 2 * start
            if at + 2 * n <= len(head) or not n:
                return np.frombuffer(head, "<i2", n, at if n else 0), sr
            os.lseek(fd, at, os.SEEK_SET)
            samples = os.read(fd, 2 * n)
            if len(samples) < 2 * n:
                raise AudioError(f"{name_of(path)}: shrank while it was read: try again")
            return np.frombuffer(samples, "<i2"), sr
        finally:
            os.close(fd)
    except OSError as error:
        raise cannot_open(path, error) from None


def _find_samples(head: bytes) -> tuple[int, int, int] | None:
    """Where the samples of a mono 16-bit WAV file begin, their bytes, their rate in Hz; None for another file."""
    if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        return None
    at, sr = 12, 0
    while at + 8 <= len(head):
        name, size = struct.unpack_from("<4sI", head, at)
        at += 8
        if name == b"data":
            return (at, size, sr) if sr and 0 < size < OPEN_ENDED else None
        if name == b"fmt " and at + 16 <= len(head):
            coding, channels, sr, _, align, bits = struct.unpack_from("<HHIIHH", head, at)
            if (coding, channels, align, bits) != (1, 1, 2, 16):
                return None
        at += size + size % 2
    return None
