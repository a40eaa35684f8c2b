"""From the phase vocoder's frames to a signal at another sampling rate, without a resampler after it.

The frames are synthesised at twice their rate (an inverse FFT of twice the length: zeros above the bins that there are), and
their bins are weighted with the response of the low-pass that a resampler would apply. What is left to do is to read that
signal between its samples, and because it fills half of its band only, a windowed sinc of 16 taps is enough (Crochiere and
Rabiner, "Multirate Digital Signal Processing", section 2.3; Smith, "Digital Audio Resampling").

A resampler sees a clip that begins and ends; the frames reach beyond both. What its low-pass would not bring in from there is
computed from the frames around the two ends, with all their bins, and subtracted from the samples near them.
"""

from __future__ import annotations

import numpy as np

from kwsfeat.kernels._jit import LANES, inlined, jit, stage
from kwsfeat.kernels.fft.real import inverse
from kwsfeat.kernels.simd import at, lane_sum, load, splat, store, store_first, transpose_block
from kwsfeat.kernels.simd_sum import lane_sums

f32 = np.float32
TAPS = 16
_POINT = 32  # binary digits of a position after the point


@jit
def low_pass(response, cutoff, weight):
    """weight[k] = the response of a low-pass at bin k.

    response : float32; the response from 0 to `cutoff`, at even distances; it is 0 from there on
    cutoff : float, in bins
    """
    scale = (response.size - 1) / cutoff
    for k in range(weight.size):
        x = k * scale
        i = int(x)
        if i + 1 < response.size:
            weight[k] = response[i] + f32(x - i) * (response[i + 1] - response[i])
        else:
            weight[k] = f32(0)


@jit
def even_out(signal, square, hop, n_frames, first, stop, reach):
    """Divide signal[first:stop], a sum of frames, by the sum of their squared windows, which is 1 where all of them overlap.

    `reach` samples before and after, where that sum may vanish, are divided by what the first and the last sample are: the
    two factors are returned.

    square : float32, the squared window; frame t begins at signal[t * hop]
    first : a multiple of hop, and hop one of LANES
    """
    overlap = square.size // hop
    before, after = first // hop, (stop - 1) // hop
    lead = f32(1) / _total(square, hop, max(0, before - n_frames + 1), min(overlap, before + 1), 0)
    trail = f32(1) / _total(square, hop, max(0, after - n_frames + 1), min(overlap, after + 1), stop - 1 - after * hop)
    for i in range(first - reach, first):
        signal[i] *= lead
    for i in range(stop, stop + reach):
        signal[i] *= trail
    for t in range(before, after + 1):
        low, high = max(0, t - n_frames + 1), min(overlap, t + 1)
        if high - low < overlap:
            for j in range(0, min(hop, stop - t * hop), LANES):
                total = load(square, low * hop + j)
                for k in range(low + 1, high):
                    total = total + load(square, k * hop + j)
                i = t * hop + j
                store_first(signal, i, load(signal, i) / total, min(LANES, stop - i))
    return lead, trail


@stage
def _total(square, hop, low, high, j):
    total = square[low * hop + j]
    for k in range(low + 1, high):
        total += square[k * hop + j]
    return total


@jit
def interpolate(doubled, first, step, bank, tile, out):
    """out[i] = the signal at doubled[first + i * step], between samples, by the bank's filters.

    bank : float32, (n_fractions + 1, TAPS), n_fractions a power of 2; row f is for f / n_fractions of a sample, its tap
        ``TAPS / 2 - 1`` for the sample before
    tile : scratch, LANES ** 2
    """
    n_fractions = bank.shape[0] - 1
    weights = bank.reshape(-1)
    digits = _POINT
    while n_fractions >> (_POINT - digits) > 1:
        digits -= 1
    share, mask = f32(1.0 / (1 << digits)), (1 << digits) - 1
    advance = int(step * (1 << _POINT) + 0.5)
    for begin in range(0, out.size, LANES):
        where = first + begin * step
        whole = int(where)
        position = int((where - whole) * (1 << _POINT))
        whole -= TAPS // 2 - 1
        for i in range(LANES):
            start = whole + (position >> _POINT)
            row = ((position >> digits) & (n_fractions - 1)) * TAPS
            between = splat(f32(position & mask) * share)
            total = load(doubled, start) * _mixed(weights, row, row + TAPS, between)
            for j in range(LANES, TAPS, LANES):
                total = total + load(doubled, start + j) * _mixed(weights, row + j, row + TAPS + j, between)
            store(tile, i * LANES, total)
            position += advance
        store_first(out, begin, lane_sums(tile, 0), min(LANES, out.size - begin))


@inlined
def _mixed(weights, row, following, between):
    """Filter weights between two rows of a bank."""
    low = load(weights, row)
    return low + between * (load(weights, following) - low)


@jit
def around(frames_re, frames_im, n_frames, hop, n, window, plan, bins_re, bins_im, even, odd, before, after):
    """The sums of windowed frames outside a clip: before[k] is sample -1 - k of it, after[k] is sample n + k.

    frames_re, frames_im : (n_frames + n_fft / 2 / hop + LANES or more, n_cols); what follows the frames is overwritten
    hop, n : from frame to frame, and of the clip, whose sample 0 is the middle of frame 0
    window : float32, (2 n_fft,); every second value is used
    bins_re, bins_im, even, odd : scratch for one block of LANES frames
    """
    n_cols, n_fft, first = frames_re.shape[1], plan.n_fft, plan.n_fft // 2
    flat_re, flat_im = frames_re.reshape(-1), frames_im.reshape(-1)
    before[:] = f32(0)
    after[:] = f32(0)
    # The first frames follow the last ones: both ends come into one block.
    n_lead = min(n_frames, (first + hop - 1) // hop)
    frames_re[n_frames : n_frames + n_lead] = frames_re[:n_lead]
    frames_im[n_frames : n_frames + n_lead] = frames_im[:n_lead]
    for block in range(min(n_frames, max(0, (first + n - n_fft) // hop + 1)), n_frames + n_lead, LANES):
        for k in range(0, n_cols, LANES):
            transpose_block(flat_re, block * n_cols + k, n_cols, bins_re, k * LANES, LANES)
            transpose_block(flat_im, block * n_cols + k, n_cols, bins_im, k * LANES, LANES)
        inverse(bins_re, bins_im, even, odd, plan)
        for i in range(min(LANES, n_frames + n_lead - block)):
            t = block + i
            if t < n_frames:
                _add(even, odd, i, window, plan, after, t * hop - first - n, 1)
            else:
                _add(even, odd, i, window, plan, before, first - 1 - (t - n_frames) * hop, -1)


@stage
def _add(even, odd, lane, window, plan, out, start, direction):
    """out[start + direction * j] += sample j of the frame in a lane, windowed, for those j that `out` has."""
    if direction > 0:
        low, high = -start, out.size - start
    else:
        low, high = start - out.size + 1, start + 1
    low, high = max(0, low), min(plan.n_fft, high)
    for m in range(low >> 1, (high + 1) >> 1):
        o, j = at(plan.order, m) * LANES + lane, 2 * m
        if j >= low:
            out[start + direction * j] += at(even, o) * at(window, 2 * j)
        if j + 1 < high:
            out[start + direction * (j + 1)] += at(odd, o) * at(window, 2 * j + 2)


@jit
def subtract_outside(before, after, n, step, half, change, out):
    """Subtract from `out`, read from a signal at every `step`-th sample, what a low-pass brings in from outside the clip.

    before, after : float32, ``ceil(support * max(step, 1)) + LANES``; samples -1, -2, ... of a clip of n samples, and n, n + 1, ...
    half : float32, (n_fractions + 1, support + LANES); half[f, j] is the low-pass, as a filter, j + f / n_fractions samples from its
        middle, and 0 from `support` on; for a `step` above 1 it is stretched
    change : scratch, ``ceil(support / min(step, 1)) + LANES``
    """
    cutoff = min(1.0, 1.0 / step)
    last = (out.size - 1) * step
    n_near = _near(before, 1.0, step, cutoff, half, change, out.size)
    for i in range(n_near):
        out[i] -= change[i]
    n_near = _near(after, n - last, step, cutoff, half, change, out.size)
    for i in range(n_near):
        out[out.size - 1 - i] -= change[i]


@jit
def start_in_silence(doubled, first, step, before, half, bank, out):
    """Subtract from the first samples of `out` what they read from before the beginning, where the low-pass rings.

    soxr filters in two stages, of which the second, `interpolate`, begins with zeros.

    doubled, first, bank : as for `interpolate`, and `step` in samples of the clip
    before, half : as for `subtract_outside`
    """
    cutoff = min(1.0, 1.0 / step)
    ringing = np.zeros(TAPS, np.float32)
    for j in range(1, TAPS // 2 + 1):
        brought_in = 0.0
        for k in range(before.size):
            x = cutoff * abs(1 + k - j / 2)
            if x < half.shape[1] - LANES:
                brought_in += before[k] * _between(half, x - int(x), int(x))
        ringing[j] = doubled[first - j] - f32(cutoff * brought_in)
    for i in range(out.size):
        x = 2.0 * i * step
        whole = int(x)
        if whole >= TAPS // 2 - 1:
            break
        for j in range(TAPS // 2 - 1 - whole):
            out[i] -= f32(_between(bank, x - whole, j) * ringing[TAPS // 2 - 1 - whole - j])


@stage
def _between(bank, fraction, j):
    """Weight j of a filter between two rows of a bank."""
    x = fraction * (bank.shape[0] - 1)
    row = int(x)
    return bank[row, j] + (x - row) * (bank[row + 1, j] - bank[row, j])


@stage
def _near(beyond, distance, step, cutoff, half, change, n_out):
    """What the low-pass brings in from `beyond` to the nearest sample, `distance` away from beyond[0], and to those after it."""
    support = half.shape[1] - LANES
    n_near = min(n_out, max(0, int(np.ceil((support / cutoff - distance) / step))))
    if step <= 1.0:
        _gather(beyond, distance, step, half, n_near, change)
    else:
        _scatter(beyond, distance, cutoff, half, change)
    return n_near


@stage
def _gather(beyond, distance, step, half, n_near, change):
    """change[i] = sum over k of beyond[k] * h(distance + i * step + k): lanes are k."""
    n_fractions, width = half.shape[0] - 1, half.shape[1]
    weights = half.reshape(-1)
    for i in range(n_near):
        x = distance + i * step
        whole = int(x)
        x = (x - whole) * n_fractions
        row = int(x) * width + whole
        between = splat(f32(x - int(x)))
        total = splat(f32(0))
        for k in range(0, width - LANES - whole, LANES):
            total = total + load(beyond, k) * _mixed(weights, row + k, row + width + k, between)
        change[i] = lane_sum(total)


@stage
def _scatter(beyond, distance, cutoff, half, change):
    """change[i] = sum over k of beyond[k] * cutoff * h(cutoff * (distance + k) + i): lanes are i."""
    n_fractions, width = half.shape[0] - 1, half.shape[1]
    weights = half.reshape(-1)
    change[:width] = f32(0)
    for k in range(beyond.size - LANES):
        x = cutoff * (distance + k)
        whole = int(x)
        if whole >= width - LANES:
            break
        x = (x - whole) * n_fractions
        row = int(x) * width + whole
        between, sample = splat(f32(x - int(x))), splat(f32(cutoff) * at(beyond, k))
        for i in range(0, width - LANES - whole, LANES):
            store(change, i, load(change, i) + sample * _mixed(weights, row + i, row + width + i, between))
