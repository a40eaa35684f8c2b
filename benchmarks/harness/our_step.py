"""kwstrain's training step: ``python benchmarks/harness/our_step.py NAME BATCH N_CALLS`` prints JSON, like torch_zoo.py.

A call is four steps, as in a training. Seconds of the first call are those of compiling and four steps.
"""

from __future__ import annotations

import json
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from kwstrain.config import TrainConfig
from kwstrain.data.batches import Batches, Block
from kwstrain.models import create, spec
from kwstrain.training.optim import optimizer, schedule
from kwstrain.training.step import TrainStep

STEPS = 4


def measure(name: str, shape: tuple[int, int], batch: int, n_calls: int) -> dict[str, float]:
    """Seconds of the first call, examples/s of the fastest of `n_calls` later ones, parameters."""
    config = TrainConfig(arch=name, batch=batch)
    model = create(name, input_shape=shape, n_classes=12)
    step = TrainStep(
        model,
        trainable=nnx.Param,
        config=config,
        tx=optimizer(config, schedule(config, n_steps=STEPS, steps_per_epoch=STEPS)),
        class_weight=np.ones(12, np.float32),
    )
    features = np.random.default_rng(0).standard_normal((batch, *shape), np.float32)
    block = jax.device_put(Block(features, np.arange(batch) % 12, np.zeros(batch, np.int32), np.full(batch, shape[0], np.int32)))
    batches = Batches(jnp.tile(jnp.arange(batch), (STEPS, 1)), jnp.ones((STEPS, batch)))
    state, seconds = step.first_state, []
    for _ in range(1 + n_calls):
        began = time.perf_counter()
        state, _ = jax.block_until_ready(step.train(state, block, batches))
        seconds.append(time.perf_counter() - began)
    n = sum(leaf.size for leaf in jax.tree.leaves(nnx.state(model, nnx.Param)))
    return {"cold_s": seconds[0], "examples_per_s": STEPS * batch / min(seconds[1:]), "parameters": n}


if __name__ == "__main__":
    network, batch, n_calls = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    print(json.dumps({"kwstrain": measure(network, spec(network).published[0].input_shape, batch, n_calls)}))
