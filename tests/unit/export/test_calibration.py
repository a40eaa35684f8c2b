"""What 8 bits are measured and judged on: clips, or for a run of a stream the examples that it is evaluated on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from random_runs import write_run
from wake_runs import CONFIG, LABELS, write_file

from kwsfeat import FrontEnd, Reader
from kwstrain.config import TrainConfig
from kwstrain.data.clips import select
from kwstrain.data.source import loader
from kwstrain.export.calibration import calibration_clips, judged_clips
from kwstrain.inference.bundle import Bundle


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("run")
    path = write_file(folder, LABELS, n=20, audio=True)
    bundle = write_run(folder / "run", "mixednet", CONFIG, filters=4)
    return replace(bundle, labels=LABELS, data=str(path), feature_name="micro")


def as_stream(run: Bundle) -> Bundle:
    return replace(run, config=TrainConfig(arch="mixednet", options={"filters": 4}, stream=True, context_s=0.5))


def test_clips_are_those_of_the_file(run: Bundle) -> None:
    y, length, label, split = judged_clips(run)
    with Reader(run.data) as reader:
        rows = reader.rows(split)
        np.testing.assert_array_equal(y, reader.audio[rows] / np.float32(32768))
        np.testing.assert_array_equal(length, reader.length[rows])
        np.testing.assert_array_equal(label, reader.label[rows])


def test_a_stream_is_judged_on_what_evaluate_hears(run: Bundle) -> None:
    """The same sound; its noise is known to `evaluate` from half a second before, so that features differ in the beginning."""
    bundle = as_stream(run)
    y, length, label, split = judged_clips(bundle)
    with Reader(bundle.data) as reader:
        rows = reader.rows(split)
        heard = loader(select(reader, "micro", rows), bundle.config)(rows, 0)
    np.testing.assert_array_equal(label, heard.label)
    assert (length == CONFIG.n_samples).all()
    features, wanted = FrontEnd(CONFIG).extract_batch(y)[:, -20:], heard.features[:, -20:]
    assert np.corrcoef(features.ravel(), wanted.ravel())[0, 1] > 0.99
    clips, *_ = judged_clips(run)
    assert not np.array_equal(y, clips)


def test_ranges_are_measured_on_words_silence_and_clipping(run: Bundle) -> None:
    for bundle in (run, as_stream(run)):
        y, length = calibration_clips(bundle)
        assert y.shape == (len(length), CONFIG.n_samples)
        assert (~y.any(axis=1)).sum() == 4
        assert np.abs(y).max() == 1
        np.testing.assert_array_equal(calibration_clips(bundle)[0], y)


def test_a_file_of_augmented_clips_alone_has_ranges(run: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a grid of variants stores them."""
    expected, _ = calibration_clips(run)
    monkeypatch.setattr(Reader, "variant", property(lambda reader: np.ones(len(reader.label), np.int32)))
    np.testing.assert_array_equal(calibration_clips(run)[0], expected)
