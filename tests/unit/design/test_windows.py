"""Windows against scipy, their place in the frame, and the norms of the spectrum."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.signal

from kwsfeat import ConfigError, analysis_window
from kwsfeat.design.pcen import pcen_smoothing
from kwsfeat.design.windows import power_scale, window_in_frame


@pytest.mark.parametrize(
    ("ours", "scipys", "periodic"),
    [
        ("hann", "hann", True),
        ("hann-symmetric", "hann", False),
        ("hamming", "hamming", True),
        ("hamming-symmetric", "hamming", False),
        ("blackman", "blackman", True),
        ("rectangular", "boxcar", True),
    ],
)
@pytest.mark.parametrize("win_length", [1, 2, 5, 400])
def test_windows_are_scipys(ours, scipys, periodic, win_length):
    np.testing.assert_allclose(analysis_window(ours, win_length), scipy.signal.get_window(scipys, win_length, fftbins=periodic), atol=1e-12)


def test_unknown_names_and_lengths_are_refused():
    with pytest.raises(ConfigError, match="window='han' must be one of hann,"):
        analysis_window("han", 5)
    with pytest.raises(ConfigError, match="win_length=0 must be >= 1"):
        analysis_window("hann", 0)


def test_a_window_lies_in_the_middle_or_at_the_beginning_of_its_frame():
    ones = np.ones(3)
    assert window_in_frame(ones, 8).tolist() == [0, 0, 1, 1, 1, 0, 0, 0]
    assert window_in_frame(ones, 8, "left").tolist() == [1, 1, 1, 0, 0, 0, 0, 0]


def test_the_density_is_scipys():
    y = np.random.default_rng(0).standard_normal(256)
    window = analysis_window("hann", 256)
    _, exact = scipy.signal.periodogram(y, 16000, window, detrend=False)
    ours = power_scale("density", window, n_fft=256, sr=16000) * np.abs(np.fft.rfft(window * y)) ** 2
    ours[[0, -1]] /= 2
    np.testing.assert_allclose(ours, exact)


def test_the_other_norms():
    window = np.array([1.0, 2.0, 2.0])
    norms = {norm: power_scale(norm, window, n_fft=4, sr=1) for norm in ("none", "window", "win_length", "n_fft")}
    assert norms == {"none": 1, "window": 1 / 9, "win_length": 1 / 3, "n_fft": 1 / 4}


def test_pcens_smoother_forgets_in_its_time_constant():
    """librosa's 0.4 s at 512 samples of 22,050 Hz: T = 17.2 frames."""
    assert pcen_smoothing(0.4, sr=22050, hop_length=512) == pytest.approx((np.sqrt(1 + 4 * 17.2265625**2) - 1) / (2 * 17.2265625**2))
    assert pcen_smoothing(1e-4, sr=16000, hop_length=160) > 0.98
