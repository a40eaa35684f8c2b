"""BC-ResNet trained by kernels and by its parts: the same steps; and where there are no kernels for it, its parts."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import pytest
from network_steps import after_steps, assert_same_training

from kwstrain.models import create
from kwstrain.models.kws import bcresnet
from kwstrain.models.layers.common import BatchNorm
from kwstrain.operations import bcresnet as by_kernels
from kwstrain.operations.bcresnet import suits

SHAPE = (12, 20)


@pytest.mark.slow
def test_steps_are_those_of_the_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bcresnet, "STAGES", ((1, 8, 1, 1), (2, 12, 2, 2)))
    calls = []
    monkeypatch.setattr("kwstrain.operations.bcresnet.frames", lambda *a, real=by_kernels.frames: calls.append(1) or real(*a))
    options = {"causal": True, "dropout": 0.3}
    found = after_steps(monkeypatch, "bcresnet-1", SHAPE, plain=False, **options)
    assert calls
    assert_same_training(found, after_steps(monkeypatch, "bcresnet-1", SHAPE, plain=True, **options))


def test_cases_without_kernels() -> None:
    x = jnp.zeros((2, *SHAPE))

    def network(**options: Any) -> Any:
        model = create("bcresnet-1", input_shape=SHAPE, n_classes=3, **options)
        model.train()
        return model

    assert suits(network(), x)
    assert not suits(network(), x[:, :7])
    assert not suits(network(tau=0.5), x)
    assert not suits(network(dtype="bfloat16"), x)
    evaluated, frozen, divided = network(), network(), network()
    evaluated.eval()
    frozen.set_attributes(BatchNorm, frozen=True)
    divided.set_attributes(BatchNorm, axis_name="batch")
    assert not any(suits(model, x) for model in (evaluated, frozen, divided))
