"""Tables of TFLM's integer micro front end, as its C code makes them in single precision.

Formulas: tensorflow/lite/experimental/microfrontend (window_util.c, filterbank_util.c, pcan_gain_control_util.c) and kissfft.
A rounding at another place changes whole numbers here and there, so each is spelled out. The logarithm is that of the C
libraries of microcontrollers: log1pf of glibc since 2.41 rounds otherwise, and moves three weights by 2**-12.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

f32 = np.float32

WEIGHT_BITS = 12
_NOISE_BITS = 10
_GAIN_BITS, _GAIN_STRENGTH, _GAIN_OFFSET = 21, 0.95, 80.0
_EVEN_SMOOTHING, _ODD_SMOOTHING = 0.025, 0.06


class Bands(NamedTuple):
    """Triangles over FFT bins; parts of the axis lie between their centres."""

    first: NDArray[np.int32]  # (n_bands + 1,) first bin of each part
    n_bins: NDArray[np.int32]  # (n_bands + 1,) and how many it has
    up: NDArray[np.int32]  # weights in 2**-12 in the band that ends with the part, one part after the other
    down: NDArray[np.int32]  # and in the band that begins with it


def micro_window(win_length: int) -> NDArray[np.int32]:
    """Hann window shifted by half a sample, in 2**-12.

    Parameters
    ----------
    win_length : int, >= 1

    Returns
    -------
    window : ndarray, int32, shape (win_length,)
    """
    step = float(f32(2.0 * math.pi / win_length))
    values = [f32(0.5 - 0.5 * float(f32(math.cos(float(f32(step * (i + 0.5))))))) for i in range(win_length)]
    return np.array([math.floor(float(v * f32(1 << WEIGHT_BITS)) + 0.5) for v in values], np.int32)


def micro_bands(n_bands: int, fmin_hz: float, fmax_hz: float, *, sr: int, n_fft: int) -> Bands:
    """Whole weights of triangles that are even on the mel scale.

    Parameters
    ----------
    n_bands : int, >= 1
    fmin_hz, fmax_hz : float, Hz, 0 <= fmin_hz < fmax_hz
    sr : int, Hz
    n_fft : int

    Returns
    -------
    Bands
    """
    low, high = _mel(fmin_hz), _mel(fmax_hz)
    spacing = f32(f32(high - low) / f32(n_bands + 1))
    edges = [low, *(f32(low + f32(spacing * f32(i + 1))) for i in range(n_bands + 1))]
    hz_per_bin = 0.5 * sr / (n_fft // 2)
    k = int(1.5 + fmin_hz / hz_per_bin)
    first, n_bins, up, down = [], [], [], []
    for before, edge in pairwise(edges):
        first.append(k)
        while (mel := _mel(k * hz_per_bin)) <= edge:
            weight = f32(f32(edge - mel) / f32(edge - before))
            up.append(math.floor(float(weight * f32(1 << WEIGHT_BITS)) + 0.5))
            down.append(math.floor((1.0 - float(weight)) * (1 << WEIGHT_BITS) + 0.5))
            k += 1
        n_bins.append(k - first[-1])
    return Bands(*(np.array(values, np.int32) for values in (first, n_bins, up, down)))


def micro_smoothing(n_bands: int) -> NDArray[np.int32]:
    """How fast each band's noise estimate follows, in 2**-14: neighbours differ.

    Parameters
    ----------
    n_bands : int, >= 1

    Returns
    -------
    smoothing : ndarray, int32, shape (n_bands,)
    """
    values = [int(f32(share) * f32(1 << 14)) for share in (_EVEN_SMOOTHING, _ODD_SMOOTHING)]
    return np.resize(np.array(values, np.int32), n_bands)


def micro_gain(correction_bits: int) -> NDArray[np.int32]:
    """PCAN's gain ``2**21 (noise + 80)**-0.95`` as parabolas between powers of two.

    Parameters
    ----------
    correction_bits : int
        By how many bits levels are smaller than the transform's magnitudes.

    Returns
    -------
    parabolas : ndarray, int32, shape (33, 3)
        For noise of 0 to 32 bits: value at the first number of so many bits, slope, curvature.
    """

    def gain(x: int) -> int:
        noise = f32(f32(x) / f32(1 << (_NOISE_BITS - correction_bits)))
        value = f32(f32(1 << _GAIN_BITS) * f32(float(f32(noise + f32(_GAIN_OFFSET))) ** -float(f32(_GAIN_STRENGTH))))
        return 32767 if value > 32767 else int(f32(value + f32(0.5)))

    table = [(gain(0), 0, 0), (gain(1), 0, 0)]
    for bits in range(2, 33):
        x0 = 1 << (bits - 1)
        y0, middle, end = gain(x0), gain(x0 + x0 // 2), gain(min(2 * x0, (1 << 32) - 1))
        slope = 4 * (middle - y0) - (end - y0)
        table.append((y0, slope, end - y0 - slope))
    return np.array(table, np.int32)


def micro_log() -> NDArray[np.int32]:
    """What ``log2(1 + k / 128)`` is above its chord, in 2**-16: shape (129,)."""
    return np.array([round(65536 * (math.log2(1 + k / 128) - k / 128)) for k in range(129)], np.int32)


def micro_turns(n: int, phase: float = 0.0, turn: float = 2.0 * math.pi) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """kissfft's twiddles ``exp(-i turn (k / n + phase))``, k = 0 .. n - 1, in 2**-15.

    Parameters
    ----------
    n : int
        How many.
    phase : float
        In turns.
    turn : float
        In radians.

    Returns
    -------
    cos, sin : ndarray, int32, shape (n,)
    """
    angles = [-turn * (k / n + phase) for k in range(n)]
    cos, sin = ([math.floor(0.5 + 32767 * f(a)) for a in angles] for f in (math.cos, math.sin))
    return np.array(cos, np.int32), np.array(sin, np.int32)


def _mel(hz: float) -> np.float32:
    return f32(1127.0 * float(_log1p(f32(f32(hz) / f32(700.0)))))


_SERIES = [f32(c) for c in (0.14798198640, 0.15313838422, 0.18183572590, 0.22222198546, 0.28571429849, 0.40000000596, 0.66666668653)]
_LN2_HIGH, _LN2_LOW = f32(0.69313812256), f32(9.0580006145e-06)


def _log1p(x: np.float32) -> np.float32:
    """ln(1 + x) for x >= 0 with the roundings of fdlibm's log1pf (Sun Microsystems), which newlib and glibc before 2.41 have."""
    exponent, carried, f = 0, f32(0), x
    if x >= f32(0.41421354):
        u = f32(f32(1) + x)
        mantissa, exponent = math.frexp(float(u))
        exponent -= 1
        carried = f32((f32(1) - f32(u - x) if exponent > 0 else x - f32(u - f32(1))) / u)
        above = f32(mantissa * 2.0)
        if int(above.view(np.int32)) & 0x7FFFFF >= 0x3504F7:
            exponent, above = exponent + 1, f32(mantissa)
        f = f32(above - f32(1))
    half_square = f32(f32(f32(0.5) * f) * f)
    s = f32(f / f32(f32(2) + f))
    z = f32(s * s)
    rest = f32(0)
    for c in _SERIES:
        rest = f32(f32(z * rest) + c)
    rest = f32(z * rest)
    if exponent == 0:
        return f32(f - f32(half_square - f32(s * f32(half_square + rest))))
    k = f32(exponent)
    low = f32(f32(s * f32(half_square + rest)) + f32(f32(k * _LN2_LOW) + carried))
    return f32(f32(k * _LN2_HIGH) - f32(f32(half_square - low) - f))
