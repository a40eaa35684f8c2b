"""DS-CNN trained by kernels and by its parts: the same steps; and where there are no kernels for it, its parts."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import pytest
from network_steps import after_steps, assert_same_training

from kwstrain.models import create
from kwstrain.models.layers.common import BatchNorm
from kwstrain.operations import ds_cnn as by_kernels
from kwstrain.operations.ds_cnn import suits

SHAPE = (37, 10)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {"filters": 20},
        {"filters": 18, "feature_stride": 1, "block_stride": 2, "causal": True},
        {"filters": 16, "full": True, "dropout": 0.3},
    ],
    ids=["paper", "strided-causal", "full"],
)
def test_steps_are_those_of_the_parts(monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]) -> None:
    calls = []
    monkeypatch.setattr("kwstrain.operations.ds_cnn.frames", lambda *a, real=by_kernels.frames: calls.append(1) or real(*a))
    found = after_steps(monkeypatch, "ds-cnn-s", SHAPE, plain=False, blocks=1, **options)
    assert calls
    assert_same_training(found, after_steps(monkeypatch, "ds-cnn-s", SHAPE, plain=True, blocks=1, **options))


def test_cases_without_kernels() -> None:
    x = jnp.zeros((2, *SHAPE))

    def network(**options: Any) -> Any:
        model = create("ds-cnn-s", input_shape=SHAPE, n_classes=3, **options)
        model.train()
        return model

    assert suits(network(), x)
    assert not suits(network(), x[:, :14])
    assert not suits(network(block_stride=3), x)
    assert not suits(network(filters=15), x)
    assert not suits(network(dtype="bfloat16"), x)
    evaluated, frozen, divided = network(), network(), network()
    evaluated.eval()
    frozen.set_attributes(BatchNorm, frozen=True)
    divided.set_attributes(BatchNorm, axis_name="batch")
    assert not any(suits(model, x) for model in (evaluated, frozen, divided))
