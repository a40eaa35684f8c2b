"""Fresh augmentation: the same for anybody who asks with the same (seed, epoch, row), and never twice the same."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from kwsfeat import FeatureConfig, FreshFeatures, FrontEnd, Reader
from kwsfeat.augment import Noise, augmented
from kwsfeat.errors import ConfigError, StoreError
from kwsfeat.pipeline.arrays import write_file

CONFIG = FeatureConfig(n_mels=20)


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    rng = np.random.default_rng(0)
    n = 40
    audio = (rng.standard_normal((n, 16000)) * 2000).astype(np.int16)
    length = rng.integers(8000, 16001, n).astype(np.int32)
    length[::3] = 16000
    for y, k in zip(audio, length, strict=True):
        y[k:] = 0
    source = [f"yes/{i}.wav" for i in range(n - 6)] + ["_background_noise_/hum.wav"] * 6
    path = tmp_path_factory.mktemp("fresh") / "small.h5"
    write_file(
        path,
        audio=audio,
        length=length,
        label=np.arange(n) % 3,
        split=["train", "train", "test", "train"] * (n // 4),
        labels=("a", "b", "c"),
        configs={"mel": CONFIG},
        source=source,
    )
    with Reader(path) as opened:
        yield opened


def epoch(fresh, number=0):
    batches = list(fresh.epoch(number))
    return [np.concatenate(column) for column in zip(*batches, strict=True)]


@pytest.mark.parametrize("recipe", ["bcresnet", "nine", "kws-streaming", "off"])
def test_the_number_of_threads_and_the_batch_size_change_nothing(reader, recipe):
    one = epoch(FreshFeatures(reader, recipe, CONFIG, seed=3, threads=1, batch_size=7))
    many = epoch(FreshFeatures(reader, recipe, CONFIG, seed=3, threads=4, batch_size=7))
    for a, b in zip(one, many, strict=True):
        np.testing.assert_array_equal(a, b)
    other_size = epoch(FreshFeatures(reader, recipe, CONFIG, seed=3, threads=3, batch_size=64))
    for a, b in zip(one, other_size, strict=True):
        np.testing.assert_array_equal(a, b)


def test_dither_does_not_depend_on_the_batch(reader):
    config = replace(CONFIG, dither=1e-3)
    one, other = (epoch(FreshFeatures(reader, "off", config, seed=3, batch_size=size)) for size in (5, 9))
    np.testing.assert_array_equal(one[0], other[0])
    assert not np.array_equal(one[0], epoch(FreshFeatures(reader, "off", CONFIG, seed=3))[0])


def test_every_training_row_comes_once_in_an_epoch(reader):
    fresh = FreshFeatures(reader, "bcresnet", CONFIG, seed=0, batch_size=8)
    batches = list(fresh.epoch(0))
    assert len(batches) == fresh.n_batches
    assert [len(batch.row) for batch in batches] == [8, 8, 8, 6]
    rows = np.concatenate([batch.row for batch in batches])
    np.testing.assert_array_equal(np.sort(rows), reader.rows("train"))
    for batch in batches:
        np.testing.assert_array_equal(batch.label, reader.label[batch.row])
        assert batch.features.shape == (len(batch.row), *CONFIG.shape)
        assert batch.features.dtype == np.float32


def test_epochs_seeds_and_rows_differ(reader):
    fresh = FreshFeatures(reader, "bcresnet", CONFIG, seed=0)
    rows = reader.rows("train")
    first, second = fresh.waveforms(rows, 0)[0], fresh.waveforms(rows, 1)[0]
    other_seed = FreshFeatures(reader, "bcresnet", CONFIG, seed=1).waveforms(rows, 0)[0]
    for changed in (second, other_seed):
        same = [np.array_equal(a, b) for a, b in zip(first, changed, strict=True)]
        assert np.mean(same) < 0.3  # one in 25 stays as recorded twice: the coin says no both times
    orders = [np.concatenate([batch.row for batch in fresh.epoch(number)]) for number in (0, 1)]
    assert not np.array_equal(*orders)


def test_iteration_goes_on_with_the_next_epoch(reader):
    fresh = FreshFeatures(reader, "bcresnet", CONFIG, seed=0, batch_size=16)
    some = list(itertools.islice(fresh, fresh.n_batches + 1))
    expected = next(iter(fresh.epoch(1)))
    np.testing.assert_array_equal(some[-1].features, expected.features)
    np.testing.assert_array_equal(next(fresh.epoch(0, first_batch=1)).features, some[1].features)


@pytest.mark.parametrize("recipe", ["bcresnet", "nine", "kws-streaming"])
def test_a_batch_equals_one_clip_at_a_time(reader, recipe):
    fresh = FreshFeatures(reader, recipe, CONFIG, seed=5)
    rows = reader.rows("train")
    together, length = fresh.waveforms(rows, 2)
    for i, (row, parameters) in enumerate(zip(rows, fresh.parameters(rows, 2), strict=True)):
        alone, n = augmented(fresh.transform, parameters, reader.audio[row], int(reader.length[row]), CONFIG)
        np.testing.assert_allclose(together[i], alone, atol=1e-6)
        assert length[i] == n
    np.testing.assert_array_equal(fresh.batch(rows, 2).features, FrontEnd(CONFIG).extract_batch(together, lengths=length))


def test_noise_shorter_than_a_clip_is_repeated(reader):
    noise = Noise([np.arange(-50, 50, dtype=np.int16) * 100])
    fresh = FreshFeatures(reader, "bcresnet", CONFIG, seed=5, noise=noise)
    rows = reader.rows("train")[:8]
    y, _ = fresh.waveforms(rows, 0)
    i = next(i for i, p in enumerate(fresh.parameters(rows, 0)) if p["parts"])
    alone, _ = augmented(fresh.transform, fresh.parameters(rows, 0)[i], reader.audio[rows[i]], 16000, CONFIG)
    np.testing.assert_allclose(y[i], alone, atol=1e-6)


def test_off_gives_the_stored_features(reader):
    fresh = FreshFeatures(reader, "off", CONFIG, seed=0, batch_size=9)
    for batch in fresh.epoch(0):
        np.testing.assert_array_equal(batch.features, reader.features()[batch.row])
        np.testing.assert_array_equal(batch.length, reader.length[batch.row])


def test_an_abandoned_epoch_leaves_no_work_behind(reader):
    batches = FreshFeatures(reader, "bcresnet", CONFIG, seed=0, batch_size=4).epoch(0)
    next(batches)
    batches.close()
    with pytest.raises(StopIteration):
        next(batches)


def test_what_does_not_fit_is_refused(reader):
    with pytest.raises(ConfigError, match="did you mean bcresnet"):
        FreshFeatures(reader, "bcresnt", CONFIG)
    with pytest.raises(ConfigError, match="n_samples: 16000 != 8000"):
        FreshFeatures(reader, "off", FeatureConfig(n_samples=8000))
    with pytest.raises(StoreError, match="no training rows"):
        FreshFeatures(reader, "off", CONFIG, rows=[])
    with pytest.raises(ConfigError, match="batch_size=0"):
        FreshFeatures(reader, "off", CONFIG, batch_size=0)
