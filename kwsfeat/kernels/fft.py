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

from kwsfeat.kernels._jit import LANES, inlined, jit
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
    """Odd factors first, then as many eights as leave no two: few passes, each over registers that the machine has."""
    radices, n = [], half
    for radix in (5, 3):
        while n % radix == 0:
            radices.append(radix)
            n //= radix
    twos = n.bit_length() - 1
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


@jit
def forward(source, offsets, window, re, im, plan):
    """Transform LANES windowed frames: sample k of all of them is the vector at source[offsets[k]].

    `re` and `im` (n_slots * LANES float32 each) receive the complex points, point k at ``plan.order[k] * LANES``.
    """
    if plan.n_fft % 2 == 0:
        _windowed_first_pass(source, offsets, window, re, im, at(plan.radices, 0), plan)
        _passes(re, im, 1, plan.radices.size, plan)
    else:
        for k in range(plan.n_fft):
            store(re, k * LANES, load(source, at(offsets, k)) * broadcast(window, k))
            store(im, k * LANES, splat(f32(0)))
        _passes(re, im, 0, plan.radices.size, plan)


@jit
def power(re, im, out, plan):
    """out[k] = abs(spectrum[k])**2, k = 0 .. n_fft // 2, of what `forward` left in `re` and `im`."""
    half, order = plan.half, plan.order
    if plan.n_fft % 2:
        for k in range(plan.n_fft // 2 + 1):
            zr, zi = _get(re, im, at(order, k))
            store(out, k * LANES, zr * zr + zi * zi)
        return
    _put_power_of_ends(out, _get(re, im, 0), half)
    for k in range(1, half // 2 + 1):
        _put_power(out, _get(re, im, at(order, k)), _get(re, im, at(order, half - k)), plan, k)


@jit
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
    _windowed_first_pass(source, offsets, window, re, im, at(plan.radices, 0), plan)
    _passes(re, im, 1, n_passes - 1, plan)
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


@jit
def spectrum(re, im, out_re, out_im, plan):
    """The complex spectrum, bins 0 .. n_fft // 2 in order, of what `forward` left in `re` and `im`."""
    half, order = plan.half, plan.order
    if plan.n_fft % 2:
        for k in range(plan.n_fft // 2 + 1):
            _put(out_re, out_im, k, _get(re, im, at(order, k)))
        return
    one_half, zero = splat(f32(0.5)), splat(f32(0))
    for k in range(1, half // 2 + 1):
        xr, xi, vr, vi = _separate(_get(re, im, at(order, k)), _get(re, im, at(order, half - k)), plan, k)
        _put(out_re, out_im, k, (one_half * xr, one_half * xi))
        _put(out_re, out_im, half - k, (one_half * vr, zero - one_half * vi))
    zr, zi = _get(re, im, 0)
    _put(out_re, out_im, 0, (zr + zi, zero))
    _put(out_re, out_im, half, (zr - zi, zero))


@jit
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
            xr, xi = _get(in_re, in_im, k)
            _put(even, odd, k + (k >> plan.shift), (xr, xi))
            _put(even, odd, plan.n_fft - k, (xr, zero - xi))
    else:
        one_half = splat(f32(0.5))
        first, last = load(in_re, 0), load(in_re, half * LANES)
        _put(even, odd, 0, (one_half * (first + last), one_half * (first - last)))
        for k in range(1, half // 2 + 1):
            (ar, ai), (br, bi) = _get(in_re, in_im, k), _get(in_re, in_im, half - k)
            c, s = broadcast(plan.cos, k), broadcast(plan.sin, k)
            sum_r, sum_i, dif_r, dif_i = ar + br, ai - bi, ar - br, ai + bi
            # i * exp(+2 pi i k / n) * (X[k] - conj X[h - k])
            tr, ti = s * dif_r - c * dif_i, c * dif_r + s * dif_i
            _put(even, odd, k + (k >> plan.shift), (one_half * (sum_r + tr), one_half * (sum_i + ti)))
            _put(even, odd, half - k + ((half - k) >> plan.shift), (one_half * (sum_r - tr), one_half * (ti - sum_i)))
    _passes(odd, even, 0, plan.radices.size, plan)  # real and imaginary exchanged: the transform runs backwards


@inlined
def _get(re, im, k):
    return load(re, k * LANES), load(im, k * LANES)


@inlined
def _put(re, im, k, z):
    store(re, k * LANES, z[0])
    store(im, k * LANES, z[1])


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
    return _dft4(_get(re, im, q), _get(re, im, q + 1), _get(re, im, q + 2), _get(re, im, q + 3))


@inlined
def _turned(z, plan, o):
    """z times twiddle o."""
    wr, wi = broadcast(plan.twiddle_re, o), broadcast(plan.twiddle_im, o)
    return z[0] * wr - z[1] * wi, z[0] * wi + z[1] * wr


@inlined
def _dft2(a, b):
    return (a[0] + b[0], a[1] + b[1]), (a[0] - b[0], a[1] - b[1])


@inlined
def _dft3(a, b, c):
    half, s = splat(f32(0.5)), splat(f32(0.8660254037844386))
    tr, ti = b[0] + c[0], b[1] + c[1]
    ur, ui = s * (b[0] - c[0]), s * (b[1] - c[1])
    mr, mi = a[0] - half * tr, a[1] - half * ti
    return (a[0] + tr, a[1] + ti), (mr + ui, mi - ur), (mr - ui, mi + ur)


@inlined
def _dft4(a, b, c, d):
    sr, si, tr, ti = a[0] + c[0], a[1] + c[1], a[0] - c[0], a[1] - c[1]
    ur, ui, vr, vi = b[0] + d[0], b[1] + d[1], b[0] - d[0], b[1] - d[1]
    return (sr + ur, si + ui), (tr + vi, ti - vr), (sr - ur, si - ui), (tr - vi, ti + vr)


@inlined
def _dft5(a, b, c, d, e):
    c1, c2 = splat(f32(0.30901699437494745)), splat(f32(0.8090169943749475))  # cos(2 pi/5), -cos(4 pi/5)
    s1, s2 = splat(f32(0.9510565162951535)), splat(f32(0.5877852522924731))  # sin(2 pi/5), sin(4 pi/5)
    pr, pi, qr, qi = b[0] + e[0], b[1] + e[1], c[0] + d[0], c[1] + d[1]
    ur, ui, vr, vi = b[0] - e[0], b[1] - e[1], c[0] - d[0], c[1] - d[1]
    xr, xi = a[0] + c1 * pr - c2 * qr, a[1] + c1 * pi - c2 * qi
    yr, yi = a[0] - c2 * pr + c1 * qr, a[1] - c2 * pi + c1 * qi
    gr, gi = s1 * ur + s2 * vr, s1 * ui + s2 * vi
    hr, hi = s2 * ur - s1 * vr, s2 * ui - s1 * vi
    return (a[0] + pr + qr, a[1] + pi + qi), (xr + gi, xi - gr), (yr + hi, yi - hr), (yr - hi, yi + hr), (xr - gi, xi + gr)


@inlined
def _dft8(a, b, c, d, e, f, g, h):
    s = splat(f32(0.7071067811865476))
    p0, p1, p2, p3 = _dft4(a, c, e, g)
    q0, q1, q2, q3 = _dft4(b, d, f, h)
    q1 = s * (q1[0] + q1[1]), s * (q1[1] - q1[0])
    q2 = q2[1], splat(f32(0)) - q2[0]
    q3 = s * (q3[1] - q3[0]), splat(f32(0)) - s * (q3[0] + q3[1])
    y0, y4 = _dft2(p0, q0)
    y1, y5 = _dft2(p1, q1)
    y2, y6 = _dft2(p2, q2)
    y3, y7 = _dft2(p3, q3)
    return y0, y1, y2, y3, y4, y5, y6, y7


@inlined
def _sample(source, offsets, window, k):
    """Complex point k of the windowed frames: samples 2k and 2k + 1."""
    even = load(source, at(offsets, 2 * k)) * broadcast(window, 2 * k)
    return even, load(source, at(offsets, 2 * k + 1)) * broadcast(window, 2 * k + 1)


@jit
def _windowed_first_pass(source, offsets, window, re, im, radix, plan):
    """The first pass reads the signal itself: windowing costs no pass over memory of its own."""
    m = plan.half // radix
    step = m + (m >> plan.shift)
    if radix == 8:
        for p in range(m):
            q = p + (p >> plan.shift)
            y0, y1, y2, y3, y4, y5, y6, y7 = _dft8(
                _sample(source, offsets, window, p),
                _sample(source, offsets, window, p + m),
                _sample(source, offsets, window, p + 2 * m),
                _sample(source, offsets, window, p + 3 * m),
                _sample(source, offsets, window, p + 4 * m),
                _sample(source, offsets, window, p + 5 * m),
                _sample(source, offsets, window, p + 6 * m),
                _sample(source, offsets, window, p + 7 * m),
            )
            _put(re, im, q, y0)
            _put(re, im, q + step, _turned(y1, plan, 7 * p))
            _put(re, im, q + 2 * step, _turned(y2, plan, 7 * p + 1))
            _put(re, im, q + 3 * step, _turned(y3, plan, 7 * p + 2))
            _put(re, im, q + 4 * step, _turned(y4, plan, 7 * p + 3))
            _put(re, im, q + 5 * step, _turned(y5, plan, 7 * p + 4))
            _put(re, im, q + 6 * step, _turned(y6, plan, 7 * p + 5))
            _put(re, im, q + 7 * step, _turned(y7, plan, 7 * p + 6))
    elif radix == 4:
        for p in range(m):
            q = p + (p >> plan.shift)
            y0, y1, y2, y3 = _dft4(
                _sample(source, offsets, window, p),
                _sample(source, offsets, window, p + m),
                _sample(source, offsets, window, p + 2 * m),
                _sample(source, offsets, window, p + 3 * m),
            )
            _put(re, im, q, y0)
            _put(re, im, q + step, _turned(y1, plan, 3 * p))
            _put(re, im, q + 2 * step, _turned(y2, plan, 3 * p + 1))
            _put(re, im, q + 3 * step, _turned(y3, plan, 3 * p + 2))
    elif radix == 5:
        for p in range(m):
            q = p + (p >> plan.shift)
            y0, y1, y2, y3, y4 = _dft5(
                _sample(source, offsets, window, p),
                _sample(source, offsets, window, p + m),
                _sample(source, offsets, window, p + 2 * m),
                _sample(source, offsets, window, p + 3 * m),
                _sample(source, offsets, window, p + 4 * m),
            )
            _put(re, im, q, y0)
            _put(re, im, q + step, _turned(y1, plan, 4 * p))
            _put(re, im, q + 2 * step, _turned(y2, plan, 4 * p + 1))
            _put(re, im, q + 3 * step, _turned(y3, plan, 4 * p + 2))
            _put(re, im, q + 4 * step, _turned(y4, plan, 4 * p + 3))
    elif radix == 3:
        for p in range(m):
            q = p + (p >> plan.shift)
            y0, y1, y2 = _dft3(
                _sample(source, offsets, window, p),
                _sample(source, offsets, window, p + m),
                _sample(source, offsets, window, p + 2 * m),
            )
            _put(re, im, q, y0)
            _put(re, im, q + step, _turned(y1, plan, 2 * p))
            _put(re, im, q + 2 * step, _turned(y2, plan, 2 * p + 1))
    else:
        for p in range(m):
            q = p + (p >> plan.shift)
            y0, y1 = _dft2(_sample(source, offsets, window, p), _sample(source, offsets, window, p + m))
            _put(re, im, q, y0)
            _put(re, im, q + step, _turned(y1, plan, p))


@jit
def _passes(re, im, begin, end, plan):
    """Passes begin .. end - 1, in place."""
    n, o = plan.half, 0
    for i in range(end):
        radix = at(plan.radices, i)
        m = n // radix
        if i >= begin:
            if radix == 8:
                _pass8(re, im, n, m, o, plan)
            elif radix == 4:
                _pass4(re, im, n, m, o, plan)
            elif radix == 5:
                _pass5(re, im, n, m, o, plan)
            elif radix == 3:
                _pass3(re, im, n, m, o, plan)
            else:
                _pass2(re, im, n, m, o, plan)
        o += (radix - 1) * m
        n = m


@jit
def _pass2(re, im, n, m, o, plan):
    step = m + (m >> plan.shift)
    for p in range(m):
        for k in range(p, plan.half, n):
            q = k + (k >> plan.shift)
            y0, y1 = _dft2(_get(re, im, q), _get(re, im, q + step))
            _put(re, im, q, y0)
            _put(re, im, q + step, _turned(y1, plan, o + p))


@jit
def _pass3(re, im, n, m, o, plan):
    step = m + (m >> plan.shift)
    for p in range(m):
        for k in range(p, plan.half, n):
            q = k + (k >> plan.shift)
            y0, y1, y2 = _dft3(_get(re, im, q), _get(re, im, q + step), _get(re, im, q + 2 * step))
            _put(re, im, q, y0)
            _put(re, im, q + step, _turned(y1, plan, o + 2 * p))
            _put(re, im, q + 2 * step, _turned(y2, plan, o + 2 * p + 1))


@jit
def _pass4(re, im, n, m, o, plan):
    step = m + (m >> plan.shift)
    if m == 1:  # the last pass of most sizes, and its twiddles are all one
        for k in range(0, plan.half, 4):
            q = k + (k >> plan.shift)
            y0, y1, y2, y3 = _dft4(_get(re, im, q), _get(re, im, q + 1), _get(re, im, q + 2), _get(re, im, q + 3))
            _put(re, im, q, y0)
            _put(re, im, q + 1, y1)
            _put(re, im, q + 2, y2)
            _put(re, im, q + 3, y3)
        return
    for p in range(m):
        for k in range(p, plan.half, n):
            q = k + (k >> plan.shift)
            y0, y1, y2, y3 = _dft4(_get(re, im, q), _get(re, im, q + step), _get(re, im, q + 2 * step), _get(re, im, q + 3 * step))
            _put(re, im, q, y0)
            _put(re, im, q + step, _turned(y1, plan, o + 3 * p))
            _put(re, im, q + 2 * step, _turned(y2, plan, o + 3 * p + 1))
            _put(re, im, q + 3 * step, _turned(y3, plan, o + 3 * p + 2))


@jit
def _pass5(re, im, n, m, o, plan):
    step = m + (m >> plan.shift)
    for p in range(m):
        for k in range(p, plan.half, n):
            q = k + (k >> plan.shift)
            y0, y1, y2, y3, y4 = _dft5(
                _get(re, im, q), _get(re, im, q + step), _get(re, im, q + 2 * step), _get(re, im, q + 3 * step), _get(re, im, q + 4 * step)
            )
            _put(re, im, q, y0)
            _put(re, im, q + step, _turned(y1, plan, o + 4 * p))
            _put(re, im, q + 2 * step, _turned(y2, plan, o + 4 * p + 1))
            _put(re, im, q + 3 * step, _turned(y3, plan, o + 4 * p + 2))
            _put(re, im, q + 4 * step, _turned(y4, plan, o + 4 * p + 3))


@jit
def _pass8(re, im, n, m, o, plan):
    step = m + (m >> plan.shift)
    if m == 1:
        for k in range(0, plan.half, 8):
            q = k + (k >> plan.shift)
            y0, y1, y2, y3, y4, y5, y6, y7 = _dft8(
                _get(re, im, q),
                _get(re, im, q + 1),
                _get(re, im, q + 2),
                _get(re, im, q + 3),
                _get(re, im, q + 4),
                _get(re, im, q + 5),
                _get(re, im, q + 6),
                _get(re, im, q + 7),
            )
            _put(re, im, q, y0)
            _put(re, im, q + 1, y1)
            _put(re, im, q + 2, y2)
            _put(re, im, q + 3, y3)
            _put(re, im, q + 4, y4)
            _put(re, im, q + 5, y5)
            _put(re, im, q + 6, y6)
            _put(re, im, q + 7, y7)
        return
    for p in range(m):
        for k in range(p, plan.half, n):
            q = k + (k >> plan.shift)
            y0, y1, y2, y3, y4, y5, y6, y7 = _dft8(
                _get(re, im, q),
                _get(re, im, q + step),
                _get(re, im, q + 2 * step),
                _get(re, im, q + 3 * step),
                _get(re, im, q + 4 * step),
                _get(re, im, q + 5 * step),
                _get(re, im, q + 6 * step),
                _get(re, im, q + 7 * step),
            )
            _put(re, im, q, y0)
            _put(re, im, q + step, _turned(y1, plan, o + 7 * p))
            _put(re, im, q + 2 * step, _turned(y2, plan, o + 7 * p + 1))
            _put(re, im, q + 3 * step, _turned(y3, plan, o + 7 * p + 2))
            _put(re, im, q + 4 * step, _turned(y4, plan, o + 7 * p + 3))
            _put(re, im, q + 5 * step, _turned(y5, plan, o + 7 * p + 4))
            _put(re, im, q + 6 * step, _turned(y6, plan, o + 7 * p + 5))
            _put(re, im, q + 7 * step, _turned(y7, plan, o + 7 * p + 6))
