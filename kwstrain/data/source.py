"""From the clips of a split to the blocks and batches that the compiled steps take.

A split that fits lies on the device once; a larger one is read from the memory map by a thread, a few steps ahead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import repeat
from typing import Any, Protocol

import jax
import numpy as np
from numpy.typing import NDArray

from kwsfeat import FreshFeatures
from kwstrain.config import TrainConfig
from kwstrain.data.ahead import ReadAhead
from kwstrain.data.batches import Batches, Block, dispatches, on_devices
from kwstrain.data.clips import Clips, frame_range
from kwstrain.data.negatives import Negatives
from kwstrain.data.order import Windows
from kwstrain.data.prefetch import prefetch
from kwstrain.data.streams import Streams, n_frames_of_example
from kwstrain.devices import everywhere, n_processes, replicated

_STREAM_BLOCK_BYTES = 64 << 20


class Source(Protocol):
    """Where the blocks of a split come from."""

    def chunks(self, batches: Batches, epoch: int) -> Iterator[tuple[Block, Batches]]:
        """One block and its batches, on the device, for each compiled call."""
        ...

    def outline(self, batches: Batches) -> tuple[Block, Batches]:
        """What :meth:`chunks` gives of these batches for each call, as far as a program depends on it: shapes, dtypes, places."""
        ...


class Resident:
    """The whole split on the device."""

    def __init__(self, clips: Clips, *, steps: int) -> None:
        self._block = replicated(clips.load(clips.rows))
        self._steps = steps

    def chunks(self, batches: Batches, epoch: int) -> Iterator[tuple[Block, Batches]]:
        """The one block, again and again."""
        for group in dispatches(batches, self._steps):
            yield self._block, replicated(group)

    def outline(self, batches: Batches) -> tuple[Block, Batches]:
        """Of the one block."""
        return self._block, _outlined(next(dispatches(batches, self._steps)))


class Streamed:
    """Blocks made by a thread ahead of their use: `load(rows of the file, epoch)` gives their clips in order.

    `clip` is the outline of one clip's features. With `ahead`, the system reads what the thread will want.
    """

    def __init__(
        self, clips: Clips, load: Callable[[NDArray[np.int64], int], Block], clip: jax.ShapeDtypeStruct, *, steps: int, parts: int = 1,
        ahead: ReadAhead | None = None,
    ) -> None:  # fmt: skip
        self._clip = clip
        self._parts = parts
        self._ahead = ahead
        self._rows = clips.rows
        self._load = load
        self._steps = steps

    def chunks(self, batches: Batches, epoch: int) -> Iterator[tuple[Block, Batches]]:
        """A block with just the clips of each call, one after the other."""
        return prefetch(self._blocks(batches, epoch))

    def outline(self, batches: Batches) -> tuple[Block, Batches]:
        """Of the blocks of one process."""
        group = next(dispatches(batches, self._steps))
        n, number = group.rows.size, jax.ShapeDtypeStruct((group.rows.size,), np.int32)
        features = jax.ShapeDtypeStruct((n, *self._clip.shape), self._clip.dtype)
        return _outlined((Block(features, number, number, number), group))  # type: ignore[no-any-return]

    def _blocks(self, batches: Batches, epoch: int) -> Iterator[tuple[Block, Batches]]:
        if self._ahead:
            self._ahead.begin(batches.rows)
        for i, group in enumerate(dispatches(batches, self._steps), start=1):
            if self._ahead:
                self._ahead.advance(i * self._steps)
            n_real = int(np.count_nonzero(group.weight.any(axis=1)))
            yield on_devices(partial(self._padded, epoch, n_real), self._rows[group.rows], group.weight, self._parts)

    def _padded(self, epoch: int, n_real: int, rows: NDArray[np.int64]) -> Block:
        """The clips of a call; the steps that fill up the last one are not read."""
        n_steps, axis = rows.shape[-2], rows.ndim - 2
        block = self._load(rows.take(range(n_real), axis), epoch)
        if n_real == n_steps:
            return block
        shaped = [part.reshape(*rows.shape[:axis], n_real, rows.shape[-1], *part.shape[1:]) for part in block]
        fill = [(0, 0)] * axis + [(0, n_steps - n_real)]
        padded = [np.pad(part, fill + [(0, 0)] * (part.ndim - len(fill))) for part in shaped]
        return Block(*(part.reshape(rows.size, *part.shape[rows.ndim :]) for part in padded))


def _outlined(tree: Any) -> Any:
    """Of arrays that :func:`~kwstrain.devices.replicated` puts on the devices."""
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=everywhere()), tree)


def _augmented(clips: Clips, recipe: str, seed: int) -> Callable[[NDArray[np.int64], int], Block]:
    """Draws augmentation for each clip anew in each epoch, and extracts the features of what it gives."""
    fresh = FreshFeatures(clips.reader, recipe, clips.reader.config(clips.name), seed, rows=clips.rows)

    def load(rows: NDArray[np.int64], epoch: int) -> Block:
        with ThreadPoolExecutor(fresh.threads) as pool:
            parts = list(pool.map(fresh.batch, rows.reshape(-1, rows.shape[-1]), repeat(epoch)))
        features, label, length = (np.concatenate([getattr(part, name) for part in parts]) for name in ("features", "label", "length"))
        return Block(features, label, *frame_range(fresh.config, length))

    return load


def loader(
    clips: Clips, config: TrainConfig, augment: str = "off", negatives: Negatives | None = None
) -> Callable[[NDArray[np.int64], int], Block]:
    """What makes a block of rows of the file (n_steps, batch) in an epoch: their clips, augmented ones, or streams around them."""
    if config.stream:
        return Streams(clips, config, augment, negatives).load
    return clips.load if augment == "off" else _augmented(clips, augment, config.seed)


def _outline_of_clip(clips: Clips, config: TrainConfig, augment: str) -> jax.ShapeDtypeStruct:
    """The features of a clip as :func:`loader` gives them."""
    shape = clips.reader.config(clips.name).shape
    if config.stream:
        shape = (n_frames_of_example(config, clips.reader.config(clips.name)), shape[1])
    is_made = config.stream or augment != "off"
    return jax.ShapeDtypeStruct(shape, np.float32 if is_made else clips.reader.features(clips.name).dtype)


def stored(clips: Clips, config: TrainConfig, augment: str) -> tuple[str, int]:
    """What :func:`loader` reads of each clip, its features or its samples: where that lies in a file, and its bytes."""
    path = "audio" if config.stream or augment != "off" else f"features/{clips.name}"
    values = clips.reader.map(path)
    return path, values.nbytes // len(values)


def source(
    clips: Clips, config: TrainConfig, *, batch: int, augment: str = "off", negatives: Negatives | None = None, parts: int = 1
) -> Source:
    """On the device when `clips` take up to `resident_mb` and are not augmented, else streamed in blocks of bounded size.

    `batch` is the size of the batches that the source will be asked for; a call takes as many clips whatever that is. Each of
    several processes streams its own clips. `parts` are those that a batch is accumulated in.
    """
    steps = min(max(1, config.steps_per_dispatch * config.batch // batch), -(-len(clips) // batch))
    is_small = clips.nbytes <= _resident_bytes(config.resident_mb)
    if is_small and augment == "off" and not config.stream and n_processes() == 1:
        return Resident(clips, steps=steps)
    load = loader(clips, config, augment, negatives)
    longer = 1 + config.context_s * clips.reader.clip.sr / clips.reader.clip.n_samples if config.stream else 1
    in_block = int(_STREAM_BLOCK_BYTES * len(clips) / (clips.nbytes * batch * longer))
    path, row_bytes = stored(clips, config, augment)
    windows = Windows.of(len(clips), row_bytes, batch)
    ahead = ReadAhead(clips.reader, path, clips.rows, windows, parts) if windows else None
    return Streamed(clips, load, _outline_of_clip(clips, config, augment), steps=max(1, min(steps, in_block)), parts=parts, ahead=ahead)


def _resident_bytes(resident_mb: int) -> int:
    if resident_mb >= 0:
        return resident_mb << 20
    memory = jax.local_devices()[0].memory_stats() or {}  # None on a CPU
    return int(memory.get("bytes_limit", 1 << 30)) // 4
