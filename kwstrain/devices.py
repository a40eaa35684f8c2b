"""Where the work runs: all local devices in a row, each with its share of every batch."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from kwsfeat import thread_count

AXIS = "batch"  # of the mesh
_BY_BATCH = PartitionSpec(AXIS)


def mesh() -> Mesh:
    """All local devices in one row; batches are divided among them."""
    return Mesh(np.array(jax.local_devices()), (AXIS,), axis_types=(AxisType.Auto,))


def replicated(tree: Any) -> Any:
    """`tree` with a copy on every local device."""
    return jax.device_put(tree, NamedSharding(mesh(), PartitionSpec()))


def divided(tree: Any) -> Any:
    """Inside a compiled function: arrays whose first axis is the batch, each device with its part."""
    return jax.lax.with_sharding_constraint(tree, NamedSharding(mesh(), _BY_BATCH))


def per_device(function: Callable[..., Any], *, n_shared: int) -> Callable[..., Any]:
    """`function`, run by each device on its part of the batch; its first `n_shared` arguments are whole on every device.

    For a network that works step by step in time: the compiler alone would let every device run the loop for the whole batch.
    `function` gives (logits, state): the logits of its part, and a state that is the same on all devices.
    """
    if jax.local_device_count() == 1:
        return function
    whole = PartitionSpec()

    def run(*arguments: Any) -> Any:
        specs = tuple(whole if i < n_shared else _BY_BATCH for i in range(len(arguments)))
        return jax.shard_map(function, mesh=mesh(), in_specs=specs, out_specs=(_BY_BATCH, whole), check_vma=False)(*arguments)

    return run


def one_per_core(at_most: int) -> None:
    """Make each core of the CPU a device, `at_most` so many, for networks whose steps are too small to share among cores.

    Without effect once JAX has begun, or where the environment says how many there are.
    """
    told = jax.config.jax_num_cpu_devices >= 0 or "xla_force_host_platform_device_count" in os.environ.get("XLA_FLAGS", "")  # type: ignore[attr-defined]
    if not told:
        try:
            jax.config.update("jax_num_cpu_devices", max(1, min(at_most, thread_count())))
        except RuntimeError:  # JAX has begun
            return
