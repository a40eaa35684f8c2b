"""A clip's dither is drawn from (seed, row) alone: not from its place in a batch, a block or a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from strategies import noise_clip

import kwsfeat.dataset.writer
from kwsfeat import AudioError, FeatureConfig, FrontEnd, Reader
from kwsfeat.pipeline.arrays import write_file

PLAIN = FeatureConfig(n_samples=3000, n_mels=10)
CONFIG = replace(PLAIN, dither=1e-2)
N_CLIPS = 21
CLIPS = np.stack([np.rint(32768 * noise_clip(3000, seed)).clip(-32768, 32767).astype(np.int16) for seed in range(N_CLIPS)])


def test_dither_is_seeded_and_off_by_default():
    silent = np.zeros((3, 3000), np.float32)
    front_end = FrontEnd(CONFIG)
    first = front_end.extract_batch(silent, seed=1)
    np.testing.assert_array_equal(front_end.extract_batch(silent, seed=1), first)
    assert not np.array_equal(front_end.extract_batch(silent, seed=2), first)
    assert not np.array_equal(first[0], first[1])
    np.testing.assert_allclose(FrontEnd(PLAIN).extract_batch(silent), np.log(1e-10), rtol=2e-7)


@pytest.mark.parametrize("lowpass_hz", [None, 3000.0])
def test_a_row_has_the_same_dither_in_whatever_batch_it_comes(lowpass_hz):
    front_end = FrontEnd(replace(CONFIG, lowpass_hz=lowpass_hz))
    whole = front_end.extract_batch(CLIPS, seed=7)
    np.testing.assert_array_equal(front_end.extract_batch(CLIPS, seed=7, threads=3), whole)
    for cut in (1, 16, 20):
        pieces = [front_end.extract_batch(CLIPS[part], seed=7, rows=np.arange(N_CLIPS)[part]) for part in (slice(cut), slice(cut, None))]
        np.testing.assert_array_equal(np.concatenate(pieces), whole)
    order = np.random.default_rng(0).permutation(N_CLIPS)
    np.testing.assert_array_equal(front_end.extract_batch(CLIPS[order], seed=7, rows=order), whole[order])
    np.testing.assert_array_equal(front_end.extract(CLIPS[0], seed=7), whole[0])


def test_the_noise_is_that_of_default_rng():
    """So that anybody can make it again: Gaussian, float32, of (seed, row)."""
    front_end, y = FrontEnd(CONFIG), noise_clip(3000, 0)
    noisy = y + np.float32(1e-2) * np.random.default_rng((7, 5)).standard_normal(3000, np.float32)
    np.testing.assert_array_equal(front_end.extract_batch(y[None], seed=7, rows=[5])[0], FrontEnd(PLAIN).extract(noisy))
    np.testing.assert_array_equal(front_end.extract_batch(y[None], seed=(7,), rows=[5]), front_end.extract_batch(y[None], seed=7, rows=[5]))
    with pytest.raises(AudioError, match=r"rows has shape \(2,\) and must have one number for each of 1 clips"):
        front_end.extract_batch(y[None], rows=[0, 1])


@pytest.mark.parametrize("block_rows", [4, 8, 64])
def test_a_file_has_the_same_dither_for_any_size_of_its_blocks(block_rows: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(kwsfeat.dataset.writer, "_BLOCK_ROWS", block_rows)
    path = tmp_path / "dithered.h5"
    write_file(
        path, audio=CLIPS, length=[3000] * N_CLIPS, label=[0] * N_CLIPS, split=["train"] * N_CLIPS, labels=["a"],
        configs={"mel": CONFIG}, seed=11,
    )  # fmt: skip
    with Reader(path) as reader:
        np.testing.assert_array_equal(reader.features("mel"), FrontEnd(CONFIG).extract_batch(CLIPS, seed=11))
