"""Discrete Fourier transforms of 2, 3, 4, 5 and 8 complex vectors in registers; a complex vector is a pair (real, imaginary).

Formulas: Nussbaumer, Fast Fourier Transform and Convolution Algorithms, section 5.5.
"""

import numpy as np

from kwsfeat.kernels._jit import inlined
from kwsfeat.kernels.simd import splat

f32 = np.float32


@inlined
def dft2(a, b):
    return (a[0] + b[0], a[1] + b[1]), (a[0] - b[0], a[1] - b[1])


@inlined
def dft3(a, b, c):
    half, s = splat(f32(0.5)), splat(f32(0.8660254037844386))
    tr, ti = b[0] + c[0], b[1] + c[1]
    ur, ui = s * (b[0] - c[0]), s * (b[1] - c[1])
    mr, mi = a[0] - half * tr, a[1] - half * ti
    return (a[0] + tr, a[1] + ti), (mr + ui, mi - ur), (mr - ui, mi + ur)


@inlined
def dft4(a, b, c, d):
    sr, si, tr, ti = a[0] + c[0], a[1] + c[1], a[0] - c[0], a[1] - c[1]
    ur, ui, vr, vi = b[0] + d[0], b[1] + d[1], b[0] - d[0], b[1] - d[1]
    return (sr + ur, si + ui), (tr + vi, ti - vr), (sr - ur, si - ui), (tr - vi, ti + vr)


@inlined
def dft5(a, b, c, d, e):
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
def dft8(a, b, c, d, e, f, g, h):
    s = splat(f32(0.7071067811865476))
    p0, p1, p2, p3 = dft4(a, c, e, g)
    q0, q1, q2, q3 = dft4(b, d, f, h)
    q1 = s * (q1[0] + q1[1]), s * (q1[1] - q1[0])
    q2 = q2[1], splat(f32(0)) - q2[0]
    q3 = s * (q3[1] - q3[0]), splat(f32(0)) - s * (q3[0] + q3[1])
    y0, y4 = dft2(p0, q0)
    y1, y5 = dft2(p1, q1)
    y2, y6 = dft2(p2, q2)
    y3, y7 = dft2(p3, q3)
    return y0, y1, y2, y3, y4, y5, y6, y7
