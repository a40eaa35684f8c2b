"""Run folders of networks with random weights and statistics, as a training would leave them; nothing is compiled."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from flax import nnx

from kwsfeat import FeatureConfig
from kwstrain.config import TrainConfig
from kwstrain.inference.bundle import Bundle
from kwstrain.io import save_arrays
from kwstrain.models import create

LABELS = ("yes", "no", "up")


def write_run(folder: Path, arch: str, config: FeatureConfig, **options: Any) -> Bundle:
    """A run whose every weight and statistic counts."""
    model = nnx.eval_shape(lambda: create(arch, input_shape=config.shape, n_classes=len(LABELS), **options))
    rng = np.random.default_rng(0)
    arrays = {}
    for path, variable in nnx.to_flat_state(nnx.state(model, nnx.Not(nnx.RngState))):
        arrays["/".join(map(str, path))] = _random(str(path[-1]), variable.shape, rng).astype(np.float32)
    folder.mkdir(parents=True)
    save_arrays(folder / "weights.npz", arrays)
    bundle = Bundle(
        folder=folder, config=TrainConfig(arch=arch, options=options), feature_name="random", feature_config=config, labels=LABELS,
        mean=arrays["input_norm/mean"], std=arrays["input_norm/std"], data="random.h5", parameters={}, algorithm=config.algorithm,
    )  # fmt: skip
    bundle.save()
    return bundle


def _random(name: str, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    if name in ("var", "std"):
        return rng.uniform(0.5, 2, shape)
    if len(shape) == 1:
        return (name == "scale") + 0.3 * rng.standard_normal(shape)
    return math.sqrt(1 / math.prod(shape[:-1])) * rng.standard_normal(shape)
