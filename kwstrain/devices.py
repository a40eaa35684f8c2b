"""Where the work runs: all local devices in a row, each with its share of every batch."""

from __future__ import annotations

import os
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec


def mesh() -> Mesh:
    """All local devices in one row; batches are divided among them."""
    return Mesh(np.array(jax.local_devices()), ("batch",), axis_types=(AxisType.Auto,))


def replicated(tree: Any) -> Any:
    """`tree` with a copy on every local device."""
    return jax.device_put(tree, NamedSharding(mesh(), PartitionSpec()))


def one_per_core(at_most: int) -> None:
    """Make each core of the CPU a device, `at_most` so many, for networks whose steps are too small to share among cores.

    Without effect once JAX has begun, or where the environment says how many there are.
    """
    told = jax.config.jax_num_cpu_devices >= 0 or "xla_force_host_platform_device_count" in os.environ.get("XLA_FLAGS", "")  # type: ignore[attr-defined]
    if not told:
        try:
            jax.config.update("jax_num_cpu_devices", max(1, min(at_most, os.cpu_count() or 1)))
        except RuntimeError:  # JAX has begun
            return
