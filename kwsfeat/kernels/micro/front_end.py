"""The whole integer front end in one compiled function: clips in, features out."""

import numpy as np

from kwsfeat.kernels._jit import LANES, jit, stage
from kwsfeat.kernels.micro.bands import band_levels
from kwsfeat.kernels.micro.fft import complex_fft, energies
from kwsfeat.kernels.micro.noise import gained, logarithm, next_noise, without_noise
from kwsfeat.kernels.micro.window import windowed_frames
from kwsfeat.kernels.simd import splat, store, store_first
from kwsfeat.kernels.simd_int import floating, load_ints, store_ints, transpose_ints

f32 = np.float32


@jit
def micro_extract(clips, out, noise, plan, scratch):
    """Features of clips (n_clips, n_samples) int16, whole frames only, to out (n_clips, n_frames, n_bands) float32.

    noise (n_clips, n_lanes) int32: each band's, in 2**-10, before the first frame, and after the last when it returns.
    """
    n_frames, n_bands, hop, length = out.shape[1], out.shape[2], plan.hop, 2 * plan.window.size
    n_lanes = noise.shape[1]
    flat_noise, flat_out = noise.reshape(-1), out.reshape(-1)
    for c in range(clips.shape[0]):
        y = clips[c]
        for t in range(0, n_frames, LANES):
            start, needed = t * hop, (LANES - 1) * hop + length
            if start + needed <= y.size:
                windowed_frames(y, start, plan, scratch)
            else:  # frames that are not there see silence, and are not written
                rest = y.size - start
                scratch.samples[:rest] = y[start:]
                scratch.samples[rest:] = 0
                windowed_frames(scratch.samples, 0, plan, scratch)
            complex_fft(scratch.points, plan)
            energies(scratch.points, scratch.energy, plan)
            band_levels(scratch.energy, scratch.levels, scratch.shift, plan)
            for i in range(0, n_lanes, LANES):
                transpose_ints(scratch.levels, i * LANES, LANES, scratch.rows, i, n_lanes)
            for i in range(min(LANES, n_frames - t)):
                _features(scratch.rows, i * n_lanes, flat_noise, c * n_lanes, flat_out, (c * n_frames + t + i) * n_bands, n_bands, plan)


@stage
def _features(levels, row, noise, state, out, index, n_bands, plan):
    """The features of the levels from levels[row] on to out[index] on; the noise lies from noise[state] on."""
    for i in range(0, n_bands, LANES):
        level = load_ints(levels, row + i)
        scaled, estimate = next_noise(level, load_ints(noise, state + i), load_ints(plan.smoothing, i))
        store_ints(noise, state + i, estimate)
        clean = gained(without_noise(level, scaled, estimate), estimate, plan.gain, plan.gain_bend)
        value = floating(logarithm(clean, plan.log)) * splat(f32(0.0390625))
        if i + LANES <= n_bands:
            store(out, index + i, value)
        else:
            store_first(out, index + i, value, n_bands - i)
