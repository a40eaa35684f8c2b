"""Weights that a network begins with: uniform within the bounds of Keras and of PyTorch, the same for the same key."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from kwstrain.models import Network, create, create_shapes
from kwstrain.models.layers.common import glorot_uniform
from kwstrain.models.layers.frames import fan_in_uniform

SHAPE = (3, 5, 40, 60)
FAN_IN, FAN_OUT = 3 * 5 * 40, 3 * 5 * 60


@pytest.mark.parametrize(
    ("initialiser", "limit"), [(glorot_uniform, math.sqrt(6 / (FAN_IN + FAN_OUT))), (fan_in_uniform, 1 / math.sqrt(FAN_IN))]
)
def test_bounds_spread_and_key(initialiser: Callable[..., jax.Array], limit: float) -> None:
    kernel = np.asarray(initialiser(jax.random.key(7), SHAPE))
    assert kernel.dtype == np.float32
    assert 0.999 * limit < np.abs(kernel).max() <= limit * (1 + 1e-6)
    assert kernel.std() == pytest.approx(limit / math.sqrt(3), rel=0.01)
    assert abs(kernel.mean()) < 0.01 * limit
    np.testing.assert_array_equal(kernel, initialiser(jax.random.key(7), SHAPE))
    assert (kernel != np.asarray(initialiser(jax.random.key(8), SHAPE))).any()


@pytest.mark.parametrize("initialiser", [glorot_uniform, fan_in_uniform])
def test_shapes_alone(initialiser: Any) -> None:
    """``nnx.eval_shape`` makes networks without a key to draw from."""
    found = jax.eval_shape(lambda key: initialiser(key, SHAPE), jax.random.key(0))
    assert (found.shape, found.dtype) == (SHAPE, jnp.float32)


@pytest.mark.parametrize("name", ["cnn", "lstm", "lstm-raw", "bcresnet-1", "ds-cnn-s", "kwt-1", "mhatt-rnn", "mixednet"])
def test_shapes_of_a_network_are_those_that_it_has(name: str) -> None:
    """What is drawn for dropout too, and the same network of another number of classes is another."""
    given = {"input_shape": (160, 40), "n_classes": 3}

    def shapes(model: Network) -> list[Any]:
        leaves = jax.tree.leaves_with_path(nnx.state(model))
        return [(jax.tree_util.keystr(path), leaf.shape, leaf.dtype) for path, leaf in leaves]

    abstract = create_shapes(name, **given)
    assert all(isinstance(leaf, jax.ShapeDtypeStruct) for leaf in jax.tree.leaves(nnx.state(abstract)))
    assert shapes(abstract) == shapes(create(name, **given))
    assert shapes(create_shapes(name, input_shape=(160, 40), n_classes=4)) != shapes(abstract)
