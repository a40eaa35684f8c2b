"""Short-time Fourier transform of one clip with its phase, and its inverse by weighted overlap-add."""

import numpy as np

from kwsfeat.kernels._jit import LANES, jit
from kwsfeat.kernels.fft import real as fft
from kwsfeat.kernels.simd import at
from kwsfeat.kernels.spectrum import frames
from kwsfeat.kernels.spectrum.bands import write_frames

f32 = np.float32


@jit
def stft(y, out_re, out_im, plan, scratch):
    """Complex spectrum of y (n_samples,) float32 to out_re, out_im (n_frames, n_fft // 2 + 1) float32.

    plan, scratch: of the kind SPECTRUM, the scratch for this clip's rows.
    """
    s = plan.settings
    n_frames, n_bins = out_re.shape
    n_padded = (n_frames + s.overlap) * s.hop
    frames.condition(y, scratch.padded, 0, n_padded, s.pad_left, s.edges, f32(1), False, f32(0))
    flat_re, flat_im = out_re.reshape(-1), out_im.reshape(-1)
    bins_re, bins_im = np.zeros((n_bins + LANES) * LANES, np.float32), np.zeros((n_bins + LANES) * LANES, np.float32)
    for g in range((n_frames + LANES - 1) // LANES):
        frames.next_rows(scratch.padded, g, s.hop, scratch.rows, s.width)
        fft.forward(scratch.rows, plan.sources, plan.window, scratch.re, scratch.im, plan.fft)
        fft.spectrum(scratch.re, scratch.im, bins_re, bins_im, plan.fft)
        n = min(LANES, n_frames - g * LANES)
        write_frames(bins_re, n_bins, 0, n, scratch.tile, flat_re, g * LANES * n_bins, n_bins)
        write_frames(bins_im, n_bins, 0, n, scratch.tile, flat_im, g * LANES * n_bins, n_bins)


@jit
def istft(in_re, in_im, window, hop, y, plan):
    """Overlap-add of the windowed inverse transforms, not yet divided by the sum of the squared windows.

    in_re, in_im (n_groups, n_fft // 2 + 1, LANES): lanes are frames, frames that do not exist are zero. window (n_fft,).
    y (at least (n_groups * LANES - 1) * hop + n_fft,) float32, zeros. plan: FftPlan.
    """
    n_fft, n_groups = plan.n_fft, in_re.shape[0]
    even, odd = np.zeros(plan.n_slots * LANES, np.float32), np.zeros(plan.n_slots * LANES, np.float32)
    frame = np.zeros(n_fft * LANES, np.float32)
    scale = f32(1) / f32(plan.half)
    for g in range(n_groups):
        fft.inverse(in_re[g].reshape(-1), in_im[g].reshape(-1), even, odd, plan)
        for k in range(n_fft):
            half = n_fft % 2 == 1
            slot = at(plan.order, k if half else k // 2) * LANES
            source = even if half or k % 2 == 0 else odd
            for i in range(LANES):
                frame[i * n_fft + k] = source[slot + i]
        for i in range(LANES):
            start = (g * LANES + i) * hop
            for k in range(n_fft):
                y[start + k] += frame[i * n_fft + k] * window[k] * scale
