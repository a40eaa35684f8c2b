"""Samples to frames: padding and conditioning of a clip, and the transposition that makes a frame a lane.

A clip becomes rows of hop_length samples, so that sample k of frame t is value k % hop of row t + k // hop. LANES rows at a
time are transposed: sample k of LANES successive frames is then one contiguous vector, and overlap costs a load, not a copy.
The rows of several clips follow each other without a gap; the few frames that lie across two clips are never written out.
"""

import numpy as np

from kwsfeat.kernels._jit import LANES, inlined, stage
from kwsfeat.kernels.simd import at, broadcast, larger_magnitude, largest_lane, load, splat, store, transpose_block

f32 = np.float32

ZERO, REFLECT, SYMMETRIC = 0, 1, 2


@stage
def condition(y, padded, start, n_padded, pad_left, edges, scale, peak_normalize, preemph):
    """Scale, pre-emphasise and pad one clip.

    y (n_samples,) float32 or int16; padded[start : start + n_padded] receives `pad_left` samples of edge (negative: that many
    samples are left out), the clip, and edge or a cut. Returns the largest magnitude of the samples that were looked at; it is
    infinite or NaN when one of them is.
    """
    n = y.size
    if peak_normalize:
        peak = f32(0)
        for i in range(n):
            peak = max(peak, f32(at(y, i)))
        if peak > 0:
            scale = f32(1) / peak
    first = start + pad_left  # where sample 0 of the clip belongs
    low, high = max(0, -pad_left), min(n, n_padded - pad_left)
    gain, largest = splat(scale), splat(f32(0))
    s = low
    while s + LANES <= high:
        v = load(y, s)
        largest = larger_magnitude(v, largest)
        store(padded, first + s, v * gain)
        s += LANES
    while s < high:
        x = f32(at(y, s))
        largest = larger_magnitude(splat(x), largest)
        padded[first + s] = x * scale
        s += 1
    if preemph != 0:
        _preemphasize(padded, first + low, first + high, preemph)
        if 0 < low < high:
            padded[first + low] -= preemph * scale * f32(at(y, low - 1))
    for i in range(min(pad_left, n_padded)):
        padded[start + i] = _edge(y, i - pad_left, edges, scale, preemph)
    if high == n:
        for i in range(max(0, pad_left + n), n_padded):
            padded[start + i] = _edge(y, i - pad_left, edges, scale, preemph)
    return largest_lane(largest)


@inlined
def _edge(y, s, edges, scale, preemph):
    """What stands at sample s < 0 or s >= n of the clip: zero, or the scaled and pre-emphasised sample that it mirrors."""
    n = y.size
    if edges == ZERO or n == 0:
        return f32(0)
    if edges == REFLECT:
        period = max(1, 2 * (n - 1))
        s = abs(s) % period
        s = s if s < n else period - s
    else:
        period = 2 * n
        s = (s % period + period) % period
        s = s if s < n else period - 1 - s
    before = f32(at(y, s - 1)) if s > 0 else f32(0)
    return scale * (f32(at(y, s)) - preemph * before)


@stage
def _preemphasize(padded, begin, end, preemph):
    """padded[i] -= preemph * padded[i - 1] for begin < i < end, from the end backwards, in place."""
    c = splat(preemph)
    i = end - LANES
    while i > begin:
        store(padded, i, load(padded, i) - c * load(padded, i - 1))
        i -= LANES
    for k in range(i + LANES - 1, begin, -1):
        padded[k] -= preemph * padded[k - 1]


@stage
def transpose_rows(padded, first_row, hop, rows, column, width):
    """rows[j * width + column + i] = value j of row first_row + i, for i < LANES and j < hop."""
    base = first_row * hop
    if hop < LANES:
        for i in range(LANES):
            for j in range(hop):
                rows[j * width + column + i] = padded[base + i * hop + j]
        return
    for j in range(0, hop - LANES + 1, LANES):
        transpose_block(padded, base + j, hop, rows, j * width + column, width)
    if hop % LANES:
        j = hop - LANES
        transpose_block(padded, base + j, hop, rows, j * width + column, width)


@stage
def next_rows(padded, group, hop, rows, width):
    """Bring the rows that frames group * LANES to group * LANES + LANES - 1 touch into `rows` (hop, width)."""
    n_blocks = width // LANES
    if group == 0:
        for b in range(n_blocks):
            transpose_rows(padded, b * LANES, hop, rows, b * LANES, width)
        return
    for j in range(hop):
        for b in range(n_blocks - 1):
            store(rows, j * width + b * LANES, load(rows, j * width + (b + 1) * LANES))
    transpose_rows(padded, (group + n_blocks - 1) * LANES, hop, rows, width - LANES, width)


@stage
def prepare_frames(rows, offsets, length, frames, remove_dc, preemph):
    """Frames of `length` samples with their mean removed and pre-emphasis within each frame, as Kaldi does.

    frames[k * LANES:] receives sample k; the first sample has itself as predecessor. Returns the energy (sum of squares) of
    each frame between the two steps. Formula: Kaldi feature-window.cc, ProcessWindow.
    """
    zero = splat(f32(0))
    mean = zero
    if remove_dc:
        even, odd = zero, zero
        for k in range(0, length - 1, 2):
            even = even + load(rows, at(offsets, k))
            odd = odd + load(rows, at(offsets, k + 1))
        if length % 2:
            even = even + load(rows, at(offsets, length - 1))
        mean = (even + odd) * splat(f32(1) / f32(length))
    c = splat(preemph)
    last = load(rows, at(offsets, 0)) - mean
    energy = zero
    for k in range(length):
        x = load(rows, at(offsets, k)) - mean
        energy = energy + x * x
        store(frames, k * LANES, x - c * last)
        last = x
    return energy


@stage
def windowed_energy(frames, window, length):
    """Sum of the squares of each windowed frame."""
    energy = splat(f32(0))
    for k in range(length):
        x = load(frames, k * LANES) * broadcast(window, k)
        energy = energy + x * x
    return energy
