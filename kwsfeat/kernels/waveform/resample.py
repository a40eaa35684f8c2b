"""Resampling by a rational ratio: a bank of windowed sinc filters, one for each fraction of a sample that occurs.

Smith, "Digital Audio Resampling"; the prototype filter is read with linear interpolation, once per ratio and not per sample.
"""

from __future__ import annotations

import numpy as np

from kwsfeat.kernels._jit import LANES, jit
from kwsfeat.kernels.simd import lane_sum, load, splat

f32 = np.float32


@jit
def filter_bank(prototype, resolution, cutoff, bank):
    """bank[f, j] = weight of input sample ``floor(x) - taps / 2 + 1 + j`` in the output at x, for a fraction f / n_fractions.

    prototype : float64; the right half of a low-pass at the input's Nyquist frequency, `resolution` points a sample
    cutoff : in (0, 1]; the low-pass is moved down to this share of the Nyquist frequency
    bank : float32, (n_fractions, taps)
    """
    n_fractions, taps = bank.shape
    for f in range(n_fractions):
        for j in range(taps):
            x = abs(j - taps // 2 + 1 - f / n_fractions) * cutoff * resolution
            i = int(x)
            if i + 1 < prototype.size:
                bank[f, j] = f32(cutoff * (prototype[i] + (x - i) * (prototype[i + 1] - prototype[i])))
            else:
                bank[f, j] = f32(0)


@jit
def resample(padded, bank, step, out):
    """out[i] = the signal at i * step / n_fractions, whose sample 0 is padded[taps / 2 - 1]; `taps` is a multiple of LANES."""
    n_fractions, taps = bank.shape
    flat = bank.reshape(-1)
    start, fraction = 0, 0
    whole, part = step // n_fractions, step % n_fractions
    for i in range(out.size):
        row = fraction * taps
        even, odd = splat(f32(0)), splat(f32(0))
        for j in range(0, taps - LANES, 2 * LANES):
            even = even + load(padded, start + j) * load(flat, row + j)
            odd = odd + load(padded, start + j + LANES) * load(flat, row + j + LANES)
        if taps // LANES % 2:
            even = even + load(padded, start + taps - LANES) * load(flat, row + taps - LANES)
        out[i] = lane_sum(even + odd)
        start += whole
        fraction += part
        if fraction >= n_fractions:
            fraction -= n_fractions
            start += 1
