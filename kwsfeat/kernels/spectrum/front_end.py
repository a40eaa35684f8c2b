"""The whole front end in one compiled function: a block of clips in, their features out.

Frames of several clips share the lanes, so that short clips waste none. Every stage works on LANES frames that stay in the
first-level cache; what needs the whole clip (top_db, normalisation, deltas) follows when the block's bands are there.
"""

from __future__ import annotations

from typing import NamedTuple, get_type_hints

import numpy as np
from numpy.typing import NDArray

from kwsfeat.kernels._jit import LANES, inlined, jit
from kwsfeat.kernels.fft import real as fft
from kwsfeat.kernels.pointer_table import address_table, doubles, floats, integers
from kwsfeat.kernels.simd import aligned, flush_denormals, load, restore_denormals, splat, store
from kwsfeat.kernels.spectrum import bands as band
from kwsfeat.kernels.spectrum import frames
from kwsfeat.kernels.spectrum import postprocess as post

f32 = np.float32

WAVEFORM, SPECTRUM, MEL, MFCC = 0, 1, 2, 3
ROW_L1, MEAN, MEAN_VARIANCE = 1, 2, 3


class Settings(NamedTuple):
    """The numbers of a front end."""

    kind: int
    hop: int
    n_rows: int  # rows of hop samples of one clip
    width: int  # columns of the transposed rows: a multiple of LANES
    frame_length: int
    pad_left: int
    edges: int
    scale: float
    peak_normalize: bool
    preemph: float  # of the clip
    prepare: bool  # frames need remove_dc, pre-emphasis in the frame, or energy
    remove_dc: bool
    frame_preemph: float
    energy: int  # 0 none, 1 raw, 2 windowed
    energy_gain: float  # undoes the spectrum's norm, which lives in the window
    energy_floor: float
    energy_last: bool
    magnitude: bool
    density: bool  # one-sided: the first and (even n_fft) last bin count once
    logarithm: bool
    floor: float
    offset: float
    factor: float
    shift: float
    ref_max: bool
    top: float  # distance of the threshold below the largest value, in output units; 0 is off
    pcen: bool
    pcen_smoothing: float
    pcen_gain: float
    pcen_bias: float
    pcen_power: float
    pcen_eps: float
    n_base: int  # values of a frame before deltas
    n_deltas: int
    htk_deltas: bool
    delta_width: int
    n_delta_edges: int
    normalize: int
    affine: bool
    post_add: float
    post_factor: float
    post_low: float
    post_high: float


class Plan(NamedTuple):
    """Settings and tables of a front end; read-only and shared by all threads."""

    settings: Settings
    fft: fft.FftPlan
    window: NDArray[np.float32]  # (n_fft,), scaled by the spectrum's norm
    sources: NDArray[np.int64]  # (n_fft,) where sample k of the frames lies
    row_offsets: NDArray[np.int64]  # (frame_length,) the same in the transposed rows, when frames are prepared
    mel_first: NDArray[np.int64]
    mel_count: NDArray[np.int64]
    mel_weights: NDArray[np.float32]
    dct: NDArray[np.float32]  # (n_mfcc * n_mels,) with the lifter
    delta: NDArray[np.float32]  # (2, width) of first and second order
    delta_edges: NDArray[np.float32]  # (2, width, width - 1), or no columns
    mean: NDArray[np.float32]  # (n_features,) subtracted
    gain: NDArray[np.float32]  # (n_features,) multiplied


class Scratch(NamedTuple):
    """Memory of one thread, made once; `block` clips at a time fit into it."""

    block: NDArray[np.int64]  # (1,)
    padded: NDArray[np.float32]
    rows: NDArray[np.float32]
    frames: NDArray[np.float32]
    re: NDArray[np.float32]
    im: NDArray[np.float32]
    spectrum: NDArray[np.float32]
    bands: NDArray[np.float32]
    cepstrum: NDArray[np.float32]
    energy: NDArray[np.float32]
    peaks: NDArray[np.float32]
    references: NDArray[np.float32]
    tile: NDArray[np.float32]
    totals: NDArray[np.float64]  # (2, n_features)


class Handle(NamedTuple):
    """A Plan in two arrays for :func:`extract`; the plan itself is kept alive with it."""

    plan: Plan
    settings: NDArray[np.void]  # (1,), a record of Settings and of the FFT's numbers
    tables: NDArray[np.int64]  # addresses of the plan's arrays, in the order of their fields


def handle(plan: Plan) -> Handle:
    """`plan` in the form that `extract` takes."""
    f = plan.fft
    numbers = {"n_fft": f.n_fft, "half": f.half, "n_slots": f.n_slots, "slot_shift": f.shift}
    fields = [*get_type_hints(Settings).items(), *((name, int) for name in numbers)]
    arrays = [a for a in (*f, *plan) if isinstance(a, np.ndarray)]
    return Handle(plan, np.array([(*plan.settings, *numbers.values())], dtype=fields), address_table(arrays))


@inlined
def _fft_tables(n_fft, half, n_slots, shift, t):
    return fft.FftPlan(n_fft, half, integers(t, 0), floats(t, 1), floats(t, 2), integers(t, 3), n_slots, shift, floats(t, 4), floats(t, 5))


@inlined
def _scratch(t):
    """The Scratch whose address table is `t`; its size in blocks is the first array's only value."""
    return Scratch(
        integers(t, 0), floats(t, 1), floats(t, 2), floats(t, 3), floats(t, 4), floats(t, 5), floats(t, 6), floats(t, 7), floats(t, 8),
        floats(t, 9), floats(t, 10), floats(t, 11), floats(t, 12), doubles(t, 13).reshape((2, -1)),
    )  # fmt: skip


def scratch_for(plan: Plan, block: int) -> Scratch:
    """Memory for `block` clips a time."""
    s, f = plan.settings, plan.fft
    n_groups = -(-block * s.n_rows // LANES)
    n_bins = f.n_fft // 2 + 1
    n_bands = n_bins if s.kind == SPECTRUM else plan.mel_first.size
    padded_bands = (n_bands + LANES) * LANES  # write_frames reads up to a multiple of LANES vectors
    return Scratch(
        np.array([block]),
        aligned((n_groups * LANES + s.width + LANES) * s.hop),
        aligned(s.hop * s.width),
        aligned(f.n_fft * LANES if s.prepare else LANES),
        aligned(f.n_slots * LANES),
        aligned(f.n_slots * LANES),
        aligned(LANES if s.kind == SPECTRUM else n_bins * LANES),
        aligned(n_groups * n_bands * LANES + padded_bands),
        aligned((plan.dct.size // max(1, plan.mel_first.size) + LANES) * LANES),
        aligned(n_groups * LANES),
        aligned(n_groups * LANES),
        aligned(2 * n_groups * LANES),
        aligned(LANES * LANES),
        np.zeros((2, max(1, plan.mean.size))),
    )


@jit
def extract(clips, out, finite, settings, tables, memory):
    """Features of clips (n_clips, n_samples) int16 or float32 to out (n_clips, n_frames, n_features) float32.

    finite (n_clips,) bool receives whether a clip had finite samples only. `settings` and `tables` are a Handle's, `memory` is the
    address table of a Scratch.
    """
    s, t, scratch = settings[0], tables, _scratch(memory)
    # put together here: Numba cannot return a record from a function
    plan = Plan(
        s, _fft_tables(s.n_fft, s.half, s.n_slots, s.slot_shift, t), floats(t, 6), integers(t, 7), integers(t, 8), integers(t, 9),
        integers(t, 10), floats(t, 11), floats(t, 12), floats(t, 13).reshape((2, s.delta_width)),
        floats(t, 14).reshape((2, s.delta_width, s.n_delta_edges)), floats(t, 15), floats(t, 16),
    )  # fmt: skip
    n_clips, block = clips.shape[0], scratch.block[0]
    before = flush_denormals()
    for first in range(0, n_clips, block):
        n = min(block, n_clips - first)
        for c in range(n):
            finite[first + c] = _condition(clips[first + c], c, plan.settings, scratch)
        if plan.settings.kind == WAVEFORM:
            for c in range(n):
                for t in range(out.shape[1]):
                    out[first + c, t, 0] = scratch.padded[c * plan.settings.n_rows + t]
        else:
            block_out = out[first : first + n]
            _bands_of_block(n, plan, scratch)
            _references(n, out.shape[1], plan.settings, scratch)
            _write_block(block_out, plan, scratch)
        for c in range(n):
            _finish(out[first + c], plan, scratch.totals)
    restore_denormals(before)


@inlined
def _condition(clip, c, s, scratch):
    n_padded = s.n_rows * s.hop
    return frames.condition(
        clip, scratch.padded, c * n_padded, n_padded, s.pad_left, s.edges, f32(s.scale), s.peak_normalize, f32(s.preemph)
    )


@jit
def _bands_of_block(n_clips, plan, scratch):
    """Bands (mel or spectrum), after the logarithm, of every group of LANES frames."""
    s = plan.settings
    n_bins = plan.fft.n_fft // 2 + 1
    n_bands = n_bins if s.kind == SPECTRUM else plan.mel_first.size
    for g in range((n_clips * s.n_rows + LANES - 1) // LANES):
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


@jit
def _references(n_clips, n_frames, s, scratch):
    """What to subtract from every frame and where to clip it: the largest value of the frame's clip decides."""
    if not s.ref_max and s.top == 0:
        return
    half = scratch.references.size // 2
    for c in range(n_clips):
        peak = f32(-3e38)
        for t in range(c * s.n_rows, c * s.n_rows + n_frames):
            peak = max(peak, scratch.peaks[t])
        reference = peak if s.ref_max else f32(0)
        threshold = peak - reference - f32(s.top) if s.top > 0 else f32(-3e38)
        for t in range(c * s.n_rows, (c + 1) * s.n_rows):
            scratch.references[t] = reference
            scratch.references[half + t] = threshold


@jit
def _write_block(out, plan, scratch):
    """Per group: clip to the clip's threshold, cosine transform, and each lane's frame to its row of `out`."""
    s = plan.settings
    n_clips, n_frames, stride = out.shape
    flat = out.reshape(-1)
    n_bands = plan.fft.n_fft // 2 + 1 if s.kind == SPECTRUM else plan.mel_first.size
    half = scratch.references.size // 2
    energy_in_front = 1 if s.energy and s.kind != MFCC and not s.energy_last else 0
    for g in range((n_clips * s.n_rows + LANES - 1) // LANES):
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
            clip, t = row // s.n_rows, row % s.n_rows
            n_lanes = min(LANES - lane, s.n_rows - t)
            n_valid = min(n_lanes, n_frames - t)
            if clip < n_clips and n_valid > 0:
                index = (clip * n_frames + t) * stride
                band.write_frames(bands, n_values, lane, n_valid, scratch.tile, flat, index + energy_in_front, stride)
                if s.energy:
                    _write_energy(flat, index, stride, n_valid, n_values, scratch.energy, row, s)
            lane += n_lanes


@jit
def _write_energy(flat, index, stride, n_frames, n_values, energy, row, s):
    """ln energy beside the bands (first or last), or in the place of c0 (with energy_last: moved behind the others)."""
    for i in range(n_frames):
        start = index + i * stride
        if s.kind == MFCC and s.energy_last:
            for k in range(n_values - 1):
                flat[start + k] = flat[start + k + 1]
        last = n_values - 1 if s.kind == MFCC else n_values
        flat[start + (last if s.energy_last else 0)] = energy[row + i]


@jit
def _finish(x, plan, totals):
    """Per clip, in frame order: what needs all frames."""
    s = plan.settings
    if s.pcen:
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
