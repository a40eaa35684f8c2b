"""What ``kwstrain models`` lists: every network with its size, its cost and how much of the signal it sees."""

from __future__ import annotations

import math
from dataclasses import dataclass

import jax
from flax import nnx

from kwstrain.models.cost import cost
from kwstrain.models.registry import ModelSpec, Published, create_shapes, specs


@dataclass(frozen=True, kw_only=True)
class ModelRow:
    """One line of ``kwstrain models``; `name` is followed by the options that are not ``create``'s defaults.

    `multiply_adds_per_s` are those of a second of audio. `receptive_field_ms` is what a frame of the network's output sees, and
    `look_ahead_ms` how much of that comes after it: None where the network sees its whole input at once.
    """

    name: str
    input_shape: tuple[int, int]
    n_classes: int
    total: int
    trainable: int
    non_trainable: int
    multiply_adds_per_s: int
    receptive_field_ms: float | None
    look_ahead_ms: float | None
    source: str


def table() -> list[ModelRow]:
    """Every network on the input for which its size was published.

    `non_trainable` counts the running mean and variance of every BatchNorm.
    """
    return [_row(spec, published) for spec in specs().values() for published in spec.published]


def _row(spec: ModelSpec, published: Published) -> ModelRow:
    model = create_shapes(spec.name, input_shape=published.input_shape, n_classes=published.n_classes, **published.options)
    parameters, statistics = (
        sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(nnx.state(model, kind))) for kind in (nnx.Param, nnx.BatchStat)
    )
    spent = cost(model, published.input_shape)
    seconds = published.input_shape[0] * published.hop_ms / 1e3
    return ModelRow(
        name=" ".join([spec.name, *(f"{key}={value}" for key, value in published.options.items()), published.note]).strip(),
        input_shape=published.input_shape,
        n_classes=published.n_classes,
        total=parameters + statistics,
        trainable=parameters,
        non_trainable=statistics,
        multiply_adds_per_s=round(spent.multiply_adds / seconds),
        receptive_field_ms=None if spent.frames is None else spent.frames * published.hop_ms,
        look_ahead_ms=None if spent.later is None else spent.later * published.hop_ms,
        source=published.source,
    )
