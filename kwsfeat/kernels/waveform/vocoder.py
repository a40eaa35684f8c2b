"""The phase vocoder: forward FFT, phases carried from frame to frame at another speed, inverse FFT.

The textbook accumulates an angle in each bin, with an arctangent, a sine and a cosine per bin and frame. Here a phase is a unit
complex number a, and one step is a *= c1 conj(c0) / |c1 c0|: the multiples of 2 pi that the textbook removes do not exist.
Sources: Flanagan and Golden 1966; Ellis, "A phase vocoder in Matlab" (the algorithm of librosa, whose numbers come out);
Laroche and Dolson 1999, section III.C (identity phase locking).

Two layouts. Inside the FFT lane i is frame i. Between the FFTs an array is (n_frames, n_cols), bins together, `n_cols` a multiple
of LANES, and lanes are bins. A signal that the FFT reads or adds to is transposed: sample t of it, counted from the start of
the padding, lies at ``(t % hop) * n_rows + t // hop``, so that one sample of LANES frames is one vector.
"""

from __future__ import annotations

import numpy as np

from kwsfeat.kernels._jit import LANES, jit, stage
from kwsfeat.kernels.fft.real import forward, inverse, spectrum
from kwsfeat.kernels.simd import at, broadcast, load, splat, sqrt, store, transpose_block, where_less

f32 = np.float32


@jit
def to_rows(signal, hop, rows, n_rows):
    """rows[j * n_rows + t] = signal[t * hop + j]; `hop` and `n_rows` are multiples of LANES."""
    for t in range(0, n_rows, LANES):
        for j in range(0, hop, LANES):
            transpose_block(signal, t * hop + j, hop, rows, j * n_rows + t, n_rows)


@jit
def from_rows(rows, hop, signal, n_rows, n_used):
    """The inverse of `to_rows`, for the first `n_used` columns: signal[t * hop + j] = rows[j * n_rows + t]; a multiple of LANES."""
    for t in range(0, n_used, LANES):
        for j in range(0, hop, LANES):
            transpose_block(rows, j * n_rows + t, n_rows, signal, t * hop + j, hop)


@jit
def analyse(rows, offsets, window, plan, re, im, bins_re, bins_im, magnitude, unit_re, unit_im):
    """Magnitudes and phases, as unit complex numbers, of all frames; (n_frames, n_cols) each, n_frames a multiple of LANES.

    rows : float32, the transposed signal; offsets : int64, (n_fft,), where sample k of frames 0 .. LANES - 1 lies in it
    re, im, bins_re, bins_im : scratch for one block of LANES frames
    """
    n_frames, n_cols = magnitude.shape
    flat_m, flat_r, flat_i = magnitude.reshape(-1), unit_re.reshape(-1), unit_im.reshape(-1)
    tiny, zero, one = splat(f32(1e-37)), splat(f32(0)), splat(f32(1))
    bins_re[(plan.n_fft // 2 + 1) * LANES :] = f32(0)
    bins_im[(plan.n_fft // 2 + 1) * LANES :] = f32(0)
    for t in range(0, n_frames, LANES):
        forward(rows[t:], offsets, window, re, im, plan)
        spectrum(re, im, bins_re, bins_im, plan)
        for k in range(0, n_cols, LANES):
            transpose_block(bins_re, k * LANES, LANES, flat_r, t * n_cols + k, n_cols)
            transpose_block(bins_im, k * LANES, LANES, flat_i, t * n_cols + k, n_cols)
    for i in range(0, n_frames * n_cols, LANES):
        x, y = load(flat_r, i), load(flat_i, i)
        square = x * x + y * y
        size = sqrt(square)
        store(flat_m, i, size)
        store(flat_r, i, where_less(square, tiny, one, x / size))  # the phase of nothing is 0, as atan2 has it
        store(flat_i, i, where_less(square, tiny, zero, y / size))


@jit
def accumulate(magnitude, unit_re, unit_im, rate, out_re, out_im):
    """Frame s of the output: magnitudes interpolated at s * rate, phases advanced by the input's own steps."""
    n_cols = magnitude.shape[1]
    m, ur, ui = magnitude.reshape(-1), unit_re.reshape(-1), unit_im.reshape(-1)
    flat_re, flat_im = out_re.reshape(-1), out_im.reshape(-1)
    three_halves, one_half = splat(f32(1.5)), splat(f32(0.5))
    for k in range(0, n_cols, LANES):
        ar, ai = load(ur, k), load(ui, k)
        for s in range(out_re.shape[0]):
            step = s * rate
            frame = int(step)
            i = frame * n_cols + k
            j = i + n_cols
            share = splat(f32(step - frame))
            size = load(m, i) + share * (load(m, j) - load(m, i))
            store(flat_re, s * n_cols + k, size * ar)
            store(flat_im, s * n_cols + k, size * ai)
            pr, pi, qr, qi = load(ur, i), load(ui, i), load(ur, j), load(ui, j)
            dr, di = qr * pr + qi * pi, qi * pr - qr * pi
            tr, ti = ar * dr - ai * di, ar * di + ai * dr
            # One Newton step towards length 1, or rounding would add up.
            scale = three_halves - one_half * (tr * tr + ti * ti)
            ar, ai = tr * scale, ti * scale


@jit
def accumulate_locked(magnitude, unit_re, unit_im, rate, peaks, phase_re, phase_im, out_re, out_im):
    """`accumulate` for spectral peaks only; the bins around a peak keep their phases relative to it.

    peaks, phase_re, phase_im : scratch, int64 and float32, (n_bins,)
    """
    n_bins = peaks.size
    phase_re[:] = unit_re[0, :n_bins]
    phase_im[:] = unit_im[0, :n_bins]
    for s in range(out_re.shape[0]):
        step = s * rate
        i = int(step)
        share = f32(step - i)
        n_peaks = _find_peaks(magnitude[i], n_bins, peaks)
        first = 0
        for p in range(n_peaks):
            peak = peaks[p]
            last = n_bins if p == n_peaks - 1 else (peak + peaks[p + 1]) // 2 + 1
            rr = phase_re[peak] * unit_re[i, peak] + phase_im[peak] * unit_im[i, peak]
            ri = phase_im[peak] * unit_re[i, peak] - phase_re[peak] * unit_im[i, peak]
            for k in range(first, last):
                phase_re[k] = rr * unit_re[i, k] - ri * unit_im[i, k]
                phase_im[k] = rr * unit_im[i, k] + ri * unit_re[i, k]
            first = last
        for k in range(n_bins):
            size = magnitude[i, k] + share * (magnitude[i + 1, k] - magnitude[i, k])
            out_re[s, k] = size * phase_re[k]
            out_im[s, k] = size * phase_im[k]
            dr = unit_re[i + 1, k] * unit_re[i, k] + unit_im[i + 1, k] * unit_im[i, k]
            di = unit_im[i + 1, k] * unit_re[i, k] - unit_re[i + 1, k] * unit_im[i, k]
            tr = phase_re[k] * dr - phase_im[k] * di
            ti = phase_re[k] * di + phase_im[k] * dr
            scale = f32(1.5) - f32(0.5) * (tr * tr + ti * ti)
            phase_re[k], phase_im[k] = tr * scale, ti * scale


@stage
def _find_peaks(magnitude, n_bins, peaks):
    """Bins larger than their two neighbours on each side -> `peaks`; the number of them, at least 1."""
    count = 0
    for k in range(2, n_bins - 2):
        x = magnitude[k]
        if x > magnitude[k - 1] and x > magnitude[k - 2] and x >= magnitude[k + 1] and x >= magnitude[k + 2]:
            peaks[count] = k
            count += 1
    if count == 0:
        peaks[0] = 0
        count = 1
    return count


@jit
def synthesise(frames_re, frames_im, weight, offsets, window, plan, bins_re, bins_im, even, odd, rows):
    """Inverse FFT of (n_frames, n_cols) and overlap-add into `rows`, zeroed by the caller; n_frames is a multiple of LANES.

    weight : float32, a multiple of LANES and at most n_cols long; bins are multiplied by it, and those beyond it are zero
    window : float32, (n_fft,); divided by ``n_fft / 2``, because `inverse` multiplies by it
    bins_re, bins_im, even, odd : scratch for one block of LANES frames
    """
    n_frames, n_cols = frames_re.shape
    bins_re[weight.size * LANES :] = f32(0)
    bins_im[weight.size * LANES :] = f32(0)
    flat_re, flat_im = frames_re.reshape(-1), frames_im.reshape(-1)
    for t in range(0, n_frames, LANES):
        for k in range(0, weight.size, LANES):
            transpose_block(flat_re, t * n_cols + k, n_cols, bins_re, k * LANES, LANES)
            transpose_block(flat_im, t * n_cols + k, n_cols, bins_im, k * LANES, LANES)
            for j in range(k, k + LANES):
                gain, point = broadcast(weight, j), j * LANES
                store(bins_re, point, gain * load(bins_re, point))
                store(bins_im, point, gain * load(bins_im, point))
        inverse(bins_re, bins_im, even, odd, plan)
        for k in range(plan.half):
            point = at(plan.order, k) * LANES
            o = at(offsets, 2 * k) + t
            store(rows, o, load(rows, o) + load(even, point) * broadcast(window, 2 * k))
            o = at(offsets, 2 * k + 1) + t
            store(rows, o, load(rows, o) + load(odd, point) * broadcast(window, 2 * k + 1))
