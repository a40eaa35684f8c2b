"""What a step minimises: cross-entropy against the label, and against a teacher's answers."""

from __future__ import annotations

import jax
import optax

from kwstrain.config import TrainConfig


def cross_entropy(logits: jax.Array, target: jax.Array, kind: str) -> jax.Array:
    """Loss of each clip, (batch,); `target` (batch, n_classes). ``softmax`` over all classes, ``sigmoid`` of each by itself."""
    softmax = kind == "softmax"
    loss: jax.Array = (
        optax.softmax_cross_entropy(logits, target) if softmax else optax.sigmoid_binary_cross_entropy(logits, target).mean(-1)
    )
    return loss


def imitation(logits: jax.Array, taught: jax.Array, config: TrainConfig) -> jax.Array:
    """Cross-entropy of each clip against the teacher's logits `taught`, both softened by the temperature (arXiv:1503.02531).

    The factor T^2 keeps its gradients as large as those against the label, whatever the temperature T.
    """
    temperature = config.temperature
    soften = jax.nn.softmax if config.loss == "softmax" else jax.nn.sigmoid
    return temperature**2 * cross_entropy(logits / temperature, soften(taught / temperature), config.loss)
