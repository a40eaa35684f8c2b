"""How loud a clip is."""

from __future__ import annotations

import numpy as np
import pytest

from kwsfeat.kernels.waveform.level import mean_square, peak


@pytest.mark.parametrize("n", [0, 1, 7, 16, 33, 5000])
def test_peak_and_mean_square_are_numpys(n):
    y = np.random.default_rng(n).standard_normal(n).astype(np.float32)
    assert peak(y) == np.abs(y).max(initial=0)
    if n:
        assert mean_square(y) == pytest.approx(np.mean(y.astype(np.float64) ** 2), rel=1e-6)


@pytest.mark.parametrize("position", [0, 15, 16, 40])
def test_a_sample_that_is_no_number_is_seen_wherever_it_stands(position):
    y = np.ones(41, np.float32)
    for value in (np.nan, np.inf, -np.inf):
        y[position] = value
        assert not np.isfinite(peak(y))
