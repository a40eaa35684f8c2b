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
from kwstrain.inference.bundle import save_arrays

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
    if not path.is_file():
        raise StoreError(f"{path.parent} holds no checkpoint to resume: start without --resume")
    with np.load(path, allow_pickle=False) as arrays:
        about = json.loads(arrays["about"].tobytes())
        differences = config.differences(TrainConfig.from_dict(about["train"]))
        if changed := [f"{name}: {now!r}, was {was!r}" for name, (now, was) in differences.items() if name not in _MAY_DIFFER]:
            raise ConfigError(
                f"{path.parent} was started with other choices ({'; '.join(changed)}): repeat them, or start without --resume"
            )
        leaves, structure = jax.tree.flatten(like)
        if len(arrays.files) != len(leaves) + 1:
            raise StoreError(f"{path} has {len(arrays.files) - 1} arrays, the network needs {len(leaves)}: start without --resume")
        restored = [_like(arrays[f"leaf{i:05d}"], leaf) for i, leaf in enumerate(leaves)]
    return jax.tree.unflatten(structure, restored), Progress(**about["progress"])


def _plain(leaf: Any) -> Any:
    return jax.random.key_data(leaf) if jax.numpy.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf


def _like(value: Any, leaf: Any) -> Any:
    if jax.numpy.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        value = jax.random.wrap_key_data(value, impl=jax.random.key_impl(leaf))
    return jax.device_put(value, leaf.sharding)
