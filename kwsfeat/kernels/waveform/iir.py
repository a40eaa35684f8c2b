"""Cascades of second-order sections (transposed direct form II). They are serial in time, so lanes are something else.

Many clips: a lane is a clip, and two sections advance together, because one alone waits for its own results half of the time.
One clip: a lane is a section. Two samples at a time move up by one lane a turn: the second fills the waits of the first.
A piece of a signal: no lanes, because all sections must be through with its last sample when it ends.
All do the same operations in the same order and give the same bits.
Formula of a section: y = b0 x + z0; z0 = b1 x - a1 y + z1; z1 = b2 x - a2 y (Oppenheim & Schafer, section 6.3).
"""

import numpy as np

from kwsfeat.kernels._jit import LANES, inlined, jit
from kwsfeat.kernels.simd import (
    at,
    broadcast,
    flush_denormals,
    fma,
    last,
    load,
    load_octet,
    restore_denormals,
    shift_in,
    splat_octet,
    store,
    transpose_block,
)

f32 = np.float32

GROUP = 24  # sections that filter_clip runs side by side, in three octets
DELAY = 2 * (GROUP - 1)  # samples until the first one has passed through a group


@inlined
def _section(x, z0, z1, coefficients):
    """One step; every rounding is spelled out, so that all ways to run a cascade give the same bits."""
    b0, b1, b2, a1, a2 = coefficients  # a1 and a2 are negated
    y = fma(b0, x, z0)
    return y, fma(a1, y, fma(b1, x, z1)), fma(a2, y, b2 * x)


@jit
def filter_clips(clips, out, coefficients, state, tile):
    """LANES clips at once: clips (LANES, n_samples) int16 or float32 to out (LANES, n_samples) float32.

    coefficients (n_sections * 5,) b0 b1 b2 -a1 -a2 of an even number of sections. state (n_sections * 2 * LANES,): z0 and z1 of
    each section before the first sample, lane by lane, and after the last when it returns. scratch: tile (LANES * LANES,).
    """
    n = clips.shape[1]
    source, target = clips.reshape(-1), out.reshape(-1)
    before = flush_denormals()
    for t in range(0, n, LANES):
        width = min(LANES, n - t)
        if width == LANES:
            transpose_block(source, t, n, tile, 0, LANES)
        else:
            for i in range(LANES):
                for k in range(width):
                    tile[k * LANES + i] = f32(at(source, i * n + t + k))
        for s in range(0, coefficients.size // 5, 2):
            _two_sections_over_tile(tile, width, coefficients, s * 5, state, s * 2 * LANES)
        if width == LANES:
            transpose_block(tile, 0, LANES, target, t, n)
        else:
            for i in range(LANES):
                for k in range(width):
                    target[i * n + t + k] = tile[k * LANES + i]
    restore_denormals(before)


@inlined
def _two_sections_over_tile(tile, width, coefficients, c, state, z):
    """Two sections over `width` samples: state and coefficients stay in registers."""
    first, second = _in_every_lane(coefficients, c), _in_every_lane(coefficients, c + 5)
    u0, u1, v0, v1 = load(state, z), load(state, z + LANES), load(state, z + 2 * LANES), load(state, z + 3 * LANES)
    for k in range(width):
        u, u0, u1 = _section(load(tile, k * LANES), u0, u1, first)
        v, v0, v1 = _section(u, v0, v1, second)
        store(tile, k * LANES, v)
    store(state, z, u0)
    store(state, z + LANES, u1)
    store(state, z + 2 * LANES, v0)
    store(state, z + 3 * LANES, v1)


@inlined
def _in_every_lane(coefficients, c):
    b0, b1, b2 = broadcast(coefficients, c), broadcast(coefficients, c + 1), broadcast(coefficients, c + 2)
    return b0, b1, b2, broadcast(coefficients, c + 3), broadcast(coefficients, c + 4)


@jit
def filter_clip(y, out, lanes, line):
    """One clip from rest: y (n_samples,) int16 or float32 to out (n_samples,) float32, GROUP sections at a time.

    lanes (n_groups * 5 * GROUP,): for each group the values b0, b1, b2, -a1, -a2 of its sections. line
    (n_samples + n_groups * DELAY + 1,): zeros; takes the clip, which falls DELAY samples behind in every group.
    """
    n, n_groups = y.size, lanes.size // (5 * GROUP)
    before = flush_denormals()
    for i in range(n):
        line[i] = f32(at(y, i))
    for g in range(n_groups):
        _group_over_line(line, g * DELAY, n + (g + 1) * DELAY, lanes, g * 5 * GROUP)
    for i in range(n):
        out[i] = at(line, i + n_groups * DELAY)
    restore_denormals(before)


@jit
def filter_piece(y, out, coefficients, state):
    """The next samples of one signal: y (n_samples,) float32 to out (n_samples,) float32, which may be `y`.

    coefficients (n_sections * 5,) b0 b1 b2 -a1 -a2. state (n_sections * 2,): z0 and z1 of each section before the first sample, and
    after the last when it returns. A sample passes through all sections before the next begins; the processor overlaps them.
    """
    before = flush_denormals()
    for i in range(y.size):
        x = at(y, i)
        for s in range(coefficients.size // 5):
            c = 5 * s
            b0, b1, b2 = at(coefficients, c), at(coefficients, c + 1), at(coefficients, c + 2)
            section = b0, b1, b2, at(coefficients, c + 3), at(coefficients, c + 4)
            x, state[2 * s], state[2 * s + 1] = _section(x, at(state, 2 * s), at(state, 2 * s + 1), section)
        out[i] = x
    restore_denormals(before)


@inlined
def _group_over_line(line, begin, end, lanes, start):
    """GROUP sections over line[begin:end] in place: what comes out at t went in at t - DELAY. u, v and w are eight sections each."""
    a, b, c = _of_eight_sections(lanes, start), _of_eight_sections(lanes, start + 8), _of_eight_sections(lanes, start + 16)
    u0 = u1 = v0 = v1 = w0 = w1 = u = v = w = next_u = next_v = next_w = splat_octet(f32(0))
    for t in range(begin, end, 2):
        x, next_x = splat_octet(at(line, t)), splat_octet(at(line, t + 1))
        w, next_w, w0, w1 = _two_steps(shift_in(w, v), shift_in(next_w, next_v), w0, w1, c)
        v, next_v, v0, v1 = _two_steps(shift_in(v, u), shift_in(next_v, next_u), v0, v1, b)
        u, next_u, u0, u1 = _two_steps(shift_in(u, x), shift_in(next_u, next_x), u0, u1, a)
        line[t], line[t + 1] = last(w), last(next_w)


@inlined
def _of_eight_sections(lanes, c):
    b0, b1, b2 = load_octet(lanes, c), load_octet(lanes, c + GROUP), load_octet(lanes, c + 2 * GROUP)
    return b0, b1, b2, load_octet(lanes, c + 3 * GROUP), load_octet(lanes, c + 4 * GROUP)


@inlined
def _two_steps(x, next_x, z0, z1, coefficients):
    y, z0, z1 = _section(x, z0, z1, coefficients)
    next_y, z0, z1 = _section(next_x, z0, z1, coefficients)
    return y, next_y, z0, z1
