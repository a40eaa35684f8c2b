"""Recordings in: decode, mix to mono, resample, fix the length. One clip at a time, thin enough for thousands of small files."""

from __future__ import annotations

import os
import re
import struct
from math import ceil
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from kwsfeat.config import FeatureConfig
from kwsfeat.errors import AudioError

Source = str | os.PathLike[str] | BinaryIO
Samples = NDArray[Any]

_HEAD_BYTES = 1 << 16  # all of an ordinary recording: two seconds at 16 kHz
_BYTES = os.O_RDONLY | getattr(os, "O_BINARY", 0)  # not text, where a system knows the difference
_OPEN_ENDED = 0x7FFF0000  # a data chunk this long was never closed by the program that streamed it: its size says nothing
_LOUDEST = 16.0  # float recordings may exceed 1 a little; beyond this they hold integers


def load_clip(
    source: Source,
    config: FeatureConfig,
    *,
    start: int = 0,
    stop: int | None = None,
    seed: tuple[int, ...] = (0,),
    trim_db: float | None = None,
    out: NDArray[np.int16] | None = None,
) -> tuple[NDArray[np.int16], int]:
    """Read a recording as the clip that `config` describes.

    Channels are averaged, another sample rate is resampled to ``config.sr``, the length becomes ``config.n_samples``. A mono
    16-bit source at the right rate passes through bit for bit; everything else is rounded to 16 bits, and clipped.

    Parameters
    ----------
    source : path or binary file object
        Anything libsndfile reads.
    config : FeatureConfig
        Its `sr`, `n_samples`, `pad`, `crop`, `resample` and `resample_from_hz` are used.
    start, stop : int, samples at the source's own rate, ``0 <= start < stop``
        The part to read; None is the end.
    seed : tuple of int
        For ``crop="random"``.
    trim_db : float > 0 or None
        Drop what lies before the first and after the last 20 ms that are within this many dB of the loudest 20 ms.
    out : ndarray, int16, shape (n_samples,), optional
        Written in place and returned.

    Returns
    -------
    y : ndarray, int16, shape (n_samples,)
    length : int, 1 to n_samples
        Samples that come from the recording; the others are padding.

    Raises
    ------
    AudioError
        One line with the name and what is wrong: missing, not a recording, truncated, no samples, NaN or infinite samples.
    """
    y, sr = read_samples(source, start=start, stop=stop)
    if trim_db is not None:
        y = trim_silence(y, sr, trim_db)
    fixed, length = _fixed_at_rate(y, sr, config, seed)
    if out is None:
        out = np.empty(config.n_samples, np.int16)
    out[:] = as_int16(fixed)
    return out, length


def read_samples(source: Source, *, start: int = 0, stop: int | None = None) -> tuple[Samples, int]:
    """Samples of a recording, mono: int16 when it is stored so, else float32 in [-1, 1]; and its rate in Hz.

    Raises
    ------
    AudioError
        As :func:`load_clip`.
    """
    plain = _read_plain_wav(source, start, stop) if isinstance(source, str | os.PathLike) else None
    y, sr = plain or _read_any(source, start, stop)
    if not len(y):
        raise AudioError(
            f"{_name(source)}: no samples" + (f" from {start} to {stop}" if start or stop else "") + ": record it again or remove it"
        )
    return y, sr


def fix_length(y: Samples, config: FeatureConfig, *, seed: tuple[int, ...] = (0,), n_samples: int | None = None) -> tuple[Samples, int]:
    """Pad with zeros or crop to ``config.n_samples``, as ``config.pad`` and ``config.crop`` say.

    Parameters
    ----------
    y : ndarray, any dtype, shape (n,)
    config : FeatureConfig
    seed : tuple of int
        For ``crop="random"``: the crop starts at ``default_rng(seed).integers(n - n_samples + 1)``.
    n_samples : int, optional
        Another length than ``config.n_samples``.

    Returns
    -------
    y : ndarray, same dtype, shape (n_samples,)
        The array itself when it has the right length, a view when it is longer.
    length : int
        ``min(n, n_samples)``.
    """
    wanted = config.n_samples if n_samples is None else n_samples
    n = len(y)
    if n == wanted:
        return y, n
    if n > wanted:
        first = _crop_start(y, wanted, config, seed)
        return y[first : first + wanted], wanted
    padded = np.zeros(wanted, y.dtype)
    first = {"end": 0, "front": wanted - n, "center": (wanted - n) // 2}[config.pad]
    padded[first : first + n] = y
    return padded, n


def _crop_start(y: Samples, wanted: int, config: FeatureConfig, seed: tuple[int, ...]) -> int:
    spare = len(y) - wanted
    if config.crop == "start":
        return 0
    if config.crop == "center":
        return spare // 2
    if config.crop == "random":
        return int(np.random.default_rng(seed).integers(spare + 1))
    energy = np.concatenate([[0.0], np.cumsum(np.square(y, dtype=np.float64))])
    return int(np.argmax(energy[wanted:] - energy[:-wanted]))


def trim_silence(y: Samples, sr: int, top_db: float) -> Samples:
    """The part of `y` from the first to the last 20 ms frame whose power is within `top_db` (> 0) dB of the loudest frame's."""
    frame = max(1, sr // 50)
    starts = np.arange(0, len(y), frame)
    power = np.add.reduceat(np.square(y, dtype=np.float64), starts) / np.diff([*starts, len(y)])
    if power.max() == 0.0:
        return y
    loud = np.flatnonzero(power >= power.max() * 10.0 ** (-top_db / 10.0))
    return y[loud[0] * frame : (loud[-1] + 1) * frame]


def resample(y: Samples, sr: int, new_sr: int, method: str = "soxr") -> NDArray[np.float32]:
    """`y` (n,) at `sr` Hz as float32 at `new_sr` Hz, ``ceil(n * new_sr / sr)`` samples for ``fft``, nearest for ``soxr`` (HQ)."""
    y = as_float32(y)
    if sr == new_sr:
        return y
    if method == "fft":
        from scipy.signal import resample as fft_resample

        return np.asarray(fft_resample(y, ceil(len(y) * new_sr / sr)), np.float32)
    import soxr

    return np.asarray(soxr.resample(y, sr, new_sr, quality="HQ"), np.float32)


def openable(path: str | os.PathLike[str]) -> str | bytes:
    """`path` as soundfile takes it: bytes where a name need not be Unicode, which soundfile would refuse as text."""
    return os.fsencode(path) if os.name == "posix" else os.fspath(path)


def as_int16(y: Samples) -> NDArray[np.int16]:
    """16-bit samples of `y` in [-1, 1]: times 32768, rounded, clipped; int16 passes through."""
    if y.dtype == np.int16:
        return y
    return np.clip(np.rint(y * np.float32(32768.0)), -32768, 32767).astype(np.int16)


def as_float32(y: Samples) -> NDArray[np.float32]:
    """`y` in [-1, 1] as float32: int16 is divided by 32768."""
    return y * np.float32(1 / 32768) if y.dtype == np.int16 else y.astype(np.float32, copy=False)


def _fixed_at_rate(y: Samples, sr: int, config: FeatureConfig, seed: tuple[int, ...]) -> tuple[Samples, int]:
    """`y` at ``config.sr`` with ``config.n_samples``; untouched int16 stays int16."""
    if config.resample_from_hz:
        # System C fixes the clip at its recorded rate and resamples the result, so that the FFT sees the zeros too.
        between = config.resample_from_hz
        if sr != between:
            y = resample(y, sr, between)
        fixed, length = fix_length(y, config, seed=seed, n_samples=ceil(config.n_samples * between / config.sr))
        resampled = resample(fixed, between, config.sr, config.resample)
        return fix_length(resampled, config)[0], min(config.n_samples, ceil(length * config.sr / between))
    if sr != config.sr:
        y = resample(y, sr, config.sr, config.resample)
        if not len(y):
            raise AudioError(f"a recording of less than one sample at {config.sr} Hz: record it again or remove it")
    return fix_length(y, config, seed=seed)


def _read_plain_wav(path: str | os.PathLike[str], start: int, stop: int | None) -> tuple[NDArray[np.int16], int] | None:
    """Mono 16-bit PCM from an ordinary WAV file, without libsndfile's cost per file; None for every other file.

    A short recording is one read of the whole file; the samples are a read-only view of it.
    """
    try:
        fd = os.open(path, _BYTES)
        try:
            head = os.read(fd, _HEAD_BYTES)
            if (found := _find_samples(head)) is None:
                return None
            at, size, sr = found
            if len(head) < at + size and (there := os.fstat(fd).st_size - at) < size:
                raise _truncated(path, there, size)
            n = max(0, min(size // 2, size // 2 if stop is None else stop) - start)
            at += 2 * start
            if at + 2 * n <= len(head) or not n:
                return np.frombuffer(head, "<i2", n, at if n else 0), sr
            os.lseek(fd, at, os.SEEK_SET)
            samples = os.read(fd, 2 * n)
            if len(samples) < 2 * n:
                raise AudioError(f"{path}: shrank while it was read: try again")
            return np.frombuffer(samples, "<i2"), sr
        finally:
            os.close(fd)
    except OSError as error:
        raise _cannot_open(path, error) from None


def _find_samples(head: bytes) -> tuple[int, int, int] | None:
    """Where the samples of a mono 16-bit WAV file begin, their bytes, their rate in Hz; None for another file."""
    if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        return None
    at, sr = 12, 0
    while at + 8 <= len(head):
        name, size = struct.unpack_from("<4sI", head, at)
        at += 8
        if name == b"data":
            return (at, size, sr) if sr and 0 < size < _OPEN_ENDED else None
        if name == b"fmt " and at + 16 <= len(head):
            coding, channels, sr, _, align, bits = struct.unpack_from("<HHIIHH", head, at)
            if (coding, channels, align, bits) != (1, 1, 2, 16):
                return None
        at += size + size % 2
    return None


def _read_any(source: Source, start: int, stop: int | None) -> tuple[Samples, int]:
    import soundfile

    try:
        with soundfile.SoundFile(openable(source) if isinstance(source, str | os.PathLike) else source) as file:
            if file.format in ("WAV", "WAVEX") and (wrong := _WRONG_SIZE.search(file.extra_info)):
                promised, there = int(wrong[1]), int(wrong[2])
                if there < promised < _OPEN_ENDED:
                    raise _truncated(source, there, promised)
            if start:
                file.seek(min(start, file.frames))
            wanted = max(0, (file.frames if stop is None else min(stop, file.frames)) - start)
            is_int16 = file.subtype == "PCM_16" and file.channels == 1
            y = file.read(wanted, dtype="int16" if is_int16 else "float32")
            if len(y) < wanted and file.format == "FLAC":
                raise AudioError(f"{_name(source)}: truncated: {len(y)} of {wanted} samples can be read: fetch it again or remove it")
            sr = int(file.samplerate)
    except soundfile.LibsndfileError as error:
        if isinstance(source, str | os.PathLike) and not os.path.isfile(source):
            raise _cannot_open(source) from None
        if isinstance(source, str | os.PathLike) and not os.path.getsize(source):
            raise AudioError(f"{_name(source)}: empty, 0 bytes: fetch it again or remove it") from None
        what = str(error.error_string).strip().rstrip(".")
        raise AudioError(f"{_name(source)}: not a recording that can be read ({what}): convert it or remove it") from None
    except OSError as error:
        raise _cannot_open(source, error) from None
    if y.ndim == 2:
        y = y.mean(axis=1, dtype=np.float32)
    if y.dtype == np.float32:
        _check_values(source, y)
    return y, sr


def _check_values(source: Source, y: NDArray[np.float32]) -> None:
    peak = float(np.abs(y).max(initial=0.0))
    if not np.isfinite(peak):
        bad = int(np.flatnonzero(~np.isfinite(y))[0])
        raise AudioError(f"{_name(source)}: sample {bad} is {y[bad]}, not a number between -1 and 1: export it again or remove it")
    if peak > _LOUDEST:
        raise AudioError(f"{_name(source)}: samples reach {peak:g} and should lie between -1 and 1: divide them by their full scale")


_WRONG_SIZE = re.compile(r"^\s*data\s*:\s*(\d+) \(should be (\d+)\)", re.MULTILINE)


def _truncated(source: Source, there: int, promised: int) -> AudioError:
    return AudioError(f"{_name(source)}: truncated: {max(0, there)} of {promised} bytes of samples are there: fetch it again or remove it")


def _cannot_open(source: Source, error: OSError | None = None) -> AudioError:
    name = _name(source)
    if isinstance(source, str | os.PathLike):
        if os.path.isdir(source):
            return AudioError(f"{name}: is a folder, not a recording")
        if os.path.islink(source) and not os.path.exists(source):
            return AudioError(f"{name}: a symbolic link to {os.readlink(source)}, which does not exist")
        if not os.path.exists(source):
            return AudioError(f"{name}: no such file")
    return AudioError(f"{name}: cannot be opened: {error.strerror if error else 'not a regular file'}")


def _name(source: Source) -> str:
    """The source for a message; bytes that are no Unicode become a question mark."""
    name = os.fspath(source) if isinstance(source, str | os.PathLike) else str(getattr(source, "name", "recording"))
    return os.fsencode(name).decode("utf-8", "replace")
