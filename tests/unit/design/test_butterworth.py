"""Butterworth designs are scipy's; impossible ones are refused."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.signal

from kwsfeat import ConfigError, butter_sos


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
