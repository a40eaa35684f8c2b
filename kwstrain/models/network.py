"""What every network is: from the features of a batch to its logits."""

from __future__ import annotations

from typing import Any

import jax
from flax import nnx


class Network(nnx.Module):
    """Base of all networks.

    A network asks neither for a device nor for a backend, and is written in plain operations.
    """

    def __init__(self, input_shape: tuple[int, int], n_classes: int, options: Any, *, rngs: nnx.Rngs) -> None:
        raise NotImplementedError

    def __call__(self, x: jax.Array, mask: jax.Array | None = None) -> jax.Array:
        """Logits of a batch.

        Parameters
        ----------
        x
            float32 ``(batch, n_frames, n_features)``.
        mask
            bool ``(batch, n_frames)``, the frames that are real; None: all of them.

        Returns
        -------
        jax.Array
            float32 ``(batch, n_classes)``.
        """
        return self.forward(x, mask)

    def forward(self, x: jax.Array, mask: jax.Array | None) -> jax.Array:
        """What a network defines: logits of a batch, see :meth:`__call__`."""
        raise NotImplementedError
