"""Every family of networks made for keyword spotting: Ctrl-C, resuming and features that are not finite, by the training of its own."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy_features import write_toy

pytest.importorskip("jax")

from kwsfeat import FeatureConfig, Reader
from kwstrain.config import TrainConfig, defaults
from kwstrain.evaluation.evaluate import evaluate
from kwstrain.report import figures
from kwstrain.training.fit import DivergedError, Tick, fit
from kwstrain.training.folder.events import Events

# 155 frames, as many as mixednet needs, of 17 bands.
FRAMES = FeatureConfig(sr=8000, n_samples=12320, output="spectrum", n_fft=32, win_length=32, hop_length=80)
SMALL: dict[str, dict[str, Any]] = {
    "bcresnet-1": {}, "ds-cnn-s": {"filters": 8, "blocks": 2}, "tc-resnet8": {}, "matchboxnet-3x1x64": {"channels": 8},
    "res8-narrow": {"filters": 8, "layers": 2}, "kwt-1": {"depth": 1}, "mhatt-rnn": {"units": 4}, "mixednet": {"filters": 8},
}  # fmt: skip


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy(tmp_path_factory.mktemp("clips") / "toy.h5", n_clips=60, config=FRAMES)


@pytest.fixture(scope="module")
def damaged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same clips; a feature of the eighth one for training is NaN."""
    path = write_toy(tmp_path_factory.mktemp("damaged") / "toy.h5", n_clips=60, config=FRAMES)
    with Reader(path) as reader:
        place, row = reader.extents["features/toy"], int(reader.rows("train")[7])
    with path.open("r+b") as file:
        file.seek(place.offset + row * place.row_bytes)
        file.write(np.array([np.nan], "<f4").tobytes())
    return path


@pytest.fixture(autouse=True)
def _no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("save_curves", "save_confusion"):
        monkeypatch.setattr(figures, name, lambda *arguments: None)
    monkeypatch.setattr(Events, "pictures", lambda *arguments: None)


def training(name: str) -> TrainConfig:
    """Two epochs of two steps as the network is trained by default, without other sounds."""
    return replace(
        defaults(name), epochs=2, batch=18, warmup=0.0, augment="off", options=SMALL[name], gradient_histograms=False
    )  # fmt: skip


@pytest.mark.parametrize("name", SMALL)
def test_interrupted_and_resumed_it_ends_like_one_that_never_stopped(name: str, clips: Path, damaged: Path, tmp_path: Path) -> None:
    def stop_after_one(tick: Tick) -> None:
        if tick.record:
            raise KeyboardInterrupt

    config, whole, stopped = training(name), tmp_path / "whole", tmp_path / "stopped"
    fit(clips, config, whole)
    with pytest.raises(KeyboardInterrupt):
        fit(clips, config, stopped, progress=stop_after_one)
    assert json.loads((stopped / "summary.json").read_text())["ended"] == "interrupted"
    assert evaluate(stopped).scores.n_clips == 12, "the best weights so far are there"
    result = fit(clips, config, stopped, resume=True)
    assert [record["epoch"] for record in result.records] == [1, 2]
    with np.load(stopped / "checkpoint.npz") as one, np.load(whole / "checkpoint.npz") as other:
        assert one.files == other.files
        for array in one.files:
            if array != "about":
                np.testing.assert_array_equal(one[array], other[array], err_msg=array)
    with pytest.raises(DivergedError, match=r"features of row \d+ are not finite"):
        fit(damaged, config, tmp_path / "damaged")
