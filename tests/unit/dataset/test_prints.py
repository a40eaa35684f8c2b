"""The numbers by which copies of a recording are found."""

from __future__ import annotations

import numpy as np
import pytest

from kwsfeat.dataset.block import _prints


@pytest.mark.parametrize("n_samples", [1, 100, 1000, 16000])
def test_equal_rows_have_equal_prints_wherever_they_stand(n_samples: int) -> None:
    rng = np.random.default_rng(n_samples)
    audio = rng.integers(-32768, 32768, (300, n_samples)).astype(np.int16)
    audio[7] = audio[250]
    prints = _prints(audio)
    assert prints.dtype == np.uint64
    assert prints[7] == prints[250]
    assert len(set(prints.tolist())) == len({row.tobytes() for row in audio})
    np.testing.assert_array_equal(_prints(audio[200:]), prints[200:])


def test_silence_has_none_and_one_sample_makes_another() -> None:
    audio = np.zeros((3, 16000), np.int16)
    audio[1, 31] = 1  # every thirty-first sample counts
    audio[2, 31] = -1
    prints = _prints(audio).tolist()
    assert prints[0] == 0
    assert len(set(prints)) == 3
