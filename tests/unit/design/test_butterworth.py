"""Butterworth designs are scipy's; impossible ones are refused."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st

from kwsfeat import ConfigError, butter_sos
from kwsfeat.design.butterworth import even_sos


def test_design_is_scipys():
    np.testing.assert_array_equal(butter_sos(35, 3000, sr=16000), scipy.signal.butter(35, 3000 / 8000, output="sos"))
    band = butter_sos(4, (300.0, 3400.0), sr=16000, btype="bandpass")
    np.testing.assert_array_equal(band, scipy.signal.butter(4, (300, 3400), "bandpass", fs=16000, output="sos"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 3000.0), "order=0 must be >= 1"),
        ((4, 8000.0), "must lie between 0 and sr / 2 = 8000"),
        ((4, -1.0), "must lie between 0"),
        ((4, (300.0, 200.0)), "does not fit"),
    ],
)
def test_impossible_designs_are_refused(arguments, message):
    with pytest.raises(ConfigError, match=message):
        butter_sos(*arguments, sr=16000)


@settings(max_examples=200)
@given(st.integers(1, 6), st.floats(20.0, 7000.0), st.floats(1.02, 3.0))
def test_the_quick_design_of_an_even_order_is_the_same(half, hz, ratio):
    order, top = 2 * half, min(hz * ratio, 7900.0)
    np.testing.assert_allclose(even_sos(order, (hz,), sr=16000), butter_sos(order, hz, sr=16000), rtol=1e-9, atol=1e-12)
    stop = butter_sos(order, (hz, top), sr=16000, btype="bandstop")
    quick = even_sos(order, (hz, top), sr=16000)
    np.testing.assert_allclose(quick[:, :3], stop[:, :3], rtol=1e-7, atol=1e-12)
    for frequency in (0.0, hz, (hz * top) ** 0.5, top, 7999.0):  # sections whose poles are as far from the circle stand in either order
        z = np.exp(2j * np.pi * frequency / 16000)
        expected, response = (np.prod([np.polyval(s[:3], z) / np.polyval(s[3:], z) for s in sos]) for sos in (stop, quick))
        assert abs(expected - response) < 1e-6
