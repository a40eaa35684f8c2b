"""A room is a convolution with its response, at the level of the clip."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.signal

from kwsfeat.augment import Room


@pytest.mark.parametrize("shape", [(1,), (999,), (16000,), (3, 4001)])
def test_a_room_is_a_convolution_at_the_level_of_the_clip(shape):
    rng = np.random.default_rng(len(shape))
    y = (0.1 * rng.standard_normal(shape)).astype(np.float32)
    drawn = {"rt60_ms": 150.0, "direct_db": 4.0, "seed": 7}
    response = Room()._synthetic(drawn)
    response = response.reshape((1,) * (len(shape) - 1) + (-1,))
    heard = scipy.signal.fftconvolve(y.astype(np.float64), response, axes=-1)[..., : shape[-1]]
    heard *= np.sqrt((y.astype(np.float64) ** 2).sum(-1, keepdims=True) / (heard**2).sum(-1, keepdims=True))
    np.testing.assert_allclose(Room().apply(y, drawn), heard, atol=2e-6)
