"""Cascades of second-order sections (transposed direct form II), which are serial in time.

Many clips: a lane is a clip. One clip: a lane is a section, and section s works on sample t - s while section 0 works on
sample t, so that the cascade advances one sample a step. Both carry the state in and out.
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
    restore_denormals,
    shift_in,
    splat,
    store,
    transpose_block,
    where_less,
)

f32 = np.float32

PAIR = 2 * LANES  # sections that filter_clip runs side by side


@inlined
def _section(x, z0, z1, b0, b1, b2, a1, a2):
    """One step; every rounding is spelled out, so that both ways to run a cascade give the same bits. a1, a2 are negated."""
    y = fma(b0, x, z0)
    return y, fma(a1, y, fma(b1, x, z1)), fma(a2, y, b2 * x)


@jit
def filter_clips(clips, scale, out, coefficients, state, tile):
    """LANES clips at once: clips (LANES, n_samples) int16 or float32 to out (LANES, n_samples) float32.

    coefficients (n_sections * 5,) b0 b1 b2 -a1 -a2; state (n_sections * 2 * LANES,) carried in and out; tile (LANES * LANES,).
    """
    n = clips.shape[1]
    source, target = clips.reshape(-1), out.reshape(-1)
    n_sections = coefficients.size // 5
    before = flush_denormals()
    for t in range(0, n, LANES):
        width = min(LANES, n - t)
        if width == LANES:
            transpose_block(source, t, n, tile, 0, LANES)
        else:
            for i in range(LANES):
                for k in range(LANES):
                    tile[k * LANES + i] = f32(at(source, i * n + t + k)) if k < width else f32(0)
        gain = splat(scale)
        for k in range(width):
            store(tile, k * LANES, load(tile, k * LANES) * gain)
        for s in range(n_sections):
            _section_over_tile(tile, width, coefficients, s * 5, state, s * 2 * LANES)
        if width == LANES:
            transpose_block(tile, 0, LANES, target, t, n)
        else:
            for i in range(LANES):
                for k in range(width):
                    target[i * n + t + k] = tile[k * LANES + i]
    restore_denormals(before)


@inlined
def _section_over_tile(tile, width, coefficients, c, state, z):
    """One section over `width` samples: state and coefficients stay in registers."""
    b0, b1, b2 = broadcast(coefficients, c), broadcast(coefficients, c + 1), broadcast(coefficients, c + 2)
    a1, a2 = broadcast(coefficients, c + 3), broadcast(coefficients, c + 4)
    z0, z1 = load(state, z), load(state, z + LANES)
    for k in range(width):
        y, z0, z1 = _section(load(tile, k * LANES), z0, z1, b0, b1, b2, a1, a2)
        store(tile, k * LANES, y)
    store(state, z, z0)
    store(state, z + LANES, z1)


@jit
def filter_clip(y, scale, out, lanes, state, n_groups):
    """One clip: y (n_samples,) int16 or float32 to out (n_samples,) float32, PAIR sections at a time.

    lanes (n_groups * 6 * PAIR,): for each group the values b0, b1, b2, -a1, -a2 of its sections, sections that do nothing at the
    end, and the lane numbers; state (n_groups * 2 * PAIR,) z0 and z1 of each group.
    """
    before = flush_denormals()
    for i in range(y.size):
        out[i] = f32(at(y, i)) * scale
    for g in range(n_groups):
        _group_over_clip(out, lanes, g * 6 * PAIR, state, g * 2 * PAIR)
    restore_denormals(before)


@jit
def _group_over_clip(out, lanes, c, state, z):
    n = out.size
    p0, p1, p2, p3, p4 = c, c + PAIR, c + 2 * PAIR, c + 3 * PAIR, c + 4 * PAIR
    ub0, ub1, ub2, ua1, ua2 = load(lanes, p0), load(lanes, p1), load(lanes, p2), load(lanes, p3), load(lanes, p4)
    vb0, vb1, vb2 = load(lanes, p0 + LANES), load(lanes, p1 + LANES), load(lanes, p2 + LANES)
    va1, va2 = load(lanes, p3 + LANES), load(lanes, p4 + LANES)
    u_lane, v_lane = load(lanes, c + 5 * PAIR), load(lanes, c + 5 * PAIR + LANES)
    u0, v0, u1, v1 = load(state, z), load(state, z + LANES), load(state, z + PAIR), load(state, z + PAIR + LANES)
    u = v = splat(f32(0))
    for t in range(n + PAIR - 1):
        x = broadcast(out, t) if t < n else splat(f32(0))
        v_in, u_in = shift_in(v, u), shift_in(u, x)
        u, next_u0, next_u1 = _section(u_in, u0, u1, ub0, ub1, ub2, ua1, ua2)
        v, next_v0, next_v1 = _section(v_in, v0, v1, vb0, vb1, vb2, va1, va2)
        if t < PAIR or t >= n:  # lane s has samples from step s to step s + n - 1 only
            low, high = splat(f32(t - n) + f32(0.5)), splat(f32(t) + f32(0.5))
            next_u0, next_u1 = _kept(u_lane, low, high, next_u0, u0), _kept(u_lane, low, high, next_u1, u1)
            next_v0, next_v1 = _kept(v_lane, low, high, next_v0, v0), _kept(v_lane, low, high, next_v1, v1)
        u0, u1, v0, v1 = next_u0, next_u1, next_v0, next_v1
        if t >= PAIR - 1:
            out[t - (PAIR - 1)] = last(v)
    store(state, z, u0)
    store(state, z + LANES, v0)
    store(state, z + PAIR, u1)
    store(state, z + PAIR + LANES, v1)


@inlined
def _kept(lane, low, high, new, old):
    """`new` in lanes between low and high, else `old`."""
    return where_less(low, lane, where_less(lane, high, new, old), old)
