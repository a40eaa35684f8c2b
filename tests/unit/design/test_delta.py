"""Slopes of lines and parabolas are exact, inside and at the ends."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.signal

from kwsfeat.design.delta import delta_weights, htk_weights, savgol_weights


@pytest.mark.parametrize("width", [3, 5, 9])
@pytest.mark.parametrize("order", [1, 2])
def test_weights_are_scipys(width, order):
    for position in range(width):
        exact = scipy.signal.savgol_coeffs(width, order, deriv=order, pos=position, use="dot")
        np.testing.assert_allclose(savgol_weights(width, order, position), exact, atol=1e-12)


def test_the_slope_of_a_line_and_the_curvature_of_a_parabola():
    t = np.arange(9.0)
    assert htk_weights(9) @ (3 * t - 1) == pytest.approx(3)
    assert savgol_weights(9, 1, 4) @ (3 * t - 1) == pytest.approx(3)
    assert savgol_weights(9, 2, 0) @ (3 * t**2 + t) == pytest.approx(6)


def test_shapes_of_both_kinds():
    weights, ends = delta_weights(9, "librosa")
    assert (weights.shape, ends.shape) == ((2, 9), (2, 9, 8))
    np.testing.assert_array_equal(ends[1, :, 0], savgol_weights(9, 2, 0))
    np.testing.assert_array_equal(ends[1, :, -1], savgol_weights(9, 2, 8))
    weights, ends = delta_weights(5, "htk")
    assert ends.shape == (2, 5, 0)
    np.testing.assert_array_equal(weights, np.stack([htk_weights(5)] * 2))
