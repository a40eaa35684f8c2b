"""Learning-rate schedules and optimisers from a TrainConfig, and the moving average of what they make."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import optax

from kwstrain.config import TrainConfig


def schedule(config: TrainConfig, *, n_steps: int, steps_per_epoch: int) -> optax.Schedule:
    """Learning rate by step: a linear rise over the first `warmup` of `n_steps`, then the configured course."""
    n_warmup = round(config.warmup * n_steps)
    rest = max(1, n_steps - n_warmup)
    if config.schedule == "cosine":
        main = optax.cosine_decay_schedule(config.lr, rest)
    elif config.schedule == "step":
        every = config.decay_epochs * steps_per_epoch
        main = optax.exponential_decay(config.lr, every, config.decay, staircase=True)
    else:
        main = optax.constant_schedule(config.lr)
    if n_warmup == 0:
        return main
    # Step i of the rise takes (i + 1) / n of the rate: a first step of rate 0 would be wasted.
    return optax.join_schedules([optax.linear_schedule(config.lr / n_warmup, config.lr, max(1, n_warmup - 1)), main], [n_warmup])


def optimizer(config: TrainConfig, rate: optax.Schedule) -> optax.GradientTransformation:
    """Clip, decay, adapt, scale: weight decay stands before the sign flips, so that weights shrink."""
    decay = [optax.add_decayed_weights(config.weight_decay, mask=_kernels)] if config.weight_decay else []
    adapt = [optax.trace(config.momentum)] if config.optimizer == "sgd" else [optax.scale_by_adam()]
    clip = [optax.clip_by_global_norm(config.clip_norm)] if config.clip_norm else []
    order = [*adapt, *decay] if config.optimizer == "adamw" else [*decay, *adapt]
    return optax.chain(*clip, *order, optax.scale_by_learning_rate(rate))


def _kernels(params: Any) -> Any:
    """True for arrays of two dimensions or more: biases and norms are not decayed."""
    return jax.tree.map(lambda p: p.ndim >= 2, params)


def moved_average(average: Any, now: Any, decay: float, step: jax.Array) -> Any:
    """The exponential moving average of a tree of arrays after one more step; `step` counts those before, from 0.

    The decay is ``min(decay, (1 + step) / (10 + step))``: the random weights of the beginning are forgotten soon. What is no
    floating-point number (random keys, counters) is as it is now.
    """
    weight = 1 - jnp.minimum(decay, (1 + step) / (10 + step))

    def moved(old: jax.Array, new: jax.Array) -> jax.Array:
        # In this form, what does not change stays the same to the bit.
        return (old + weight * (new - old)).astype(old.dtype) if jnp.issubdtype(new.dtype, jnp.floating) else new

    return jax.tree.map(moved, average, now)
