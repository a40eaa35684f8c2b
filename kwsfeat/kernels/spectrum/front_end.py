"""The whole front end in one compiled function: a block of clips in, their features out.

Frames of several clips share the lanes, so that short clips waste none. Every stage works on LANES frames that stay in the
first-level cache; what needs the whole clip (top_db, normalisation, deltas) follows when the block's bands are there.
"""

from __future__ import annotations

import numpy as np

from kwsfeat.kernels._jit import LANES, inlined, jit, stage
from kwsfeat.kernels.fft import real as fft
from kwsfeat.kernels.pointer_table import doubles, floats, integers
from kwsfeat.kernels.simd import flush_denormals, load, restore_denormals, splat, store
from kwsfeat.kernels.spectrum import bands as band
from kwsfeat.kernels.spectrum import frames
from kwsfeat.kernels.spectrum import postprocess as post
from kwsfeat.kernels.spectrum.plan import MEAN_VARIANCE, MFCC, ROW_L1, SPECTRUM, WAVEFORM, Plan, Scratch

f32 = np.float32


@inlined
def _fft_plan(r):
    return fft.FftPlan(
        n_fft=r.n_fft, half=r.half, radices=integers(r.radices), twiddle_re=floats(r.twiddle_re), twiddle_im=floats(r.twiddle_im),
        order=integers(r.order), n_slots=r.n_slots, shift=r.shift, cos=floats(r.cos), sin=floats(r.sin),
    )  # fmt: skip


@inlined
def _scratch(r):
    return Scratch(
        padded=floats(r.padded), rows=floats(r.rows), frames=floats(r.frames), re=floats(r.re), im=floats(r.im),
        spectrum=floats(r.spectrum), bands=floats(r.bands), cepstrum=floats(r.cepstrum), energy=floats(r.energy), peaks=floats(r.peaks),
        references=floats(r.references), tile=floats(r.tile), totals=doubles(r.totals).reshape((2, -1)),
    )  # fmt: skip


@jit
def extract(clips, out, peaks, block, plan_record, scratch_record):
    """Features of clips (n_clips, n_samples) int16 or float32 to out (n_clips, n_frames, n_features) float32.

    peaks (n_clips,) float32 receives the largest magnitude of each clip, not finite when a sample is not. `block` clips are worked
    on together. The records are those of a Plan's and a Scratch's Handle; the scratch holds the rows of a block, n_frames + overlap
    for each clip.
    """
    r, scratch = plan_record[0], _scratch(scratch_record[0])
    s = r.settings
    # put together here: Numba cannot return a record from a function
    plan = Plan(
        settings=s, fft=_fft_plan(r.fft), window=floats(r.window), sources=integers(r.sources), row_offsets=integers(r.row_offsets),
        mel_first=integers(r.mel_first), mel_count=integers(r.mel_count), mel_weights=floats(r.mel_weights), dct=floats(r.dct),
        delta=floats(r.delta).reshape((2, s.delta_width)), delta_edges=floats(r.delta_edges).reshape((2, s.delta_width, s.n_delta_edges)),
        mean=floats(r.mean), gain=floats(r.gain),
    )  # fmt: skip
    n_clips, n_rows = clips.shape[0], out.shape[1] + s.overlap
    before = flush_denormals()
    for first in range(0, n_clips, block):
        n = min(block, n_clips - first)
        for c in range(n):
            peaks[first + c] = _condition(clips[first + c], c, n_rows, s, scratch)
        if s.kind == WAVEFORM:
            for c in range(n):
                for t in range(n_rows):
                    out[first + c, t, 0] = scratch.padded[c * n_rows + t]
        else:
            block_out = out[first : first + n]
            _bands_of_block(n * n_rows, plan, scratch)
            _references(n, out.shape[1], s, scratch)
            _write_block(block_out, plan, scratch)
        for c in range(n):
            _finish(out[first + c], plan, scratch.totals)
    restore_denormals(before)


@inlined
def _condition(clip, c, n_rows, s, scratch):
    n_padded = n_rows * s.hop
    return frames.condition(
        clip, scratch.padded, c * n_padded, n_padded, s.pad_left, s.edges, f32(s.scale), s.peak_normalize, f32(s.preemph)
    )


@stage
def _bands_of_block(n_rows, plan, scratch):
    """Bands (mel or spectrum), after the logarithm, of every group of LANES frames."""
    s = plan.settings
    n_bins = plan.fft.n_fft // 2 + 1
    n_bands = n_bins if s.kind == SPECTRUM else plan.mel_first.size
    for g in range((n_rows + LANES - 1) // LANES):
        frames.next_rows(scratch.padded, g, s.hop, scratch.rows, s.width)
        source = scratch.rows
        if s.prepare:
            energy = frames.prepare_frames(
                scratch.rows, plan.row_offsets, s.frame_length, scratch.frames, s.remove_dc, f32(s.frame_preemph)
            )
            if s.energy == 2:
                energy = frames.windowed_energy(scratch.frames, plan.window, s.frame_length) * splat(f32(s.energy_gain))
            if s.energy:
                store(scratch.energy, g * LANES, band.log_energy(energy, f32(s.energy_floor)))
            source = scratch.frames
        bands = scratch.bands[g * n_bands * LANES :]
        spectrum = bands if s.kind == SPECTRUM else scratch.spectrum
        fft.windowed_power(source, plan.sources, plan.window, scratch.re, scratch.im, spectrum, plan.fft)
        if s.density:
            store(spectrum, 0, load(spectrum, 0) * splat(f32(0.5)))
            if plan.fft.n_fft % 2 == 0:
                store(spectrum, (n_bins - 1) * LANES, load(spectrum, (n_bins - 1) * LANES) * splat(f32(0.5)))
        if s.magnitude:
            band.magnitudes(spectrum, n_bins)
        if s.kind != SPECTRUM:
            band.mel_bands(spectrum, bands, plan.mel_first, plan.mel_count, plan.mel_weights)
        if s.logarithm:
            band.logarithm(bands, n_bands, f32(s.floor), f32(s.offset), f32(s.factor), f32(s.shift), scratch.peaks, g * LANES)


@stage
def _references(n_clips, n_frames, s, scratch):
    """What to subtract from every frame and where to clip it: the largest value of the frame's clip decides."""
    if not s.ref_max and s.top == 0:
        return
    half, n_rows = scratch.references.size // 2, n_frames + s.overlap
    for c in range(n_clips):
        peak = f32(-3e38)
        for t in range(c * n_rows, c * n_rows + n_frames):
            peak = max(peak, scratch.peaks[t])
        reference = peak if s.ref_max else f32(0)
        threshold = peak - reference - f32(s.top) if s.top > 0 else f32(-3e38)
        for t in range(c * n_rows, (c + 1) * n_rows):
            scratch.references[t] = reference
            scratch.references[half + t] = threshold


@stage
def _write_block(out, plan, scratch):
    """Per group: clip to the clip's threshold, cosine transform, and each lane's frame to its row of `out`."""
    s = plan.settings
    n_clips, n_frames, stride = out.shape
    n_rows = n_frames + s.overlap
    flat = out.reshape(-1)
    n_bands = plan.fft.n_fft // 2 + 1 if s.kind == SPECTRUM else plan.mel_first.size
    half = scratch.references.size // 2
    energy_in_front = 1 if s.energy and s.kind != MFCC and not s.energy_last else 0
    for g in range((n_clips * n_rows + LANES - 1) // LANES):
        bands, n_values = scratch.bands[g * n_bands * LANES :], n_bands
        if s.ref_max or s.top > 0:
            band.clip_below(bands, n_bands, scratch.references[:half], scratch.references[half:], g * LANES)
        if s.kind == MFCC:
            n_values = plan.dct.size // n_bands
            band.cosine_transform(bands, n_bands, plan.dct, scratch.cepstrum, n_values)
            bands = scratch.cepstrum
        lane = 0
        while lane < LANES:
            row = g * LANES + lane
            clip, t = row // n_rows, row % n_rows
            n_lanes = min(LANES - lane, n_rows - t)
            n_valid = min(n_lanes, n_frames - t)
            if clip < n_clips and n_valid > 0:
                index = (clip * n_frames + t) * stride
                band.write_frames(bands, n_values, lane, n_valid, scratch.tile, flat, index + energy_in_front, stride)
                if s.energy:
                    _write_energy(flat, index, stride, n_valid, n_values, scratch.energy, row, s)
            lane += n_lanes


@stage
def _write_energy(flat, index, stride, n_frames, n_values, energy, row, s):
    """ln energy beside the bands (first or last), or instead of c0 (with energy_last: moved after the others)."""
    for i in range(n_frames):
        start = index + i * stride
        if s.kind == MFCC and s.energy_last:
            for k in range(n_values - 1):
                flat[start + k] = flat[start + k + 1]
        last = n_values - 1 if s.kind == MFCC else n_values
        flat[start + (last if s.energy_last else 0)] = energy[row + i]


@stage
def _finish(x, plan, totals):
    """Per clip, in frame order: what needs all frames."""
    s = plan.settings
    if s.pcen:
        totals[0, : s.n_base] = 1
        post.pcen(x, s.n_base, totals[0], f32(s.pcen_smoothing), f32(s.pcen_gain), f32(s.pcen_bias), f32(s.pcen_power), f32(s.pcen_eps))
    for order in range(s.n_deltas):
        source = order * s.n_base if s.htk_deltas else 0
        post.deltas(x, source, (order + 1) * s.n_base, s.n_base, plan.delta[order], plan.delta_edges[order])
    if s.normalize == ROW_L1:
        post.row_l1(x, x.shape[1], totals[0])
    elif s.normalize:
        post.standardize(x, x.shape[1], s.normalize == MEAN_VARIANCE, totals[0], totals[1])
    if s.affine:
        post.affine(x, plan.mean, plan.gain, f32(s.post_add), f32(s.post_factor), f32(s.post_low), f32(s.post_high))
