"""Clips in memory and the batches made of them: what the compiled functions take.

A call gets a block of clips and the rows of each batch in it. The block is the whole split when that lies on the device, or
the clips of just these steps when they come from the file: one function serves both, and shapes never change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from kwstrain.devices import divided, n_devices, n_processes, of_processes, own_columns, replicated, rows_of


class Block(NamedTuple):
    """Clips: features float32 (n, n_frames, n_features), label int32 (n,), first and last int32 (n,): real frames [first, last)."""

    features: Any
    label: Any
    first: Any
    last: Any


class Batches(NamedTuple):
    """Steps of one call: rows int32 (n_steps, batch) into a block, weight float32 (n_steps, batch), 0 for fillers."""

    rows: Any
    weight: Any


def take(block: Block, rows: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Inside a compiled function: a batch as x (batch, n_frames, n_features) and mask (batch, n_frames), divided among the devices."""
    x = rows_of(block.features, rows).astype(jnp.float32)
    frame = jnp.arange(x.shape[1])
    mask = (frame >= rows_of(block.first, rows)[:, None]) & (frame < rows_of(block.last, rows)[:, None])
    x, mask = divided((x, mask))
    return x, mask


def on_devices(load: Callable[[NDArray[np.int64]], Block], rows: NDArray[np.int64], weight: NDArray[np.float32], parts: int = 1) -> Any:
    """The clips at `rows` (n_steps, width), a block on the devices, and the batches that take them from it, for one compiled call.

    With several processes, each loads the clips of its own devices. `parts` are those that a batch is accumulated in.
    """
    n_steps, width = rows.shape
    if n_processes() == 1:
        return replicated((load(rows), Batches(np.arange(rows.size, dtype=np.int32).reshape(rows.shape), weight)))
    own = own_columns(width, parts)
    block = load(rows[:, own].swapaxes(0, 1))
    place = np.arange(n_steps * own.shape[1], dtype=np.int32).reshape(n_steps, parts, 1, -1)  # in the part of whatever device
    places = np.broadcast_to(place, (n_steps, parts, n_devices(), place.shape[-1])).reshape(rows.shape)
    return of_processes(block), replicated(Batches(np.ascontiguousarray(places), weight))


def plan(n_clips: int, batch: int, *, rng: np.random.Generator | None = None, parts: int = 1) -> Batches:
    """Every clip once, in random order when `rng` is given; see :func:`in_batches`."""
    return in_batches(np.arange(n_clips) if rng is None else rng.permutation(n_clips), batch, parts=parts)


def in_batches(order: NDArray[np.int64], batch: int, *, parts: int = 1) -> Batches:
    """Clips in the given order as positions (n_steps, width) and weights.

    The last batch is filled up with clips of weight 0, so that no shape changes and batch norm still sees real clips. The
    width is `batch` rounded up so that each of `parts` can be divided among the devices.
    """
    multiple = n_devices() * parts
    n_clips, width = len(order), -(-batch // multiple) * multiple
    n_steps = -(-n_clips // batch)
    rows = np.resize(order, (n_steps, batch))
    weight = (np.arange(n_steps * batch) < n_clips).reshape(n_steps, batch)
    fill = ((0, 0), (0, width - batch))
    return Batches(np.pad(rows, fill, mode="wrap").astype(np.int32), np.pad(weight, fill).astype(np.float32))


def dispatches(batches: Batches, n_steps: int) -> Iterator[Batches]:
    """`batches` in groups of exactly `n_steps`; the last is filled up with steps of weight 0."""
    for start in range(0, len(batches.rows), n_steps):
        rows, weight = batches.rows[start : start + n_steps], batches.weight[start : start + n_steps]
        fill = ((0, n_steps - len(rows)), (0, 0))
        yield Batches(np.pad(rows, fill), np.pad(weight, fill))
