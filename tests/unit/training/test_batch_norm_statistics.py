"""Dropout before a BatchNorm: what is saved are the statistics that evaluation meets, not those that dropout left."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("jax")

from flax import nnx

from kwsfeat import Reader
from kwstrain.config import TrainConfig
from kwstrain.data.clips import frame_range
from kwstrain.inference.bundle import Bundle
from kwstrain.models import create_shapes, names, spec, trainable
from kwstrain.models.layers.common import BatchNorm
from kwstrain.training.fit import Tick, fit
from kwstrain.training.step import dropout_meets_batch_norm

CONFIG = TrainConfig(arch="cnn", options={"dropout": 0.8}, epochs=2, batch=72, lr=3e-3, gradient_histograms=False)


def statistics_without_dropout(run: Path, data: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """Mean and variance that each BatchNorm of the saved network meets on the training clips, dropout off."""
    model = Bundle.load(run).model
    model.set_attributes(BatchNorm, use_running_average=False, momentum=0.0)
    with Reader(data) as reader:
        rows = reader.rows("train")
        x, length = np.array(reader.features()[rows]), np.array(reader.length[rows])
        first, last = frame_range(reader.config(), length)
    frame = np.arange(x.shape[1])
    nnx.jit(lambda model, x, mask: model(x, mask))(model, x, (frame >= first[:, None]) & (frame < last[:, None]))
    return [(np.asarray(layer.mean[...]), np.asarray(layer.var[...])) for layer in norms(model)]


def norms(model: nnx.Module) -> list[BatchNorm]:
    return [layer for _, layer in nnx.iter_modules(model) if isinstance(layer, BatchNorm)]


def test_saved_statistics_are_those_without_dropout(toy: Path, tmp_path: Path) -> None:
    fit(toy, CONFIG, tmp_path / "run")
    saved = [(np.asarray(layer.mean[...]), np.asarray(layer.var[...])) for layer in norms(Bundle.load(tmp_path / "run").model)]
    for (mean, var), (right_mean, right_var) in zip(saved, statistics_without_dropout(tmp_path / "run", toy), strict=True):
        np.testing.assert_allclose(mean, right_mean, rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(var, right_var, rtol=1e-3, atol=1e-4)


def test_a_resumed_run_collects_the_same(toy: Path, tmp_path: Path) -> None:
    def stop(tick: Tick) -> None:
        if tick.record:
            raise KeyboardInterrupt

    fit(toy, CONFIG, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        fit(toy, CONFIG, tmp_path / "run", progress=stop)
    fit(toy, CONFIG, tmp_path / "run", resume=True)
    with np.load(tmp_path / "whole" / "checkpoint.npz") as one, np.load(tmp_path / "run" / "checkpoint.npz") as other:
        for name in one.files:
            if name != "about":
                np.testing.assert_array_equal(one[name], other[name])


WITHOUT_NORM = ("vgg-160", "lstm", "lstm-raw", "kwt-1", "kwt-2", "kwt-3")
WITH_DROPOUT = [name for name in names() if "dropout" in {one.name for one in fields(spec(name).options)}]


@pytest.mark.parametrize("name", WITH_DROPOUT)
def test_which_networks_collect(name: str) -> None:
    """Those that have both, unless the dropout is 0 or every norm is frozen."""

    def collects(dropout: float, freeze: int = 0) -> bool:
        published = spec(name).published[0]
        model = create_shapes(name, input_shape=published.input_shape, n_classes=3, dropout=dropout)
        trainable(model, freeze)
        return dropout_meets_batch_norm(model)

    n_layers = {"cnn": 10, "cnn-mnist": 6, "cnn-deep": 10}
    assert collects(0.5) == (name not in WITHOUT_NORM)
    assert not collects(0.0)
    if name in n_layers:
        assert not collects(0.5, freeze=n_layers[name])
