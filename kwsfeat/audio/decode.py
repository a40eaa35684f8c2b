"""Decoding by libsndfile: what a file promises is checked against what is there, and memory grows with what can be decoded only."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from kwsfeat.audio import faults
from kwsfeat.audio.faults import Remark, Source, cannot_open, implausible, name_of, truncated
from kwsfeat.audio.raw import is_raw, without_header
from kwsfeat.audio.wav import OPEN_ENDED
from kwsfeat.audio.waveform import Samples, check_peak
from kwsfeat.errors import AudioError

if TYPE_CHECKING:
    from soundfile import SoundFile

Choose = Callable[["SoundFile", int, int], Samples | None]

PIECE = 1 << 18  # frames that are decoded at once

_MOST_PER_BYTE = 1 << 14  # samples that the best compression of silence makes of one byte
_CANCELLED = 1e-3  # of the channels' power is left in their mean: 30 dB
_NIST_COUNT, _NIST_HEADER = re.compile(rb"^sample_count -i (\d+)", re.MULTILINE), 1024  # bytes
_ID3_HEADER = 10  # bytes of what stands before a tag, with its length
_PROMISES = re.compile(r"^\s*(?:data|Data Size|SSND|riff|Riff size)\s*:\s*(\d+) \(should be (\d+)\)", re.MULTILINE)


@contextmanager
def opened(source: Source) -> Iterator[SoundFile]:
    """The recording as libsndfile opens it; its errors become AudioErrors of one line."""
    import soundfile

    if isinstance(source, str | os.PathLike) and os.path.exists(source) and not os.path.isfile(source):
        raise cannot_open(source)  # a pipe would be waited for
    if isinstance(source, str | os.PathLike) and _looks_bare(source) and os.path.isfile(source):
        raise without_header(source)
    try:
        with soundfile.SoundFile(openable(source)) as file:
            yield file
    except soundfile.LibsndfileError as error:
        if isinstance(source, str | os.PathLike) and not os.path.isfile(source):
            raise cannot_open(source) from None
        if isinstance(source, str | os.PathLike) and not os.path.getsize(source):
            raise AudioError(f"{name_of(source)}: empty, 0 bytes: fetch it again or remove it") from None
        if isinstance(source, str | os.PathLike) and is_raw(source):
            raise without_header(source) from None
        what = str(error.error_string).strip().rstrip(".")
        raise AudioError(f"{name_of(source)}: not a recording that can be read ({what}): convert it or remove it") from None
    except OSError as error:
        raise cannot_open(source, error) from None


def openable(source: Source) -> Any:
    """`source` as soundfile takes it: a path as bytes where a name need not be Unicode, which soundfile would refuse as text."""
    if isinstance(source, str | os.PathLike):
        return os.fsencode(source) if os.name == "posix" else os.fspath(source)
    if _looks_bare(name_of(source)):  # it has got the header that its name denies
        return SimpleNamespace(read=source.read, seek=source.seek, tell=source.tell)
    return source


def _looks_bare(name: str | os.PathLike[str]) -> bool:
    """Whether soundfile takes a file of this name for samples without a header, whatever is in it."""
    return os.fspath(name).lower().endswith(".raw")


def check_promises(source: Source, file: SoundFile, remark: Remark) -> int:
    """Compare what the file's header promises with what is there; returns the frames that can be read as far as is known.

    Raises
    ------
    AudioError
        If it is truncated, or claims a length or a rate that cannot be.
    """
    if wrong := _PROMISES.search(file.extra_info):
        promised, there = int(wrong[1]), int(wrong[2])
        if there < promised < OPEN_ENDED:
            if promised - there >= _frame_bytes(file):
                raise truncated(source, there, promised)
            remark(faults.HALF_SAMPLE)
    if "Seems to be a truncated file" in file.extra_info:  # VOC
        raise AudioError(f"{name_of(source)}: truncated: it ends before its end mark: fetch it again or remove it")
    counted = _NIST_COUNT.search(_look(source, lambda file: file.read(_NIST_HEADER))) if file.format == "NIST" else None
    if counted and file.frames < int(counted[1]):
        raise truncated(source, file.frames * _frame_bytes(file), int(counted[1]) * _frame_bytes(file))
    if "lacks an end-of-stream bit" in file.extra_info:
        if "Junk after the last page" in file.extra_info:
            raise AudioError(f"{name_of(source)}: truncated: it ends in the middle of a page: fetch it again or remove it")
        remark(faults.NO_END)
    size = os.path.getsize(source) if isinstance(source, str | os.PathLike) else None
    if size is not None and file.frames > size * _MOST_PER_BYTE + PIECE:
        raise implausible(source, f"{file.frames:,} samples in {size:,} bytes")
    return int(file.frames)


def _frame_bytes(file: SoundFile) -> int:
    """Bytes of one frame where samples are stored one after another; 1 where they are coded."""
    per_sample = {"PCM_S8": 1, "PCM_U8": 1, "PCM_16": 2, "PCM_24": 3, "PCM_32": 4, "FLOAT": 4, "DOUBLE": 8}.get(file.subtype, 1)
    return int(per_sample * file.channels)


def decode(source: Source, start: int, stop: int | None, remark: Remark, choose: Choose) -> tuple[Samples, int]:
    """Frames `start` to `stop` as mono samples, int16 where they are stored so, else float32; and the rate in Hz.

    `choose` may take over a recording of which only a part is wanted: called with the file and the frames that are asked for, it gives
    that part, or None.
    """
    with opened(source) as file:
        frames = check_promises(source, file, remark)
        sr = int(file.samplerate)
        guessed = file.format == "MP3" and not has_length_tag(source)
        if guessed:
            remark(faults.UNTAGGED)
            frames = _count(file)
        end = frames if stop is None else min(stop, frames)
        if (part := choose(file, start, end)) is not None:
            return part, sr
        if start or guessed:
            file.seek(min(start, frames))
        wanted = max(0, end - start)
        y = mono(source, list(pieces(file, wanted)), remark)
        if len(y) < wanted and file.format in ("FLAC", "MP3"):
            raise AudioError(f"{name_of(source)}: truncated: {len(y)} of {wanted} samples can be read: fetch it again or remove it")
    return y, sr


def pieces(file: SoundFile, wanted: int) -> Iterator[NDArray[Any]]:
    """The next `wanted` frames, (n,) or (n, channels), at most PIECE at a time, until they end."""
    dtype = "int16" if file.subtype == "PCM_16" and file.channels == 1 else "float32"
    while wanted > 0:
        # Not file.read(), which stops where the header says that the file ends.
        piece = np.empty((min(PIECE, wanted), file.channels) if file.channels > 1 else min(PIECE, wanted), dtype)
        n = int(file.buffer_read_into(piece, dtype=dtype))
        if n:
            yield piece[:n]
        if n < len(piece):
            return
        wanted -= n


def _count(file: SoundFile) -> int:
    """Frames of a file whose header does not say how many there are."""
    return sum(len(piece) for piece in pieces(file, 1 << 62))


def mono(source: Source, parts: list[NDArray[Any]], remark: Remark) -> Samples:
    """The mean of the channels. Channels that cancel each other would leave silence: then the first channel alone."""
    if not parts:
        return np.zeros(0, np.int16)
    if parts[0].ndim == 1:
        y: Samples = parts[0] if len(parts) == 1 else np.concatenate(parts)
    else:
        y = np.concatenate([part.mean(axis=1, dtype=np.float32) for part in parts])
        power = np.sum([np.square(part, dtype=np.float64).sum(axis=0) for part in parts], axis=0)
        if np.square(y, dtype=np.float64).sum() < _CANCELLED * power.mean():
            remark(faults.CANCELLED)
            y = np.concatenate([part[:, 0] for part in parts])
        elif (power == 0).any() and power.any():
            remark(faults.DEAD_CHANNEL)
    if y.dtype == np.float32:
        _check_values(source, y)
    return y


def _check_values(source: Source, y: NDArray[np.float32]) -> None:
    peak = float(np.abs(y).max(initial=0.0))
    if not np.isfinite(peak):
        bad = int(np.flatnonzero(~np.isfinite(y))[0])
        raise AudioError(f"{name_of(source)}: sample {bad} is {y[bad]}, not a number between -1 and 1: export it again or remove it")
    check_peak(peak, name_of(source))


def has_length_tag(source: Source) -> bool:
    """Whether an MP3 file states how long it is (the frame called Xing or Info)."""
    head = _look(source, _first_frames)
    return b"Xing" in head or b"Info" in head


def _look(source: Source, read: Callable[[BinaryIO], bytes]) -> bytes:
    """What `read` finds from the beginning of a file on; libsndfile, which has it open, goes on from where it is."""
    if isinstance(source, str | os.PathLike):
        with open(source, "rb") as file:
            return read(file)
    place = source.tell()
    source.seek(0)
    found = read(source)
    source.seek(place)
    return found


def _first_frames(file: BinaryIO) -> bytes:
    """The beginning of an MP3 file behind its ID3v2 tags, which may hold a picture."""
    at = 0
    while (head := file.read(_ID3_HEADER)).startswith(b"ID3") and len(head) == _ID3_HEADER:
        size = sum((byte & 0x7F) << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=True))
        at += size + _ID3_HEADER
        file.seek(at)
    return head + file.read(8192)
