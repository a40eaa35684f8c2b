"""The cosine transform against scipy, the lifter against its formula."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.fft

from kwsfeat.design.dct import dct_matrix, lifter_weights


@pytest.mark.parametrize(("norm", "scipys"), [("ortho", "ortho"), ("none", None)])
@pytest.mark.parametrize(("n_mfcc", "n_mels"), [(1, 1), (13, 40), (40, 40)])
def test_rows_are_scipys(norm, scipys, n_mfcc, n_mels):
    exact = scipy.fft.dct(np.eye(n_mels), type=2, norm=scipys, axis=0)[:n_mfcc]
    np.testing.assert_allclose(dct_matrix(n_mfcc, n_mels, norm), exact, atol=1e-12)


def test_htk_scales_every_row_alike():
    ortho, htk = dct_matrix(13, 26, "ortho"), dct_matrix(13, 26, "htk")
    np.testing.assert_allclose(htk[0], np.sqrt(2) * ortho[0])
    np.testing.assert_array_equal(htk[1:], ortho[1:])


def test_lifters_of_the_two_libraries_are_one_step_apart():
    htk, librosa = lifter_weights(23, 22.0, "htk"), lifter_weights(22, 22.0, "librosa")
    assert htk[0] == 1.0
    assert htk[11] == pytest.approx(12.0)  # the top of the sine
    np.testing.assert_allclose(htk[1:], librosa)
    np.testing.assert_array_equal(lifter_weights(5, 0.0), np.ones(5))
