"""What ``kwstrain models`` lists: every network with its number of parameters."""

from __future__ import annotations

import math
from dataclasses import dataclass

import jax
from flax import nnx

from kwstrain.models.registry import ModelSpec, Published, create, specs


@dataclass(frozen=True, kw_only=True)
class ModelRow:
    """One line of ``kwstrain models``; `name` is followed by the options that are not ``create``'s defaults."""

    name: str
    input_shape: tuple[int, int]
    n_classes: int
    total: int
    trainable: int
    non_trainable: int
    source: str


def table() -> list[ModelRow]:
    """Every network on the input for which its size was published.

    `non_trainable` counts the running mean and variance of every BatchNorm.
    """
    return [_row(spec, published) for spec in specs().values() for published in spec.published]


def _row(spec: ModelSpec, published: Published) -> ModelRow:
    model = nnx.eval_shape(lambda: create(spec.name, input_shape=published.input_shape, n_classes=published.n_classes, **published.options))
    parameters, statistics = (
        sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(nnx.state(model, kind))) for kind in (nnx.Param, nnx.BatchStat)
    )
    return ModelRow(
        name=" ".join([spec.name, *(f"{key}={value}" for key, value in published.options.items())]),
        input_shape=published.input_shape,
        n_classes=published.n_classes,
        total=parameters + statistics,
        trainable=parameters,
        non_trainable=statistics,
        source=published.source,
    )
