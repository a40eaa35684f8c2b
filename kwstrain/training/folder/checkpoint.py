"""The state of a run after an epoch, complete and atomic: a run that goes on from it ends like one that never stopped."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import jax
import numpy as np

from kwsfeat import ConfigError, StoreError
from kwstrain.config import TrainConfig
from kwstrain.devices import replicated
from kwstrain.io import load_arrays, save_arrays
from kwstrain.models import spec

T = TypeVar("T")

# A run may be continued with these changed; any other difference would make it another run.
_MAY_DIFFER = {"epochs", "steps", "patience", "steps_per_dispatch", "resident_mb", "gradient_histograms"}


@dataclass
class Progress:
    """How far a run has come. `best` is the lowest monitored value (accuracy negated), reached in `best_epoch` (from 1)."""

    epoch: int = 0
    best: float = float("inf")
    best_epoch: int = 0
    seconds: float = 0.0
    records: list[dict[str, Any]] = field(default_factory=list)


def save(path: Path, state: Any, progress: Progress, config: TrainConfig) -> None:
    """Write `state` (a tree of arrays) and `progress` to one file."""
    leaves = {f"leaf{i:05d}": np.asarray(_plain(leaf)) for i, leaf in enumerate(jax.tree.leaves(state))}
    about = json.dumps({"progress": asdict(progress), "train": config.to_dict()})
    save_arrays(path, {"about": np.frombuffer(about.encode(), np.uint8), **leaves})


def load(path: Path, like: T, config: TrainConfig) -> tuple[T, Progress]:
    """The inverse of :func:`save`; `like` gives the structure.

    Raises
    ------
    StoreError
        If there is no checkpoint, or it does not fit the network.
    ConfigError
        If the run was started with other choices, naming them.
    """
    try:
        arrays = load_arrays(path)
    except FileNotFoundError:
        raise StoreError(f"{path.parent} holds no checkpoint to resume: start without --resume") from None
    try:
        about = json.loads(arrays.pop("about").tobytes())
        progress = Progress(**about["progress"])
        started = TrainConfig.from_dict(about["train"])
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise StoreError(f"{path} is damaged ({type(error).__name__}: {error}): start without --resume") from None
    same = _MAY_DIFFER | ({"options"} if _same_options(config, started) else set())
    changed = [f"{name}: {now!r}, was {was!r}" for name, (now, was) in config.differences(started).items() if name not in same]
    if changed:
        raise ConfigError(f"{path.parent} was started with other choices ({'; '.join(changed)}): repeat them, or start without --resume")
    leaves, structure = jax.tree.flatten(like)
    stored = [arrays.get(f"leaf{i:05d}") for i in range(len(leaves))]
    if len(arrays) != len(leaves) or any(one is None or one.shape != _plain(leaf).shape for one, leaf in zip(stored, leaves, strict=True)):
        raise StoreError(f"{path} does not fit the network: it belongs to another version; start without --resume")
    restored = [_like(value, leaf) for value, leaf in zip(stored, leaves, strict=True)]
    return jax.tree.unflatten(structure, restored), progress


def _same_options(one: TrainConfig, other: TrainConfig) -> bool:
    """Whether the network's options mean the same, by whatever name and with whatever left at its default."""
    options = [spec(config.arch).options.changed(config.options, of=config.arch) for config in (one, other) if config.arch == one.arch]
    return len(options) == 2 and options[0] == options[1]


def _plain(leaf: Any) -> Any:
    return jax.random.key_data(leaf) if jax.numpy.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf


def _like(value: Any, leaf: Any) -> Any:
    if jax.numpy.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        value = jax.random.wrap_key_data(value, impl=jax.random.key_impl(leaf))
    return replicated(value)
