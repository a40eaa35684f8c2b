"""Augmentation inside the compiled step, on standardised features: masks and mixtures."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from kwstrain.config import TrainConfig


def spec_augment(x: jax.Array, key: jax.Array, config: TrainConfig) -> jax.Array:
    """Zero random runs of frames and of features, drawn for each clip (arXiv:1904.08779, section 2); 0 is the mean."""
    for axis, n_masks, widest in ((1, config.time_masks, config.time_mask_frames), (2, config.feature_masks, config.feature_mask_bins)):
        n = x.shape[axis]
        place = jnp.arange(n)
        for i in range(n_masks):
            width_key, start_key = jax.random.split(jax.random.fold_in(key, 100 * axis + i))
            width = jax.random.randint(width_key, (x.shape[0], 1), 0, min(widest, n) + 1)
            start = jax.random.randint(start_key, (x.shape[0], 1), 0, n - width + 1)
            kept = (place < start) | (place >= start + width)
            x = jnp.where(jnp.expand_dims(kept, 3 - axis), x, 0.0)
    return x


def mixup(x: jax.Array, target: jax.Array, key: jax.Array, alpha: float) -> tuple[jax.Array, jax.Array]:
    """Blend each clip and its target with another of the batch (arXiv:1710.09412); the share is drawn from Beta(alpha, alpha)."""
    share_key, order_key = jax.random.split(key)
    share = jax.random.beta(share_key, alpha, alpha)
    order = jax.random.permutation(order_key, x.shape[0])
    return share * x + (1 - share) * x[order], share * target + (1 - share) * target[order]
