"""From a feature file to the blocks and batches that the compiled steps take.

A split that fits lies on the device once; a larger one is read from the memory map by a thread, a few steps ahead.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from typing import Protocol, TypeVar

import jax
import numpy as np
from numpy.typing import NDArray

from kwsfeat import FeatureConfig, FreshFeatures, Reader
from kwstrain.config import TrainConfig
from kwstrain.training.devices import replicated
from kwstrain.training.step import Batches, Block

T = TypeVar("T")

_STREAM_BLOCK_BYTES = 64 << 20
_READ_AHEAD = 2


@dataclass(frozen=True)
class Clips:
    """Some rows of one feature set: what a split is made of. Unlabelled rows are left out by :func:`select`."""

    reader: Reader
    name: str
    rows: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def label(self) -> NDArray[np.int32]:
        """Class of each clip, int32, shape (n,)."""
        return np.asarray(self.reader.label[self.rows], np.int32)

    @property
    def nbytes(self) -> int:
        """Size of the features in bytes."""
        features = self.reader.features(self.name)
        return int(len(self) * features.nbytes / len(features))

    def load(self, rows: NDArray[np.int64], epoch: int = 0) -> Block:
        """The clips at `rows` of the file (of any shape, taken in order), in memory; the same in every epoch."""
        rows = rows.ravel()
        first, last = frame_range(self.reader.config(self.name), self.reader.length[rows])
        return Block(self.reader.features(self.name)[rows], np.asarray(self.reader.label[rows], np.int32), first, last)


def select(reader: Reader, name: str, rows: NDArray[np.int64]) -> Clips:
    """The labelled ones among `rows`."""
    return Clips(reader, name, rows[reader.label[rows] >= 0])


def frame_range(config: FeatureConfig, length: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """The frames ``[first, last)`` that begin in the recording and not in the zeros that filled it up; at least one.

    `length` int32 (n,) are the real samples of each clip; both results are int32 (n,).
    """
    before = {"end": 0, "front": 2, "center": 1}[config.pad] * (config.n_samples - length) // 2
    hop = 1 if config.output == "waveform" else config.hop_length
    first = np.minimum(before // hop, config.n_frames - 1)
    last = np.clip(-(-(before + length) // hop), first + 1, config.n_frames)
    return first.astype(np.int32), last.astype(np.int32)


def plan(n_clips: int, batch: int, *, rng: np.random.Generator | None = None) -> Batches:
    """Every clip once, in random order when `rng` is given, as positions (n_steps, width) and weights.

    The last batch is filled up with clips of weight 0, so that no shape changes and batch norm still sees real clips. The
    width is `batch` rounded up to the number of local devices.
    """
    width = -(-batch // jax.local_device_count()) * jax.local_device_count()
    n_steps = -(-n_clips // batch)
    order = np.arange(n_clips) if rng is None else rng.permutation(n_clips)
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


class Source(Protocol):
    """Where the blocks of a split come from."""

    def chunks(self, batches: Batches, epoch: int) -> Iterator[tuple[Block, Batches]]:
        """One block and its batches, on the device, for each compiled call."""
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


class Streamed:
    """Blocks made by a thread ahead of their use: `load(rows of the file (n_steps, batch), epoch)` gives their clips in order."""

    def __init__(self, clips: Clips, load: Callable[[NDArray[np.int64], int], Block], *, steps: int) -> None:
        self._rows = clips.rows
        self._load = load
        self._steps = steps

    def chunks(self, batches: Batches, epoch: int) -> Iterator[tuple[Block, Batches]]:
        """A block with just the clips of each call, one after the other."""
        return prefetch(self._blocks(batches, epoch))

    def _blocks(self, batches: Batches, epoch: int) -> Iterator[tuple[Block, Batches]]:
        for group in dispatches(batches, self._steps):
            n_real = np.count_nonzero(group.weight.any(axis=1))
            block = self._load(self._rows[group.rows[:n_real]], epoch)
            if n_real < len(group.rows):  # the steps that fill up the last call are not read
                missing = group.rows.size - len(block.label)
                block = Block(*(np.pad(part, [(0, missing), *[(0, 0)] * (part.ndim - 1)]) for part in block))
            in_order = np.arange(group.rows.size, dtype=np.int32).reshape(group.rows.shape)
            yield replicated((block, Batches(in_order, group.weight)))


def _augmented(clips: Clips, recipe: str, seed: int) -> Callable[[NDArray[np.int64], int], Block]:
    """Draws augmentation for each clip anew in each epoch, and extracts the features of what it gives."""
    fresh = FreshFeatures(clips.reader, recipe, clips.reader.config(clips.name), seed, rows=clips.rows)

    def load(rows: NDArray[np.int64], epoch: int) -> Block:
        with ThreadPoolExecutor(fresh.threads) as pool:
            parts = list(pool.map(fresh.batch, rows, repeat(epoch)))
        features, label, length = (np.concatenate([getattr(part, name) for part in parts]) for name in ("features", "label", "length"))
        return Block(features, label, *frame_range(fresh.config, length))

    return load


def source(clips: Clips, config: TrainConfig, *, augment: str = "off") -> Source:
    """On the device when `clips` take up to `resident_mb` and are not augmented, else streamed in blocks of bounded size."""
    steps = min(config.steps_per_dispatch, -(-len(clips) // config.batch))
    if augment == "off" and clips.nbytes <= _resident_bytes(config.resident_mb):
        return Resident(clips, steps=steps)
    in_block = _STREAM_BLOCK_BYTES * len(clips) // (clips.nbytes * config.batch)
    load = clips.load if augment == "off" else _augmented(clips, augment, config.seed)
    return Streamed(clips, load, steps=max(1, min(steps, in_block)))


def _resident_bytes(resident_mb: int) -> int:
    if resident_mb >= 0:
        return resident_mb << 20
    memory = jax.local_devices()[0].memory_stats() or {}  # None on a CPU
    return int(memory.get("bytes_limit", 1 << 30)) // 4


def prefetch(items: Iterator[T]) -> Iterator[T]:
    """`items`, made by a thread that stays a little ahead; its exception is raised here, and it ends with this iterator."""
    ready: queue.Queue[tuple[T | None, BaseException | None]] = queue.Queue(_READ_AHEAD)
    stopped = threading.Event()

    def put(entry: tuple[T | None, BaseException | None]) -> None:
        while not stopped.is_set():
            try:
                ready.put(entry, timeout=0.1)
                return
            except queue.Full:
                continue

    def work() -> None:
        try:
            for item in items:
                put((item, None))
                if stopped.is_set():
                    return
            put((None, StopIteration()))
        except BaseException as error:
            put((None, error))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        while True:
            item, error = ready.get()
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            yield item  # type: ignore[misc]  # an item without an error is a T
    finally:
        stopped.set()
        thread.join()
