"""--from RUN: what the network begins with, and which runs are refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from toy_features import CONFIG, write_toy

jax = pytest.importorskip("jax")

from flax import nnx  # noqa: E402

from kwsfeat import ConfigError, FeatureConfig, Reader  # noqa: E402
from kwstrain.config import TrainConfig  # noqa: E402
from kwstrain.inference.bundle import Bundle, weights_of  # noqa: E402
from kwstrain.models import create  # noqa: E402
from kwstrain.training.fit import fit  # noqa: E402
from kwstrain.training.start import Start  # noqa: E402

TOY = TrainConfig(arch="toy", batch=72, epochs=1, augment="off", gradient_histograms=False)


pytestmark = pytest.mark.usefixtures("arch_toy")


@pytest.fixture(scope="module")
def run(toy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "run"
    fit(toy, replace(TOY, lr=3e-2), out)
    return out


def filled(run: Path, labels: tuple[str, ...]) -> dict[str, np.ndarray]:
    model = create("toy", input_shape=CONFIG.shape, n_classes=len(labels), seed=5)
    Start(run).fill(model, labels)
    return weights_of([nnx.state(model)])


@pytest.mark.parametrize("labels", [("yes", "no", "up"), ("a", "b", "c"), ("yes", "no", "up", "down")])
def test_everything_but_the_head_of_other_labels_is_taken(run: Path, labels: tuple[str, ...]) -> None:
    weights = Bundle.load(run).weights
    fresh = weights_of([nnx.state(create("toy", input_shape=CONFIG.shape, n_classes=len(labels), seed=5))])
    head = set() if labels == ("yes", "no", "up") else {"out/kernel", "out/bias"}
    for name, value in filled(run, labels).items():
        np.testing.assert_array_equal(value, fresh[name] if name in head else weights[name])


def test_a_run_goes_on_where_the_other_ended_and_remembers_it(toy: Path, run: Path, tmp_path: Path) -> None:
    result = fit(toy, replace(TOY, lr=1e-9), tmp_path / "run", start=run)
    begun, weights = Bundle.load(run), result.bundle.weights
    assert result.bundle.config.start == begun.fingerprint
    np.testing.assert_array_equal(result.bundle.mean, begun.mean)
    np.testing.assert_allclose(weights["hidden/kernel"], begun.weights["hidden/kernel"], atol=1e-7)
    with pytest.raises(ConfigError, match="start: '', was"):
        fit(toy, replace(TOY, lr=1e-9, epochs=2), tmp_path / "run", resume=True)


def test_other_networks_options_and_features_are_refused_by_name(toy: Path, run: Path, tmp_path: Path) -> None:
    other = write_toy(tmp_path / "other.h5", config=FeatureConfig.from_partial({"hop_length": 40}, CONFIG))
    with Reader(other) as reader, pytest.raises(ConfigError, match="hop_length: 80 != 40"):
        Start(run).check(reader, TOY)
    with Reader(toy) as reader:
        for config, message in (
            (replace(TOY, arch="lstm"), "is a toy: give --arch toy"),
            (replace(TOY, options={"hidden": 9}), "has other options of toy: hidden"),
            (replace(TOY, weights="imagenet"), "exclude each other"),
        ):
            with pytest.raises(ConfigError, match=message):
                Start(run).check(reader, config)
