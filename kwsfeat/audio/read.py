"""Recordings in: any file that libsndfile reads, as mono samples at the file's own rate."""

from __future__ import annotations

import os
import re

import numpy as np
from numpy.typing import NDArray

from kwsfeat.audio.faults import Source, cannot_open, name_of, truncated
from kwsfeat.audio.wav import OPEN_ENDED, read_plain_wav
from kwsfeat.audio.waveform import Samples
from kwsfeat.errors import AudioError

_LOUDEST = 16.0  # float recordings may exceed 1 a little; beyond this they hold integers


def read_samples(source: Source, *, start: int = 0, stop: int | None = None) -> tuple[Samples, int]:
    """Samples of a recording, mono: int16 when it is stored so, else float32 in [-1, 1]; and its rate in Hz.

    Raises
    ------
    AudioError
        As :func:`load_clip`.
    """
    plain = read_plain_wav(source, start, stop) if isinstance(source, str | os.PathLike) else None
    y, sr = plain or _read_any(source, start, stop)
    if not len(y):
        raise AudioError(
            f"{name_of(source)}: no samples" + (f" from {start} to {stop}" if start or stop else "") + ": record it again or remove it"
        )
    return y, sr


def openable(path: str | os.PathLike[str]) -> str | bytes:
    """`path` as soundfile takes it: bytes where a name need not be Unicode, which soundfile would refuse as text."""
    return os.fsencode(path) if os.name == "posix" else os.fspath(path)


def _read_any(source: Source, start: int, stop: int | None) -> tuple[Samples, int]:
    import soundfile

    try:
        with soundfile.SoundFile(openable(source) if isinstance(source, str | os.PathLike) else source) as file:
            if file.format in ("WAV", "WAVEX") and (wrong := _WRONG_SIZE.search(file.extra_info)):
                promised, there = int(wrong[1]), int(wrong[2])
                if there < promised < OPEN_ENDED:
                    raise truncated(source, there, promised)
            if start:
                file.seek(min(start, file.frames))
            wanted = max(0, (file.frames if stop is None else min(stop, file.frames)) - start)
            is_int16 = file.subtype == "PCM_16" and file.channels == 1
            y = file.read(wanted, dtype="int16" if is_int16 else "float32")
            if len(y) < wanted and file.format == "FLAC":
                raise AudioError(f"{name_of(source)}: truncated: {len(y)} of {wanted} samples can be read: fetch it again or remove it")
            sr = int(file.samplerate)
    except soundfile.LibsndfileError as error:
        if isinstance(source, str | os.PathLike) and not os.path.isfile(source):
            raise cannot_open(source) from None
        if isinstance(source, str | os.PathLike) and not os.path.getsize(source):
            raise AudioError(f"{name_of(source)}: empty, 0 bytes: fetch it again or remove it") from None
        what = str(error.error_string).strip().rstrip(".")
        raise AudioError(f"{name_of(source)}: not a recording that can be read ({what}): convert it or remove it") from None
    except OSError as error:
        raise cannot_open(source, error) from None
    if y.ndim == 2:
        y = y.mean(axis=1, dtype=np.float32)
    if y.dtype == np.float32:
        _check_values(source, y)
    return y, sr


def _check_values(source: Source, y: NDArray[np.float32]) -> None:
    peak = float(np.abs(y).max(initial=0.0))
    if not np.isfinite(peak):
        bad = int(np.flatnonzero(~np.isfinite(y))[0])
        raise AudioError(f"{name_of(source)}: sample {bad} is {y[bad]}, not a number between -1 and 1: export it again or remove it")
    if peak > _LOUDEST:
        raise AudioError(f"{name_of(source)}: samples reach {peak:g} and should lie between -1 and 1: divide them by their full scale")


_WRONG_SIZE = re.compile(r"^\s*data\s*:\s*(\d+) \(should be (\d+)\)", re.MULTILINE)
