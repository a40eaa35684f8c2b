"""The passes of the complex FFT over a buffer of vectors: decimation in frequency, in place, one radix a pass."""

from kwsfeat.kernels._jit import LANES, inlined, stage
from kwsfeat.kernels.fft.dft import dft2, dft3, dft4, dft5, dft8
from kwsfeat.kernels.simd import at, broadcast, load, store


@stage
def windowed_first_pass(source, offsets, window, re, im, radix, plan):
    """The first pass reads the signal itself: windowing costs no pass over memory of its own."""
    m = plan.half // radix
    step = m + (m >> plan.shift)
    if radix == 8:
        for p in range(m):
            q = p + (p >> plan.shift)
            y0, y1, y2, y3, y4, y5, y6, y7 = dft8(
                _sample(source, offsets, window, p),
                _sample(source, offsets, window, p + m),
                _sample(source, offsets, window, p + 2 * m),
                _sample(source, offsets, window, p + 3 * m),
                _sample(source, offsets, window, p + 4 * m),
                _sample(source, offsets, window, p + 5 * m),
                _sample(source, offsets, window, p + 6 * m),
                _sample(source, offsets, window, p + 7 * m),
            )
            put(re, im, q, y0)
            put(re, im, q + step, _turned(y1, plan, 7 * p))
            put(re, im, q + 2 * step, _turned(y2, plan, 7 * p + 1))
            put(re, im, q + 3 * step, _turned(y3, plan, 7 * p + 2))
            put(re, im, q + 4 * step, _turned(y4, plan, 7 * p + 3))
            put(re, im, q + 5 * step, _turned(y5, plan, 7 * p + 4))
            put(re, im, q + 6 * step, _turned(y6, plan, 7 * p + 5))
            put(re, im, q + 7 * step, _turned(y7, plan, 7 * p + 6))
    elif radix == 4:
        for p in range(m):
            q = p + (p >> plan.shift)
            y0, y1, y2, y3 = dft4(
                _sample(source, offsets, window, p),
                _sample(source, offsets, window, p + m),
                _sample(source, offsets, window, p + 2 * m),
                _sample(source, offsets, window, p + 3 * m),
            )
            put(re, im, q, y0)
            put(re, im, q + step, _turned(y1, plan, 3 * p))
            put(re, im, q + 2 * step, _turned(y2, plan, 3 * p + 1))
            put(re, im, q + 3 * step, _turned(y3, plan, 3 * p + 2))
    elif radix == 5:
        for p in range(m):
            q = p + (p >> plan.shift)
            y0, y1, y2, y3, y4 = dft5(
                _sample(source, offsets, window, p),
                _sample(source, offsets, window, p + m),
                _sample(source, offsets, window, p + 2 * m),
                _sample(source, offsets, window, p + 3 * m),
                _sample(source, offsets, window, p + 4 * m),
            )
            put(re, im, q, y0)
            put(re, im, q + step, _turned(y1, plan, 4 * p))
            put(re, im, q + 2 * step, _turned(y2, plan, 4 * p + 1))
            put(re, im, q + 3 * step, _turned(y3, plan, 4 * p + 2))
            put(re, im, q + 4 * step, _turned(y4, plan, 4 * p + 3))
    elif radix == 3:
        for p in range(m):
            q = p + (p >> plan.shift)
            y0, y1, y2 = dft3(
                _sample(source, offsets, window, p),
                _sample(source, offsets, window, p + m),
                _sample(source, offsets, window, p + 2 * m),
            )
            put(re, im, q, y0)
            put(re, im, q + step, _turned(y1, plan, 2 * p))
            put(re, im, q + 2 * step, _turned(y2, plan, 2 * p + 1))
    else:
        for p in range(m):
            q = p + (p >> plan.shift)
            y0, y1 = dft2(_sample(source, offsets, window, p), _sample(source, offsets, window, p + m))
            put(re, im, q, y0)
            put(re, im, q + step, _turned(y1, plan, p))


@stage
def run_passes(re, im, begin, end, plan):
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


@stage
def _pass2(re, im, n, m, o, plan):
    step = m + (m >> plan.shift)
    for p in range(m):
        for k in range(p, plan.half, n):
            q = k + (k >> plan.shift)
            y0, y1 = dft2(get(re, im, q), get(re, im, q + step))
            put(re, im, q, y0)
            put(re, im, q + step, _turned(y1, plan, o + p))


@stage
def _pass3(re, im, n, m, o, plan):
    step = m + (m >> plan.shift)
    for p in range(m):
        for k in range(p, plan.half, n):
            q = k + (k >> plan.shift)
            y0, y1, y2 = dft3(get(re, im, q), get(re, im, q + step), get(re, im, q + 2 * step))
            put(re, im, q, y0)
            put(re, im, q + step, _turned(y1, plan, o + 2 * p))
            put(re, im, q + 2 * step, _turned(y2, plan, o + 2 * p + 1))


@stage
def _pass4(re, im, n, m, o, plan):
    step = m + (m >> plan.shift)
    if m == 1:  # the last pass of most sizes, and its twiddles are all one
        for k in range(0, plan.half, 4):
            q = k + (k >> plan.shift)
            y0, y1, y2, y3 = dft4(get(re, im, q), get(re, im, q + 1), get(re, im, q + 2), get(re, im, q + 3))
            put(re, im, q, y0)
            put(re, im, q + 1, y1)
            put(re, im, q + 2, y2)
            put(re, im, q + 3, y3)
        return
    for p in range(m):
        for k in range(p, plan.half, n):
            q = k + (k >> plan.shift)
            y0, y1, y2, y3 = dft4(get(re, im, q), get(re, im, q + step), get(re, im, q + 2 * step), get(re, im, q + 3 * step))
            put(re, im, q, y0)
            put(re, im, q + step, _turned(y1, plan, o + 3 * p))
            put(re, im, q + 2 * step, _turned(y2, plan, o + 3 * p + 1))
            put(re, im, q + 3 * step, _turned(y3, plan, o + 3 * p + 2))


@stage
def _pass5(re, im, n, m, o, plan):
    step = m + (m >> plan.shift)
    for p in range(m):
        for k in range(p, plan.half, n):
            q = k + (k >> plan.shift)
            y0, y1, y2, y3, y4 = dft5(
                get(re, im, q), get(re, im, q + step), get(re, im, q + 2 * step), get(re, im, q + 3 * step), get(re, im, q + 4 * step)
            )
            put(re, im, q, y0)
            put(re, im, q + step, _turned(y1, plan, o + 4 * p))
            put(re, im, q + 2 * step, _turned(y2, plan, o + 4 * p + 1))
            put(re, im, q + 3 * step, _turned(y3, plan, o + 4 * p + 2))
            put(re, im, q + 4 * step, _turned(y4, plan, o + 4 * p + 3))


@stage
def _pass8(re, im, n, m, o, plan):
    step = m + (m >> plan.shift)
    if m == 1:
        for k in range(0, plan.half, 8):
            q = k + (k >> plan.shift)
            y0, y1, y2, y3, y4, y5, y6, y7 = dft8(
                get(re, im, q),
                get(re, im, q + 1),
                get(re, im, q + 2),
                get(re, im, q + 3),
                get(re, im, q + 4),
                get(re, im, q + 5),
                get(re, im, q + 6),
                get(re, im, q + 7),
            )
            put(re, im, q, y0)
            put(re, im, q + 1, y1)
            put(re, im, q + 2, y2)
            put(re, im, q + 3, y3)
            put(re, im, q + 4, y4)
            put(re, im, q + 5, y5)
            put(re, im, q + 6, y6)
            put(re, im, q + 7, y7)
        return
    for p in range(m):
        for k in range(p, plan.half, n):
            q = k + (k >> plan.shift)
            y0, y1, y2, y3, y4, y5, y6, y7 = dft8(
                get(re, im, q),
                get(re, im, q + step),
                get(re, im, q + 2 * step),
                get(re, im, q + 3 * step),
                get(re, im, q + 4 * step),
                get(re, im, q + 5 * step),
                get(re, im, q + 6 * step),
                get(re, im, q + 7 * step),
            )
            put(re, im, q, y0)
            put(re, im, q + step, _turned(y1, plan, o + 7 * p))
            put(re, im, q + 2 * step, _turned(y2, plan, o + 7 * p + 1))
            put(re, im, q + 3 * step, _turned(y3, plan, o + 7 * p + 2))
            put(re, im, q + 4 * step, _turned(y4, plan, o + 7 * p + 3))
            put(re, im, q + 5 * step, _turned(y5, plan, o + 7 * p + 4))
            put(re, im, q + 6 * step, _turned(y6, plan, o + 7 * p + 5))
            put(re, im, q + 7 * step, _turned(y7, plan, o + 7 * p + 6))


@inlined
def get(re, im, k):
    return load(re, k * LANES), load(im, k * LANES)


@inlined
def put(re, im, k, z):
    store(re, k * LANES, z[0])
    store(im, k * LANES, z[1])


@inlined
def _turned(z, plan, o):
    """z times twiddle o."""
    wr, wi = broadcast(plan.twiddle_re, o), broadcast(plan.twiddle_im, o)
    return z[0] * wr - z[1] * wi, z[0] * wi + z[1] * wr


@inlined
def _sample(source, offsets, window, k):
    """Complex point k of the windowed frames: samples 2k and 2k + 1."""
    even = load(source, at(offsets, 2 * k)) * broadcast(window, 2 * k)
    return even, load(source, at(offsets, 2 * k + 1)) * broadcast(window, 2 * k + 1)
