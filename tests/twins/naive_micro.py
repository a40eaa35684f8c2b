"""TFLM's integer micro front end, slowly and obviously: one frame at a time, Python integers, each step as its C code rounds."""

from __future__ import annotations

import math

import numpy as np

WINDOW, STEP, N_FFT, N_BANDS = 480, 160, 512, 40
f32 = np.float32


def wrap16(x: int) -> int:
    return (x + 32768) % 65536 - 32768


def rounded(x: int) -> int:
    """Of a product of two 16-bit fractions."""
    return wrap16((x + (1 << 14)) >> 15)


def divided(z: tuple[int, int], by: int) -> tuple[int, int]:
    return rounded(z[0] * (32767 // by)), rounded(z[1] * (32767 // by))


def times(a: tuple[int, int], b: tuple[int, int]) -> tuple[int, int]:
    return rounded(a[0] * b[0] - a[1] * b[1]), rounded(a[0] * b[1] + a[1] * b[0])


def plus(a: tuple[int, int], b: tuple[int, int]) -> tuple[int, int]:
    return wrap16(a[0] + b[0]), wrap16(a[1] + b[1])


def minus(a: tuple[int, int], b: tuple[int, int]) -> tuple[int, int]:
    return wrap16(a[0] - b[0]), wrap16(a[1] - b[1])


def turn(phase: float) -> tuple[int, int]:
    return math.floor(0.5 + 32767 * math.cos(phase)), math.floor(0.5 + 32767 * math.sin(phase))


def complex_fft(z: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """kissfft with FIXED_POINT=16, of a power of four points: radix 4, decimation in time."""
    n = len(z)
    if n == 1:
        return z
    m = n // 4
    a, b, c, d = (complex_fft(z[i::4]) for i in range(4))
    out = [(0, 0)] * n
    for k in range(m):
        p = divided(a[k], 4)
        q, r, s = (times(divided(x[k], 4), turn(-2 * math.pi * i * k * (256 // n) / 256)) for i, x in ((1, b), (2, c), (3, d)))
        far, near = minus(p, r), plus(p, r)
        both, across = plus(q, s), minus(q, s)
        out[k], out[k + 2 * m] = plus(near, both), minus(near, both)
        out[k + m] = wrap16(far[0] + across[1]), wrap16(far[1] - across[0])
        out[k + 3 * m] = wrap16(far[0] - across[1]), wrap16(far[1] + across[0])
    return out


def real_fft(x: list[int]) -> list[tuple[int, int]]:
    n = len(x) // 2
    z = complex_fft(list(zip(x[::2], x[1::2], strict=True)))
    out = [(0, 0)] * (n + 1)
    re, im = divided(z[0], 2)
    out[0], out[n] = (wrap16(re + im), 0), (wrap16(re - im), 0)
    for k in range(1, n // 2 + 1):
        a = divided(z[k], 2)
        b = divided((z[n - k][0], wrap16(-z[n - k][1])), 2)
        even, odd = plus(a, b), times(minus(a, b), turn(-math.pi * (k / n + 0.5)))
        out[k] = (even[0] + odd[0]) >> 1, (even[1] + odd[1]) >> 1
        out[n - k] = (even[0] - odd[0]) >> 1, (odd[1] - even[1]) >> 1
    return out


def mel(hz: float) -> np.float32:
    return f32(1127.0 * math.log1p(float(f32(hz)) / 700.0))


# Where the logarithm of devices, in single precision, falls on the other side of a half.
BY_THE_LAST_BIT = {149: (149, 2471, 1625), 221: (221, 1401, 2695), 225: (225, 209, 3887)}


def weights() -> list[list[tuple[int, int, int]]]:
    """For each of 41 parts of the axis: (bin, weight in the band that ends there, weight in the band that begins)."""
    low, high = mel(125.0), mel(7500.0)
    spacing = f32(f32(high - low) / f32(N_BANDS + 1))
    centres = [f32(low + f32(spacing * f32(i + 1))) for i in range(N_BANDS + 1)]
    parts, k = [], int(1.5 + 125.0 / 31.25)
    for i, centre in enumerate(centres):
        part, before = [], low if i == 0 else centres[i - 1]
        while mel(k * 31.25) <= centre:
            w = f32(f32(centre - mel(k * 31.25)) / f32(centre - before))
            part.append(
                BY_THE_LAST_BIT.get(k) or (k, math.floor(float(f32(w * f32(4096))) + 0.5), math.floor((1.0 - float(w)) * 4096 + 0.5))
            )
            k += 1
        parts.append(part)
    return parts


PARTS = weights()
COEFFICIENTS = [
    math.floor(float(f32(0.5 - 0.5 * float(f32(math.cos(float(f32(float(f32(math.pi * 2 / 480)) * (i + 0.5)))))))) * 4096 + 0.5)
    for i in range(WINDOW)
]


def root(n: int) -> int:
    r = math.isqrt(n)
    return r + 1 if n - r * r > r and r != (0xFFFF if n < 1 << 32 else 0xFFFFFFFF) else r


def gain_of(x: int) -> int:
    level = f32(f32(x) / f32(128))
    gain = f32(f32(1 << 21) * f32(float(f32(level + f32(80))) ** float(f32(-0.95))))
    return 32767 if gain > 32767 else int(f32(gain + f32(0.5)))


def gain(x: int) -> int:
    """A parabola between powers of two."""
    if x < 2:
        return gain_of(x)
    interval = x.bit_length()
    x0 = 1 << (interval - 1)
    x2 = x0 + (x0 - 1) if interval == 32 else 2 * x0
    y0, y1, y2 = gain_of(x0), gain_of(x0 + (x0 >> 1)), gain_of(x2)
    if x == 2:
        return y0
    a1 = 4 * (y1 - y0) - (y2 - y0)
    a2 = (y2 - y0) - a1
    fraction = (x << (11 - interval) if interval < 11 else x >> (interval - 11)) & 0x3FF
    result = (((a2 * fraction) >> 5) + (a1 << 5)) * fraction
    return wrap16(((result + (1 << 14)) >> 15) + y0)


def segment(i: int) -> int:
    """What log2(1 + i / 128) is above its chord, in 2**-16."""
    return round(65536 * (math.log2(1 + i / 128) - i / 128))


def logarithm(x: int) -> int:
    """ln in 2**-6, by a table of 128 segments."""
    if x <= 1:
        return 0
    n = x.bit_length() - 1
    fraction = x - (1 << n)
    fraction = fraction << (16 - n) if n < 16 else fraction >> (n - 16)
    i = fraction >> 9
    c0, c1 = segment(i), segment(i + 1)
    log2 = (n << 16) + fraction + c0 + (((c1 - c0) * (fraction - 512 * i)) >> 16)
    ln = (45426 * log2 + (1 << 15)) >> 16
    return min(((ln << 6) + (1 << 15)) >> 16, 65535)


class Micro:
    """Frames of a signal, with the noise that it has had so far."""

    def __init__(self) -> None:
        self.noise = [0] * N_BANDS

    def frame(self, x: list[int]) -> list[int]:
        y = [wrap16((a * c) >> 12) for a, c in zip(x, COEFFICIENTS, strict=True)]
        shift = 15 - max(max(wrap16(abs(v)) for v in y), 0).bit_length()
        spectrum = real_fft([wrap16(v << shift) for v in y] + [0] * (N_FFT - WINDOW))
        energy = [re * re + im * im for re, im in spectrum]
        out, begun = [], sum(down * energy[k] for k, _, down in PARTS[0])
        for i in range(N_BANDS):
            ended = sum(up * energy[k] for k, up, _ in PARTS[i + 1])
            level = root(ended + begun) >> shift
            begun = sum(down * energy[k] for k, _, down in PARTS[i + 1])
            scaled, part = level << 10, (983 if i % 2 else 409)
            self.noise[i] = (scaled * part + self.noise[i] * (16384 - part)) >> 14
            clean = max((scaled - min(self.noise[i], scaled)) >> 10, (level * 819) >> 14)
            snr = (clean * gain(self.noise[i])) >> 6
            shrunk = snr * snr >> 20 if snr < 8192 else (snr >> 6) - 64
            out.append(logarithm(shrunk << 3))
        return out


def features(y: np.ndarray) -> np.ndarray:
    """(n_frames, 40) integers of int16 samples."""
    micro = Micro()
    return np.array([micro.frame([int(v) for v in y[i : i + WINDOW]]) for i in range(0, len(y) - WINDOW + 1, STEP)]).reshape(-1, N_BANDS)
