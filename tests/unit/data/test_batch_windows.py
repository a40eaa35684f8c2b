"""A split that is larger than memory: batches of windows, whatever reads them, and what is read before it is used."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_features import CONFIG, write_toy

pytest.importorskip("jax")

from kwsfeat import Reader
from kwstrain.config import TrainConfig
from kwstrain.data.ahead import ReadAhead
from kwstrain.data.batches import in_batches
from kwstrain.data.clips import select
from kwstrain.data.order import Windows, windowed_order
from kwstrain.data.source import stored

ROW_BYTES = 4 * CONFIG.n_frames * CONFIG.shape[1]


@given(st.integers(1, 300), st.integers(1, 40), st.integers(1, 30), st.integers(1, 9), st.integers(0, 3))
def test_every_clip_comes_once_an_epoch(n: int, batch: int, piece: int, steps: int, seed: int) -> None:
    clips, windows = np.arange(n) * 3, Windows(piece, steps)
    drawn = windowed_order(clips, batch, windows, np.random.default_rng(seed))
    np.testing.assert_array_equal(np.sort(drawn), clips)
    np.testing.assert_array_equal(drawn, windowed_order(clips, batch, windows, np.random.default_rng(seed)))


def test_a_window_holds_few_pieces_and_a_process_reads_its_own() -> None:
    """Of 6,400 clips in pieces of 10, a window of 8 steps of 40 clips is 32 pieces, of which each of four processes reads 8."""
    steps = windowed_order(np.arange(6400), 40, Windows(10, 8), np.random.default_rng(0)).reshape(160, 40)
    everything = set()
    for window in np.split(steps, 20):
        pieces = np.unique(window // 10)
        assert len(pieces) == 32
        assert np.ptp(pieces) > 320  # from all over the split
        own = [set(np.unique(part // 10).tolist()) for part in np.split(window, 4, axis=1)]
        assert [len(one) for one in own] == [8] * 4
        assert set.union(*own) == set(pieces.tolist())
        everything |= set(pieces.tolist())
    assert len(everything) == 640
    other = windowed_order(np.arange(6400), 40, Windows(10, 8), np.random.default_rng(1)).reshape(160, 40)
    assert set(np.unique(other[:8] // 10)) != set(np.unique(steps[:8] // 10))


def test_batches_mix_classes_that_lie_apart() -> None:
    """As in a folder for each word: 10 classes one after the other. The share of each in a batch is about that in the whole."""
    steps = windowed_order(np.arange(64_000), 64, Windows(64, 100), np.random.default_rng(0)).reshape(-1, 64) // 6400
    share = np.stack([(steps == label).mean(axis=1) for label in range(10)])
    assert np.abs(share - 0.1).mean() < 0.04  # 0.030 when each clip is drawn by itself


def test_only_what_fits_no_memory_is_windowed() -> None:
    assert Windows.of(250_000, 16_000, 64) is None
    assert Windows.of(300_000, 16_000, 64) == Windows(65, 131)
    assert Windows.of(1000, 1 << 30, 8) == Windows(1, 1)


class Recorder:
    """Stands for a reader: what is asked of it, and when."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, slice]] = []
        self.step = self.released = 0

    def read_ahead(self, path: str, rows: slice) -> None:
        assert path == "audio"
        self.asked.append((self.step, rows))

    def release(self) -> None:
        self.released += 1


@pytest.mark.parametrize("dispatch", [1, 3, 8, 100])
def test_pieces_are_asked_for_one_window_before_they_are_used(dispatch: int) -> None:
    split = np.arange(2000)[np.arange(2000) % 10 < 8]  # the others are of another split
    steps, windows, reader = 5, Windows(16, 5), Recorder()
    batches = in_batches(windowed_order(np.arange(1600), 32, windows, np.random.default_rng(0)), 32)
    reading = ReadAhead(reader, "audio", split, windows)
    reading.begin(batches.rows)
    known: set[int] = set()
    for reader.step in range(0, 50, dispatch):
        reading.advance(reader.step + dispatch)
        known |= {row for _, rows in reader.asked for row in range(rows.start, rows.stop)}
        assert set(split[batches.rows[reader.step : reader.step + dispatch]].ravel()) <= known
        windows_asked = -(-min(50, reader.step + dispatch + steps) // steps)
        assert len(known) <= windows_asked * 10 * 16 * 10 / 8 + 4 * windows_asked
    assert reader.released == 10
    assert len(reader.asked) <= 10 * 11  # a piece is one read


def test_what_was_read_is_released(tmp_path: Path) -> None:
    with Reader(write_toy(tmp_path / "one.h5")) as reader:
        reader.release()  # nothing is held yet
        before = reader.audio[5:9].copy()
        reader.release()
        np.testing.assert_array_equal(reader.audio[5:9], before)
        assert stored(select(reader, "toy", reader.rows("train")), TrainConfig(), "off") == ("features/toy", ROW_BYTES)
