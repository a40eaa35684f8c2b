"""Samples in memory: float in [-1, 1] or int16. The one way from one to the other, and the one rule of what is refused.

Other integers and floats in +-32767 have a scale that nobody stated: features of them would be wrong by a constant that no
later step can see.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kwsfeat.errors import AudioError

Samples = NDArray[Any]

LOUDEST = 16.0  # float samples may exceed 1 a little; beyond this they hold integers
# A few samples of a lossy or resampled recording overshoot by a decibel or two; one in a thousand beyond 2 dB was recorded so.
_OVERSHOOT, _OVERSHOOTING = 1.25, 1e-3
_CURES = {
    "int32": "divide them by 2147483648, or convert them with .astype(np.int16) when the values are 16-bit",
    "int64": "divide them by their full scale (32768 for 16-bit values), or convert 16-bit values with .astype(np.int16)",
    "uint8": "subtract 128 and divide by 128",
}


def as_samples(y: ArrayLike, name: str = "y") -> Samples:
    """`y` as an array of int16 or float32, whichever it holds, C-contiguous; the values are not looked at.

    Parameters
    ----------
    y : array_like, int16 or float
        float64 is rounded. Other types have no full scale that is known here.
    name : str
        What to call it in a message.

    Raises
    ------
    AudioError
        If it has another type; the message says what to divide by.
    """
    try:
        samples = np.asarray(y)
    except ValueError as error:
        raise AudioError(f"{name} is not an array of samples: {error}") from None
    if samples.dtype.kind == "i" and samples.dtype.itemsize == 2:  # of either byte order
        return np.ascontiguousarray(samples, np.int16)
    if samples.dtype.kind == "f":
        return np.ascontiguousarray(samples, np.float32)
    cure = _CURES.get(samples.dtype.name, "divide them by their full scale")
    raise AudioError(f"{name} has samples of type {samples.dtype} and must be float in [-1, 1] or int16: {cure}")


def as_float32(y: ArrayLike, name: str = "y", *, check_finite: bool = True) -> NDArray[np.float32]:
    """`y` as float32 in [-1, 1], C-contiguous: int16 is divided by 32768. Not copied when it is that already.

    Parameters
    ----------
    y : array_like, int16 or float in [-1, 1], any shape
    name : str
        What to call it in a message.
    check_finite : bool
        Refuse NaN and infinity.

    Returns
    -------
    ndarray, float32, shape of `y`

    Raises
    ------
    AudioError
        If `y` has another type, reaches values of integers, or is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> as_float32(np.array([16384, -32768], np.int16))
    array([ 0.5, -1. ], dtype=float32)
    """
    samples = as_samples(y, name)
    if samples.dtype == np.int16:
        return samples * np.float32(1 / 32768)
    check_samples(samples, name, check_finite=check_finite)
    return samples


def as_int16(y: ArrayLike, name: str = "y") -> NDArray[np.int16]:
    """16-bit samples of `y`: floats times 32768, rounded and clipped; int16 passes through.

    Parameters and errors are those of :func:`as_float32`.
    """
    if isinstance(y, np.ndarray) and y.dtype == np.float64:  # rounded once, not twice
        check_samples(y, name)
        return _rounded(y)
    samples = as_samples(y, name)
    if samples.dtype == np.int16:
        return samples
    check_samples(samples, name)
    return _rounded(samples)


def check_samples(samples: Samples, name: str, *, check_finite: bool = True) -> None:
    """Raise AudioError when `samples`, float, are not a waveform in [-1, 1]; int16 always is one."""
    if samples.size and samples.dtype.kind == "f":
        peak = max(float(samples.max()), -float(samples.min()))  # NaN when a sample is
        check_peak(peak, name, check_finite=check_finite)


def check_peak(peak: float, name: str, *, check_finite: bool = True) -> None:
    """Raise AudioError when float samples with the largest magnitude `peak` are not a waveform in [-1, 1].

    `peak` is infinite or NaN when a sample is: an error with `check_finite`.
    """
    if peak <= LOUDEST:
        return
    if not np.isfinite(peak):
        if check_finite:
            raise AudioError(f"{name} holds NaN or infinity: repair the recording, or pass check_finite=False")
        return
    raise AudioError(
        f"{name}: samples reach {peak:g} and must lie between -1 and 1: divide them by their full scale, 32768 for 16-bit values"
    )


def is_overdriven(y: Samples) -> bool:
    """Whether `y`, float, lies so far and so often beyond full scale that 16 bits lose what is heard; int16 never does."""
    if y.dtype == np.int16 or max(float(y.max()), -float(y.min())) <= _OVERSHOOT:
        return False
    return bool(np.mean(np.abs(y) > _OVERSHOOT) > _OVERSHOOTING)


def require_finite(values: NDArray[np.generic], name: str, check_finite: bool) -> None:
    """Raise AudioError when `check_finite` and `values`, called `name` in the message, hold NaN or infinity.

    A sum is not finite when a term is not, and costs a third of looking at every value, which is left for when it is not.
    """
    if not check_finite or values.dtype.kind in "iu":
        return
    with np.errstate(invalid="ignore", over="ignore"):
        total = values.sum()
    if not np.isfinite(total) and not np.isfinite(values).all():
        raise AudioError(f"{name} holds NaN or infinity: repair the recording, or pass check_finite=False")


def _rounded(y: Samples) -> NDArray[np.int16]:
    return np.clip(np.rint(y * np.float32(32768.0)), -32768, 32767).astype(np.int16)


def write_waveform(path: str | Path, y: ArrayLike, sr: int) -> None:
    """Write a recording with 16 bits.

    It is encoded in memory first: on a full disk libsndfile tells no more than that there was an error of the system.

    Parameters
    ----------
    path : path
        Its suffix names the format: ``.wav`` or ``.flac``.
    y : array_like, int16 or float in [-1, 1], shape (n,)
        Mono.
    sr : int >= 1, Hz

    Raises
    ------
    AudioError
        If the format is another one, or `y` is not a waveform.
    OSError
        If it cannot be written.

    Examples
    --------
    >>> import numpy as np
    >>> write_waveform("silence.wav", np.zeros(16000, np.float32), 16000)
    """
    import soundfile

    path, samples, file = Path(path), as_int16(y), io.BytesIO()
    if path.suffix.lower() not in _WRITTEN:
        raise AudioError(f"{path}: recordings are written as {' or '.join(_WRITTEN)}, which the name must end with")
    if samples.ndim != 1 or sr < 1:
        raise AudioError(f"y of shape {samples.shape} at {sr} Hz is not a waveform: it must be one channel, (n,), at 1 Hz or more")
    soundfile.write(file, samples, sr, format=path.suffix[1:].upper(), subtype="PCM_16")
    path.write_bytes(file.getbuffer())


_WRITTEN = (".wav", ".flac")
