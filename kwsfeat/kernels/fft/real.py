"""Real FFT of LANES frames at once: lane i of every vector belongs to frame i.

An even length n is a complex FFT of n/2 points (even samples real, odd samples imaginary) and a pass that separates the
two spectra; an odd length is a complex FFT with a zero imaginary part. Passes are decimation in frequency, in place, of
radix 2, 3, 4, 5 and 8; the result lies in digit-reversed order, and whoever reads it goes through ``plan.order``.
Source of the formulas: Oppenheim & Schafer, Discrete-Time Signal Processing, chapter 9; Numerical Recipes, section 12.3.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kwsfeat.kernels._jit import LANES, inlined, stage
from kwsfeat.kernels.fft.dft import dft4
from kwsfeat.kernels.fft.passes import get, put, run_passes, windowed_first_pass
from kwsfeat.kernels.simd import at, broadcast, load, splat, store

f32 = np.float32


class FftPlan(NamedTuple):
    """Tables of one FFT length; build with :func:`fft_plan`."""

    n_fft: int
    half: int  # complex points: n_fft / 2, or n_fft when it is odd
    radices: NDArray[np.int64]
    twiddle_re: NDArray[np.float32]
    twiddle_im: NDArray[np.float32]
    order: NDArray[np.int64]  # point k of the transform lies at order[k]
    n_slots: int  # vectors that `re` and `im` hold each
    shift: int  # point k of a buffer lies at k + (k >> shift)
    cos: NDArray[np.float32]  # exp(-2 pi i k / n_fft), k = 0 .. half
    sin: NDArray[np.float32]


def fft_plan(n_fft: int) -> FftPlan:
    """Tables for real FFTs of `n_fft` >= 4 samples whose prime factors are 2, 3 and 5."""
    half = n_fft // 2 if n_fft % 2 == 0 else n_fft
    radices = _radices(half)
    twiddles, n, order = [], half, np.zeros(half, np.int64)
    digit = np.arange(half)
    for radix in radices:
        m = n // radix
        p, i = np.meshgrid(np.arange(m), np.arange(1, radix), indexing="ij")
        twiddles.append(np.exp(-2j * np.pi * (p * i % n) / n).ravel())
        order += digit % radix * m
        digit //= radix
        n = m
    twiddle = np.concatenate(twiddles)
    shift = _padding_shift(half, radices)
    order += order >> shift
    turn = np.exp(-2j * np.pi * np.arange(half + 1) / n_fft)
    return FftPlan(
        n_fft, half, np.array(radices, np.int64), twiddle.real.astype(f32), twiddle.imag.astype(f32), order,
        half + (half >> shift), shift, turn.real.astype(f32), turn.imag.astype(f32),
    )  # fmt: skip


def _radices(half: int) -> list[int]:
    """Odd factors first, then as few passes as the registers allow: a butterfly of eight points needs more than the 16 of AVX2."""
    radices, n = [], half
    for radix in (5, 3):
        while n % radix == 0:
            radices.append(radix)
            n //= radix
    twos = n.bit_length() - 1
    if LANES < 16:
        return [*radices, *[2] * (twos % 2), *[4] * (twos // 2)]
    eights, rest = divmod(twos, 3)
    if rest == 1 and eights:  # 8 * 2 is two passes as 4 * 4 is, with less to do in registers
        return [*radices, *[8] * (eights - 1), 4, 4]
    return [*radices, *[8] * eights, *[[], [2], [4]][rest]]


def _padding_shift(half: int, radices: list[int]) -> int:
    """Where to leave gaps in a buffer: one empty vector after every 2**shift.

    The points of a butterfly are half / radix vectors apart. When that is a power of two they all fall into one set of the
    first-level cache and evict each other; the gaps move them apart. Blocks of 2**shift must be the blocks of some pass.
    """
    n = half
    for radix in radices:
        n //= radix
        if n & (n - 1) == 0 and 16 <= n <= 64:
            return n.bit_length() - 1
    return 40


@stage
def forward(source, offsets, window, re, im, plan):
    """Transform LANES windowed frames: sample k of all of them is the vector at source[offsets[k]].

    `re` and `im` (n_slots * LANES float32 each) receive the complex points, point k at ``plan.order[k] * LANES``.
    """
    if plan.n_fft % 2 == 0:
        windowed_first_pass(source, offsets, window, re, im, at(plan.radices, 0), plan)
        run_passes(re, im, 1, plan.radices.size, plan)
    else:
        for k in range(plan.n_fft):
            store(re, k * LANES, load(source, at(offsets, k)) * broadcast(window, k))
            store(im, k * LANES, splat(f32(0)))
        run_passes(re, im, 0, plan.radices.size, plan)


@stage
def power(re, im, out, plan):
    """out[k] = abs(spectrum[k])**2, k = 0 .. n_fft // 2, of what `forward` left in `re` and `im`."""
    half, order = plan.half, plan.order
    if plan.n_fft % 2:
        for k in range(plan.n_fft // 2 + 1):
            zr, zi = get(re, im, at(order, k))
            store(out, k * LANES, zr * zr + zi * zi)
        return
    _put_power_of_ends(out, get(re, im, 0), half)
    for k in range(1, half // 2 + 1):
        _put_power(out, get(re, im, at(order, k)), get(re, im, at(order, half - k)), plan, k)


@stage
def windowed_power(source, offsets, window, re, im, out, plan):
    """`forward` and `power` in one; where the last pass has radix 4, its result goes from registers into the power.

    The last pass turns the four slots of bin k into the bins k, k + h/4, k + 2h/4, k + 3h/4, whose partners half - k are the four
    of bin h/4 - k: two butterflies hold all that four pairs need, and a store and a load of the whole buffer are saved.
    """
    n_passes, quarter = plan.radices.size, plan.half // 4
    if plan.n_fft % 2 or n_passes < 2 or at(plan.radices, n_passes - 1) != 4:
        forward(source, offsets, window, re, im, plan)
        power(re, im, out, plan)
        return
    windowed_first_pass(source, offsets, window, re, im, at(plan.radices, 0), plan)
    run_passes(re, im, 1, n_passes - 1, plan)
    z0, z1, z2, z3 = _last_butterfly(re, im, 0)
    _put_power_of_ends(out, z0, plan.half)
    _put_power(out, z1, z3, plan, quarter)
    _put_power(out, z2, z2, plan, 2 * quarter)
    for k in range(1, (quarter + 1) // 2):
        a0, a1, a2, a3 = _last_butterfly(re, im, at(plan.order, k))
        b0, b1, b2, b3 = _last_butterfly(re, im, at(plan.order, quarter - k))
        _put_power(out, a0, b3, plan, k)
        _put_power(out, a1, b2, plan, k + quarter)
        _put_power(out, b1, a2, plan, 2 * quarter - k)
        _put_power(out, b0, a3, plan, quarter - k)
    if quarter % 2 == 0:
        z0, z1, z2, z3 = _last_butterfly(re, im, at(plan.order, quarter // 2))
        _put_power(out, z0, z3, plan, quarter // 2)
        _put_power(out, z1, z2, plan, quarter + quarter // 2)


@stage
def spectrum(re, im, out_re, out_im, plan):
    """The complex spectrum, bins 0 .. n_fft // 2 in order, of what `forward` left in `re` and `im`."""
    half, order = plan.half, plan.order
    if plan.n_fft % 2:
        for k in range(plan.n_fft // 2 + 1):
            put(out_re, out_im, k, get(re, im, at(order, k)))
        return
    one_half, zero = splat(f32(0.5)), splat(f32(0))
    for k in range(1, half // 2 + 1):
        xr, xi, vr, vi = _separate(get(re, im, at(order, k)), get(re, im, at(order, half - k)), plan, k)
        put(out_re, out_im, k, (one_half * xr, one_half * xi))
        put(out_re, out_im, half - k, (one_half * vr, zero - one_half * vi))
    zr, zi = get(re, im, 0)
    put(out_re, out_im, 0, (zr + zi, zero))
    put(out_re, out_im, half, (zr - zi, zero))


@stage
def inverse(in_re, in_im, even, odd, plan):
    """The inverse of `forward` and `spectrum`, times `half`: bins in order to LANES frames of n_fft samples.

    Sample 2k of all frames is the vector at ``even[plan.order[k] * LANES]``, sample 2k + 1 the one in `odd`. With an odd
    n_fft sample k is in `even`. The imaginary parts of bin 0 and of the Nyquist bin are taken as zero.
    """
    half = plan.half
    zero = splat(f32(0))
    if plan.n_fft % 2:
        store(even, 0, load(in_re, 0))
        store(odd, 0, zero)
        for k in range(1, plan.n_fft // 2 + 1):
            xr, xi = get(in_re, in_im, k)
            put(even, odd, k + (k >> plan.shift), (xr, xi))
            put(even, odd, plan.n_fft - k, (xr, zero - xi))
    else:
        one_half = splat(f32(0.5))
        first, last = load(in_re, 0), load(in_re, half * LANES)
        put(even, odd, 0, (one_half * (first + last), one_half * (first - last)))
        for k in range(1, half // 2 + 1):
            (ar, ai), (br, bi) = get(in_re, in_im, k), get(in_re, in_im, half - k)
            c, s = broadcast(plan.cos, k), broadcast(plan.sin, k)
            sum_r, sum_i, dif_r, dif_i = ar + br, ai - bi, ar - br, ai + bi
            # i * exp(+2 pi i k / n) * (X[k] - conj X[h - k])
            tr, ti = s * dif_r - c * dif_i, c * dif_r + s * dif_i
            put(even, odd, k + (k >> plan.shift), (one_half * (sum_r + tr), one_half * (sum_i + ti)))
            put(even, odd, half - k + ((half - k) >> plan.shift), (one_half * (sum_r - tr), one_half * (ti - sum_i)))
    run_passes(odd, even, 0, plan.radices.size, plan)  # real and imaginary exchanged: the transform runs backwards


@inlined
def _separate(z, y, plan, k):
    """Twice the spectrum at k and the conjugate of it at half - k, from points k (z) and half - k (y)."""
    c, s = broadcast(plan.cos, k), broadcast(plan.sin, k)
    er, ei, fr, fi = z[0] + y[0], z[1] - y[1], z[1] + y[1], y[0] - z[0]
    tr, ti = c * fr - s * fi, c * fi + s * fr
    return er + tr, ei + ti, er - tr, ei - ti


@inlined
def _put_power(out, z, y, plan, k):
    """Power at k and half - k, from points k (z) and half - k (y)."""
    quarter = splat(f32(0.25))
    xr, xi, vr, vi = _separate(z, y, plan, k)
    store(out, k * LANES, quarter * (xr * xr + xi * xi))
    store(out, (plan.half - k) * LANES, quarter * (vr * vr + vi * vi))


@inlined
def _put_power_of_ends(out, z, half):
    """Power at 0 and at the Nyquist frequency, from point 0."""
    store(out, 0, (z[0] + z[1]) * (z[0] + z[1]))
    store(out, half * LANES, (z[0] - z[1]) * (z[0] - z[1]))


@inlined
def _last_butterfly(re, im, q):
    return dft4(get(re, im, q), get(re, im, q + 1), get(re, im, q + 2), get(re, im, q + 3))
