"""Where the work runs: all devices in a row, of all processes, each with its share of every batch."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from numpy.typing import NDArray

from kwsfeat import thread_count

AXIS = "batch"  # of the mesh
_BY_BATCH = PartitionSpec(AXIS)
_alone = False


@contextmanager
def alone() -> Iterator[None]:
    """Inside, this process works on its own devices by itself, whatever others there are."""
    global _alone
    before, _alone = _alone, True
    try:
        yield
    finally:
        _alone = before


def devices() -> list[jax.Device]:
    """Those that the work is divided among, process after process."""
    return jax.local_devices() if _alone else jax.devices()


def n_devices() -> int:
    """How many these are."""
    return len(devices())


def n_processes() -> int:
    """How many processes they belong to."""
    return 1 if _alone else jax.process_count()


def mesh() -> Mesh:
    """All devices in one row; batches are divided among them."""
    return Mesh(np.array(devices()), (AXIS,), axis_types=(AxisType.Auto,))


def everywhere() -> NamedSharding:
    """Of an array with a copy on every device."""
    return NamedSharding(mesh(), PartitionSpec())


def replicated(tree: Any) -> Any:
    """`tree` with a copy on every device; every process has the same one."""
    whole = everywhere()
    if n_processes() == 1:
        return jax.device_put(tree, whole)

    def copied(leaf: Any) -> Any:
        if jnp.issubdtype(jnp.asarray(leaf).dtype, jax.dtypes.prng_key):
            return jax.random.wrap_key_data(copied(jax.random.key_data(leaf)), impl=jax.random.key_impl(leaf))
        values = np.asarray(leaf)
        return jax.make_array_from_callback(values.shape, whole, values.__getitem__)

    return jax.tree.map(copied, tree)


def own_columns(n_columns: int, parts: int) -> NDArray[np.int64]:
    """Which columns of a step's batch the devices of this process take, device by device: shape (n_local_devices, n).

    Each of the `parts` of a batch is divided among all devices.
    """
    columns = np.arange(n_columns).reshape(parts, n_devices(), -1)
    mine = [i for i, device in enumerate(devices()) if device.process_index == jax.process_index()]
    return columns[:, mine].swapaxes(0, 1).reshape(len(mine), -1)


def of_processes(tree: Any) -> Any:
    """Arrays whose first axis is divided among all devices, from what each process has for its own."""
    by_device = NamedSharding(mesh(), _BY_BATCH)
    return jax.tree.map(lambda own: jax.make_array_from_process_local_data(by_device, own), tree)


def rows_of(array: jax.Array, rows: jax.Array) -> jax.Array:
    """Inside a compiled function: some rows of an array that lies on every device; with several processes, those of its own part."""
    if n_processes() == 1:
        return array[rows]
    specs = (_BY_BATCH, _BY_BATCH)
    return jax.shard_map(lambda own, chosen: own[chosen], mesh=mesh(), in_specs=specs, out_specs=_BY_BATCH)(array, rows)  # type: ignore[no-any-return]


def here(tree: Any) -> Any:
    """Arrays that are the same on all devices, as this process has them: what one process does with them, the others need not do."""
    return tree if n_processes() == 1 else jax.tree.map(lambda leaf: leaf.addressable_data(0), tree)


def whole(tree: Any) -> Any:
    """Inside a compiled function: results that every process can read."""
    if n_processes() == 1:
        return tree
    return jax.lax.with_sharding_constraint(tree, everywhere())


def divided(tree: Any) -> Any:
    """Inside a compiled function: arrays whose first axis is the batch, each device with its part."""
    return jax.lax.with_sharding_constraint(tree, NamedSharding(mesh(), _BY_BATCH))


def per_device(function: Callable[..., Any], *, n_shared: int) -> Callable[..., Any]:
    """`function`, run by each device on its part of the batch; its first `n_shared` arguments are whole on every device.

    For a network that works step by step in time: the compiler alone would let every device run the loop for the whole batch.
    `function` gives (logits, state): the logits of its part, and a state that is the same on all devices.
    """
    if n_devices() == 1:
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
