"""What a step minimises: cross-entropy against the label, and against a teacher's answers."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import optax

from kwstrain.config import TrainConfig


def cross_entropy(logits: jax.Array, target: jax.Array, kind: str) -> jax.Array:
    """Loss of each clip, (batch,); `target` (batch, n_classes). ``softmax`` over all classes, ``sigmoid`` of each by itself."""
    softmax = kind == "softmax"
    loss: jax.Array = (
        optax.softmax_cross_entropy(logits, target) if softmax else optax.sigmoid_binary_cross_entropy(logits, target).mean(-1)
    )
    return loss


def loudest(rows: jax.Array, wanted: jax.Array, kind: str) -> jax.Array:
    """Loss of the row that sounds most like a wanted word, (batch,), where none should: rows (batch, n_rows, n_classes).

    A detector meets the loudest of many rows (max-pooling loss, Sun et al. 2016, arXiv:1705.02411). `wanted` (n_classes,) bool.
    """
    if kind == "softmax":
        nothing = jnp.where(wanted, -jnp.inf, rows)
        loss = jax.nn.logsumexp(rows, axis=-1) - jax.nn.logsumexp(nothing, axis=-1)
    else:
        loss = jnp.where(wanted, jax.nn.softplus(rows), 0).sum(-1) / len(wanted)
    return loss.max(axis=1)


def imitation(logits: jax.Array, taught: jax.Array, config: TrainConfig) -> jax.Array:
    """Cross-entropy of each clip against the teacher's logits `taught`, both softened by the temperature (arXiv:1503.02531).

    The factor T^2 keeps its gradients as large as those against the label, whatever the temperature T.
    """
    temperature = config.temperature
    soften = jax.nn.softmax if config.loss == "softmax" else jax.nn.sigmoid
    return temperature**2 * cross_entropy(logits / temperature, soften(taught / temperature), config.loss)
