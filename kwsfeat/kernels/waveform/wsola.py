"""WSOLA: time-stretching by copying pieces of the input to where they continue the piece before them.

Waveform similarity overlap-add (Verhelst and Roelands, ICASSP 1993), with three additions: a piece that holds a sudden onset
is not searched but put exactly where the onset belongs, no other piece may hold that onset again, and the cross-fade
keeps the energy when the two pieces are not alike (unvoiced speech).

All positions count samples of `padded`, the clip between zeros; lanes are lags in the search and samples in the rest.
"""

from __future__ import annotations

import numpy as np

from kwsfeat.kernels._jit import LANES, jit, stage
from kwsfeat.kernels.simd import broadcast, fma, load, splat, sqrt, store

f32 = np.float32

# A block of samples holds an onset when it is 12 dB above each of the blocks before it, and not 50 dB below the loudest.
BLOCK = 16  # a multiple of every lane count, so that machines agree
_ONSET_RATIO = f32(16.0)
_ONSET_FLOOR = f32(1e-5)
# Of two lags that fit equally well (every period of a tone) the one nearer to the middle is taken.
_CENTRE_BIAS = f32(0.005)
# Keeps the correlation finite where a candidate is silent; relative to the piece that it would continue.
_ENERGY_FLOOR = f32(1e-4)


@jit
def run_energy(padded, out):
    """out[i] = sum of squares of the LANES samples from i on: a run of any whole number of LANES is then a few additions."""
    for i in range(0, out.size - LANES + 1, LANES):
        total = splat(f32(0))
        for j in range(LANES):
            x = load(padded, i + j)
            total = fma(x, x, total)
        store(out, i, total)


@jit
def onsets(padded, energy, pad, past, level, out):
    """First samples of sudden onsets in the clip -> `out`, in order; returns how many.

    padded, energy, pad : as for `wsola`
    past : number of blocks before that an onset must stand out from
    level : scratch, float32, one value for each whole BLOCK of the clip
    """
    loudest = f32(0)
    for b in range(level.size):
        total = f32(0)
        for i in range(pad + b * BLOCK, pad + (b + 1) * BLOCK, LANES):
            total += energy[i]
        level[b] = total
        loudest = max(loudest, total)
    count, quiet_until = 0, 2  # a clip that starts loud has no onset at its first sample
    for b in range(2, level.size):
        if b < quiet_until or level[b] <= _ONSET_RATIO * level[b - 1] or level[b] <= _ONSET_FLOOR * loudest or count == out.size:
            continue
        before = f32(0)
        for i in range(max(0, b - past), b):
            before = max(before, level[i])
        if level[b] > _ONSET_RATIO * before:
            peak = f32(0)
            for i in range(pad + b * BLOCK, pad + (b + 1) * BLOCK):
                peak = max(peak, abs(padded[i]))
            first = pad + b * BLOCK
            while abs(padded[first]) < f32(0.5) * peak:
                first += 1
            out[count] = first - pad
            count += 1
            quiet_until = b + past
    return count


@stage
def _best_start(padded, energy, natural, low, high, overlap, search, score):
    """The start in [low, high] whose first `overlap` samples are most like those at `natural`, and the correlation there."""
    target_energy = f32(0)
    for j in range(natural, natural + overlap, LANES):
        target_energy += energy[j]
    floor = splat(_ENERGY_FLOOR * target_energy + f32(1e-30))
    n_lags = high - low + 1
    for lag in range(0, n_lags, 4 * LANES):
        at = low + lag
        c0, c1, c2, c3 = splat(f32(0)), splat(f32(0)), splat(f32(0)), splat(f32(0))
        for j in range(overlap):
            x = broadcast(padded, natural + j)
            c0 = fma(x, load(padded, at + j), c0)
            c1 = fma(x, load(padded, at + j + LANES), c1)
            c2 = fma(x, load(padded, at + j + 2 * LANES), c2)
            c3 = fma(x, load(padded, at + j + 3 * LANES), c3)
        e0, e1, e2, e3 = floor, floor, floor, floor
        for j in range(0, overlap, LANES):
            e0 = e0 + load(energy, at + j)
            e1 = e1 + load(energy, at + j + LANES)
            e2 = e2 + load(energy, at + j + 2 * LANES)
            e3 = e3 + load(energy, at + j + 3 * LANES)
        store(score, lag, c0 / sqrt(e0))
        store(score, lag + LANES, c1 / sqrt(e1))
        store(score, lag + 2 * LANES, c2 / sqrt(e2))
        store(score, lag + 3 * LANES, c3 / sqrt(e3))
    scale = np.sqrt(target_energy)
    centre = (low + high) // 2
    bias = _CENTRE_BIAS * scale / f32(search * search)
    best, found = f32(-np.inf), low
    for lag in range(n_lags):
        distance = f32(low + lag - centre)
        value = score[lag] - bias * distance * distance
        if value > best:
            best, found = value, low + lag
    correlation = score[found - low] / scale if scale > f32(0) else f32(0)
    return found, min(max(correlation, f32(0)), f32(1))


@stage
def _cross_fade(padded, old, new, fade, correlation, out, at):
    """From the samples at `old` to those at `new`, over the length of `fade`, at constant energy for their `correlation`."""
    one, rho = splat(f32(1)), splat(correlation)
    for i in range(0, fade.size, LANES):
        w = load(fade, i)
        v = one - w
        gain = one / sqrt(w * w + v * v + (rho + rho) * w * v)
        store(out, at + i, (load(padded, old + i) * v + load(padded, new + i) * w) * gain)


@jit
def plan(marks, n, n_out, rate, hop, overlap, search, guard, low, high):
    """Bounds of the start of each piece in the clip -> `low`, `high` (int64, (n_pieces,)); where they are equal it is given.

    The first piece starts with the clip and the last one ends with it. The pieces that play an onset (`marks`: where they
    are) put it at its own time; the others lie before it, or `guard` samples after it. An onset that cannot have its
    place because of its neighbours is searched like the rest.
    """
    length, last = hop + overlap, low.size - 1
    for k in range(last + 1):
        middle = round(rate * (k * hop + length / 2) - length / 2)
        low[k] = min(max(middle - search, 0), n - length)
        high[k] = min(max(middle + search, 0), n - length)
    low[0] = high[0] = 0
    low[last] = high[last] = n - n_out + last * hop
    done, mark_done = -1, -n
    for mark in marks:
        place = round(mark / rate)
        end = place // hop
        begin = end - 1 if end > 0 and place - end * hop < overlap else end
        shift = mark - place
        room = begin > done and end < last and begin * hop + shift >= mark_done + guard
        if room and done >= 0:
            room = low[done] + length <= mark
        if room and begin > done + 1:
            room = mark - length - guard >= mark_done + guard
        if not room:
            continue
        for k in range(done + 1, begin):
            high[k] = min(high[k], max(mark - length - guard, 0))
            low[k] = min(low[k], high[k])
        for k in range(begin, end + 1):
            low[k] = high[k] = k * hop + shift
        for k in range(end + 1, last):
            low[k] = max(low[k], mark + guard)
            high[k] = max(high[k], low[k])
        done, mark_done = end, mark


@jit
def wsola(padded, energy, pad, low, high, hop, search, fade, score, starts, out):
    """Fill `out` with pieces of `padded`.

    padded, energy : float32; `pad` zeros, the clip, zeros; and its ``run_energy``
    low, high : int64, (n_pieces,); from `plan`
    hop, search : samples from piece to piece in the output; half the width of the search
    fade : float32, (overlap,); rising from 0 to 1; overlap is a multiple of LANES
    score, starts : scratch, float32 (2 search + 1 + 4 LANES,) and int64 (n_pieces,)
    out : float32, (n_pieces * hop + overlap,)
    """
    overlap = fade.size
    for k in range(starts.size):
        at = k * hop
        start = pad + low[k]
        natural = starts[k - 1] + hop if k else start
        if start != natural or high[k] > low[k]:
            start, correlation = _best_start(padded, energy, natural, start, pad + high[k], overlap, search, score)
            _cross_fade(padded, natural, start, fade, correlation, out, at)
        else:
            for i in range(overlap):
                out[at + i] = padded[start + i]
        starts[k] = start
        for i in range(overlap, hop + overlap):
            out[at + i] = padded[start + i]
