"""How TensorFlow Lite's reference kernels, those of microcontrollers, come from 32 bits back to 8: gemmlowp's two roundings."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

MANTISSA_BITS = 12  # of a scale: the product of two is then exact in float32, in which some runtimes compute it


def as_multiplier(real: float) -> tuple[int, int]:
    """A factor > 0 as whole number in 2**-31, from 2**30 on, and how often that is doubled."""
    mantissa, shift = math.frexp(real)
    whole = math.floor(mantissa * (1 << 31) + 0.5)
    return (whole >> 1, shift + 1) if whole == 1 << 31 else (whole, shift)


def short(scale: float) -> float:
    """The next number from `scale` > 0 on whose mantissa has MANTISSA_BITS bits."""
    mantissa, exponent = math.frexp(scale)
    return math.ldexp(math.ceil(mantissa * (1 << MANTISSA_BITS)), exponent - MANTISSA_BITS)


def requantised(total: Ints, multiplier: Ints, shift: Ints) -> Ints:
    """``total * multiplier * 2**(shift - 31)``, rounded as MultiplyByQuantizedMultiplier does: twice, halves away from zero.

    Parameters
    ----------
    total : ndarray of int64, shape (..., n)
        Sums of 32 bits.
    multiplier, shift : ndarray of int64, shape (n,)
        As :func:`as_multiplier` gives them.
    """
    product = (total << np.maximum(shift, 0)) * multiplier
    nudged = product + np.where(product >= 0, 1 << 30, 1 - (1 << 30))
    high = np.where(nudged >= 0, nudged >> 31, -(-nudged >> 31))  # C divides towards zero
    right = np.maximum(-shift, 0)
    mask = (np.int64(1) << right) - 1
    rounded: Ints = (high >> right) + ((high & mask) > (mask >> 1) + (high < 0))
    return rounded
