"""What the integer front end runs on: its tables, and memory for LANES frames."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kwsfeat.kernels._jit import LANES

N_FFT = 512
HALF = N_FFT // 2
Ints = NDArray[np.int32]


class MicroPlan(NamedTuple):
    """Tables; read-only and shared by all threads."""

    hop: int
    window: Ints  # coefficients in 2**-16 as pairs of int16, which wrap; zeros after them, up to a multiple of LANES pairs
    window_whole: Ints  # pairs of -1 for coefficients of a half and more, else 0: 1 more than what wrapped
    order: Ints  # (HALF,) where the FFT wants complex point k
    turns: Ints  # (HALF * 2,) exp(-2 pi i k / HALF) in 2**-15: the pairs (cos, -sin) and (sin, cos)
    real_turns: Ints  # (HALF * 2,) exp(-pi i (k / HALF + 1 / 2))
    band_first: Ints  # (n_bands + 1,) first bin of each part of the axis
    band_count: Ints  # (n_bands + 1,)
    band_up: NDArray[np.float64]  # weights, in 2**-12, in the band that ends with the part; one part after the other
    band_down: NDArray[np.float64]  # and in the one that begins with it
    smoothing: Ints  # (n_lanes,) of each band's noise, in 2**-14; n_lanes is n_bands up to a multiple of LANES
    gain: Ints  # (33,) for noise of so many bits: gain in the lower 16 bits, its slope in the upper
    gain_bend: Ints  # (33,) and its curvature
    log: Ints  # (128,) what log2(1 + k / 128) is above its chord, in 2**-16, and its rise in the upper 16 bits


class MicroScratch(NamedTuple):
    """Memory of one thread; build with :func:`micro_scratch`."""

    samples: NDArray[np.int16]  # of LANES frames at the end of a signal
    frames: Ints  # (window.size * LANES,)
    points: Ints  # (HALF * LANES,)
    energy: Ints  # ((HALF + 1) * LANES,)
    levels: Ints  # (n_lanes * LANES,): band by band
    rows: Ints  # (LANES * n_lanes,): frame by frame
    shift: Ints  # (LANES,) of each frame


def micro_scratch(plan: MicroPlan) -> MicroScratch:
    """Memory for `plan`."""
    n_lanes = plan.smoothing.size
    return MicroScratch(
        samples=np.zeros((LANES - 1) * plan.hop + 2 * plan.window.size, np.int16),
        frames=np.zeros(plan.window.size * LANES, np.int32),
        points=np.zeros(HALF * LANES, np.int32),
        energy=np.zeros((HALF + 1) * LANES, np.int32),
        levels=np.zeros(n_lanes * LANES, np.int32),
        rows=np.zeros(LANES * n_lanes, np.int32),
        shift=np.zeros(LANES, np.int32),
    )
