"""Recordings in, labels out: streamed in batches, with the features that the run was trained on."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path

import jax
import numpy as np
from flax import nnx
from numpy.typing import NDArray

from kwsfeat import AudioError, CorpusError, FrontEnd, load_clip
from kwstrain.bundle import Bundle
from kwstrain.data import frame_range, prefetch
from kwstrain.metrics import probabilities
from kwstrain.step import Batches, Block, forward_function, replicated

SUFFIXES = {".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au"}

_BATCH = 256  # clips that are decoded together
_IN_CACHE = 8  # clips whose convolution maps a CPU keeps near: three times as fast as all of a batch at once


@dataclass(frozen=True)
class Prediction:
    """The most probable class of one recording; `error` says why there is none, and `label` is then empty."""

    path: Path
    label: str = ""
    probability: float = 0.0
    error: str = ""


def predict(run: str | Path, paths: Sequence[Path], *, threads: int | None = None) -> Iterator[Prediction]:
    """Classify recordings, in the order given.

    At most a few batches of 256 clips are in memory, however many `paths` there are.

    Parameters
    ----------
    run : path
        A run folder.
    paths : sequence of path
        Anything that libsndfile reads. One that cannot be read gives a Prediction with `error`.
    threads : int >= 1, optional
        For decoding and features; all processors without it.

    Raises
    ------
    StoreError
        If `run` is no complete run folder.
    """
    bundle = Bundle.load(run)
    forward = forward_function(bundle.model, mean=bundle.mean, std=bundle.std)
    variables = [nnx.state(bundle.model)]
    for group, errors, block in prefetch(_blocks(bundle, paths, threads or os.cpu_count() or 1)):
        n_rows = len(block.label)
        n_clips = _clips_a_step(bundle, n_rows)
        batches = Batches(np.arange(n_rows, dtype=np.int32).reshape(-1, n_clips), np.ones((n_rows // n_clips, n_clips), np.float32))
        logits = np.asarray(forward(variables, block, replicated(batches))).reshape(n_rows, -1)
        given = probabilities(logits, bundle.config.loss)
        best = given.argmax(axis=1)
        for i, (path, error) in enumerate(zip(group, errors, strict=True)):
            yield Prediction(path, error=error) if error else Prediction(path, bundle.labels[best[i]], float(given[i, best[i]]))


def recordings(folder: Path) -> list[Path]:
    """Every recording below `folder`, sorted.

    Raises
    ------
    CorpusError
        If there is none.
    """
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not found:
        raise CorpusError(f"{folder} holds no recordings ({', '.join(sorted(SUFFIXES))})")
    return found


def _clips_a_step(bundle: Bundle, n_rows: int) -> int:
    """All of a block at once on accelerators, and in an LSTM, whose steps follow each other anyway; else what a cache holds."""
    whole = jax.default_backend() != "cpu" or jax.local_device_count() > 1 or "lstm" in bundle.config.arch or n_rows % _IN_CACHE
    return n_rows if whole else _IN_CACHE


def _blocks(bundle: Bundle, paths: Sequence[Path], threads: int) -> Iterator[tuple[Sequence[Path], list[str], Block]]:
    """Groups of paths with what was wrong with each and their features; every block has the same number of rows."""
    config = bundle.feature_config
    front_end = FrontEnd(config)
    n_devices = jax.local_device_count()
    n_rows = -(-min(_BATCH, len(paths)) // n_devices) * n_devices
    audio = np.zeros((n_rows, config.n_samples), np.int16)
    length = np.ones(n_rows, np.int32)
    with ThreadPoolExecutor(threads) as pool:
        for start in range(0, len(paths), n_rows):
            group = paths[start : start + n_rows]
            errors = list(pool.map(_load, group, repeat(bundle), audio, _cells(length)))
            features = front_end.extract_batch(audio, threads=threads, lengths=length)
            first, last = frame_range(config, length)
            yield group, errors, replicated(Block(features, np.zeros(n_rows, np.int32), first, last))


def _cells(array: NDArray[np.int32]) -> Iterable[NDArray[np.int32]]:
    return (array[i : i + 1] for i in range(len(array)))


def _load(path: Path, bundle: Bundle, out: NDArray[np.int16], length: NDArray[np.int32]) -> str:
    """Read one clip into `out`; gives back what was wrong, or nothing."""
    try:
        _, length[0] = load_clip(path, bundle.feature_config, out=out)
    except AudioError as error:
        out[:] = 0
        return str(error)
    return ""
