"""What every network is: from the features of a batch to its logits."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from numpy.typing import ArrayLike

from kwstrain.models.layers.operations import Operations


class InputStatistic(nnx.Variable[Any]):
    """A statistic of the training features: stored with the weights, never trained, not counted as a parameter."""


class InputNorm(nnx.Module):
    """Subtracts a mean from each feature and divides it by a deviation, both ``(n_features,)``; begins without effect."""

    def __init__(self, n_features: int) -> None:
        self.mean = InputStatistic(jnp.zeros(n_features))
        self.std = InputStatistic(jnp.ones(n_features))

    def set(self, mean: ArrayLike, std: ArrayLike) -> None:
        """Take the statistics of the training clips."""
        self.mean.set_value(jax.device_put(np.asarray(mean, np.float32)))
        self.std.set_value(jax.device_put(np.asarray(std, np.float32)))

    def __call__(self, x: jax.Array) -> jax.Array:
        return (x.astype(jnp.float32) - self.mean[...]) * (1 / self.std[...])


class Network(nnx.Module):
    """Base of all networks: :func:`~kwstrain.models.create` makes one, and gives it its `input_norm`.

    A subclass defines :meth:`forward` out of layers. It asks neither for a device nor for a backend: what the layers compute by
    is chosen from outside, by :meth:`use`.
    """

    input_norm: InputNorm

    def __init__(self, input_shape: tuple[int, int], n_classes: int, options: Any, *, rngs: nnx.Rngs) -> None:
        raise NotImplementedError

    def __call__(self, x: jax.Array, mask: jax.Array | None = None) -> jax.Array:
        """Logits of a batch.

        Parameters
        ----------
        x
            float32 ``(batch, n_frames, n_features)``, features as they are extracted.
        mask
            bool ``(batch, n_frames)``, the frames that are real; None: all of them.

        Returns
        -------
        jax.Array
            float32 ``(batch, n_classes)``.
        """
        return self.forward(self.input_norm(x), mask)

    def forward(self, x: jax.Array, mask: jax.Array | None) -> jax.Array:
        """What a network defines: logits of standardised features, see :meth:`__call__`."""
        raise NotImplementedError

    def use(self, operations: Operations) -> None:
        """Let every layer compute by `operations`."""
        self.set_attributes(operations=operations, raise_if_not_found=False)
