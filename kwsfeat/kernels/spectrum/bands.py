"""Spectrum to bands, logarithm and cepstrum, LANES frames at once: value m of all of them is the vector at bands[m * LANES]."""

import numpy as np

from kwsfeat.kernels._jit import LANES, stage
from kwsfeat.kernels.simd import at, at_least, broadcast, load, log, splat, sqrt, store, store_first, transpose_block

f32 = np.float32


@stage
def magnitudes(spectrum, n):
    """Square root of the first n vectors, in place."""
    for k in range(n):
        store(spectrum, k * LANES, sqrt(load(spectrum, k * LANES)))


@stage
def mel_bands(spectrum, bands, first, count, weights):
    """bands[m] = sum of weights over a run of bins: dense matrix products would waste 95 % of the work.

    first, count (n_mels,): the runs; weights: their values one after the other. Two accumulators hide the add's latency.
    """
    o = 0
    for m in range(first.size):
        a, n = at(first, m), at(count, m)
        even, odd = splat(f32(0)), splat(f32(0))
        for k in range(0, n - 1, 2):
            even = even + broadcast(weights, o + k) * load(spectrum, (a + k) * LANES)
            odd = odd + broadcast(weights, o + k + 1) * load(spectrum, (a + k + 1) * LANES)
        if n % 2:
            even = even + broadcast(weights, o + n - 1) * load(spectrum, (a + n - 1) * LANES)
        store(bands, m * LANES, even + odd)
        o += n


@stage
def logarithm(bands, n, floor, offset, factor, shift, peaks, peak_index):
    """bands = factor * ln(max(bands, floor) + offset) + shift, in place; each frame's largest value goes to `peaks`."""
    floors, offsets, factors, shifts = splat(floor), splat(offset), splat(factor), splat(shift)
    peak = splat(f32(-3e38))
    for m in range(n):
        v = log(at_least(load(bands, m * LANES), floors) + offsets) * factors + shifts
        peak = at_least(v, peak)
        store(bands, m * LANES, v)
    store(peaks, peak_index, peak)


@stage
def clip_below(bands, n, references, thresholds, index):
    """bands = max(bands - reference, threshold), frame by frame, in place."""
    reference, threshold = load(references, index), load(thresholds, index)
    for m in range(n):
        store(bands, m * LANES, at_least(load(bands, m * LANES) - reference, threshold))


@stage
def log_energy(energy, floor):
    """ln(max(energy, floor)) of each frame; the floor is a positive normal number."""
    return log(at_least(energy, splat(floor)))


@stage
def cosine_transform(bands, n_bands, matrix, cepstrum, n_cepstrum):
    """cepstrum = matrix (n_cepstrum, n_bands) @ bands, four rows at a time so that a loaded vector serves four products."""
    i = 0
    while i + 4 <= n_cepstrum:
        a = b = c = d = splat(f32(0))
        o = i * n_bands
        for m in range(n_bands):
            v = load(bands, m * LANES)
            a = a + broadcast(matrix, o + m) * v
            b = b + broadcast(matrix, o + n_bands + m) * v
            c = c + broadcast(matrix, o + 2 * n_bands + m) * v
            d = d + broadcast(matrix, o + 3 * n_bands + m) * v
        store(cepstrum, i * LANES, a)
        store(cepstrum, (i + 1) * LANES, b)
        store(cepstrum, (i + 2) * LANES, c)
        store(cepstrum, (i + 3) * LANES, d)
        i += 4
    while i < n_cepstrum:
        a = splat(f32(0))
        for m in range(n_bands):
            a = a + broadcast(matrix, i * n_bands + m) * load(bands, m * LANES)
        store(cepstrum, i * LANES, a)
        i += 1


@stage
def write_frames(bands, n, lane, n_lanes, tile, out, index, stride):
    """Values 0 .. n - 1 of frames `lane` .. `lane + n_lanes - 1` to out[index + i * stride:], one row per frame.

    `tile` holds LANES * LANES values; `bands` may be read up to the next multiple of LANES vectors. Only the end of a row is a store
    of some lanes, which AVX2 does twenty times as slowly.
    """
    whole = n // LANES * LANES
    for m in range(0, whole, LANES):
        transpose_block(bands, m * LANES, LANES, tile, 0, LANES)
        for i in range(n_lanes):
            store(out, index + i * stride + m, load(tile, (lane + i) * LANES))
    if whole < n:
        transpose_block(bands, whole * LANES, LANES, tile, 0, LANES)
        for i in range(n_lanes):
            store_first(out, index + i * stride + whole, load(tile, (lane + i) * LANES), n - whole)
