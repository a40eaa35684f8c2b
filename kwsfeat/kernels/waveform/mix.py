"""Shift and noise of many clips in one pass: the waveform part of fresh augmentation at the speed of the features."""

from __future__ import annotations

import numpy as np

from kwsfeat.kernels._jit import LANES, jit
from kwsfeat.kernels.simd import at_least, at_most, load, splat, store

f32 = np.float32


@jit
def mix(audio, rows, shift, noise, start, amplitude, out):
    """out[i] = clip(audio[rows[i]] moved by shift[i] + amplitude[i] * noise from start[i] on), in [-1, 1].

    audio, noise : int16, full scale 1; (n_clips, n_samples) and (n,), where start[i] + n_samples <= n
    rows, shift, start : int64; a shift above 0 is later, and zeros come in
    amplitude : float32; 0 leaves the clip alone
    out : float32, (rows.size, n_samples)
    """
    n = audio.shape[1]
    unit, low, high = splat(f32(1 / 32768)), splat(f32(-1)), splat(f32(1))
    for i in range(rows.size):
        clip, y, s = audio[rows[i]], out[i], min(max(shift[i], -n), n)
        for t in range(s):
            y[t] = f32(0)
        for t in range(n + min(s, 0), n):
            y[t] = f32(0)
        first, last = max(s, 0), n + min(s, 0)
        t = first
        while t + LANES <= last:
            store(y, t, load(clip, t - s) * unit)
            t += LANES
        while t < last:
            y[t] = clip[t - s] * f32(1 / 32768)
            t += 1
        if amplitude[i] > f32(0):
            piece, factor = noise[start[i] : start[i] + n], splat(amplitude[i] * f32(1 / 32768))
            t = 0
            while t + LANES <= n:
                store(y, t, at_most(at_least(load(y, t) + load(piece, t) * factor, low), high))
                t += LANES
            while t < n:
                y[t] = min(max(y[t] + piece[t] * (amplitude[i] * f32(1 / 32768)), f32(-1)), f32(1))
                t += 1
