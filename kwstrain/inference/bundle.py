"""The run folder: everything that a trained network needs to meet a recording again, without pickle.

``bundle.json`` holds the choices, the labels, the training statistics and the versions; ``weights.npz`` the arrays by name.
JAX is imported by what makes a network of them, and not before: a run can be read where there is none.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import kwsfeat
from kwsfeat import ConfigError, FeatureConfig, Reader, StoreError, unknown_name
from kwstrain.config import TrainConfig
from kwstrain.io import load_arrays, read_json, write_atomic

if TYPE_CHECKING:
    import jax
    from flax import nnx

    from kwstrain.models import Network

FORMAT = "kwstrain-run"
FORMAT_VERSION = 2  # 2 added `algorithm`
_KEYS = {
    "format", "format_version", "created", "train", "feature_name", "feature_fingerprint", "features", "labels", "mean", "std", "data",
    "parameters", "algorithm", "clips", "splits", "versions",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """A run folder.

    `mean` and `std` float32 (n_features,) are what the network's input is standardised with. `algorithm` is the version of the
    algorithm that computed the features it was trained on. `clips` is a digest of what it was trained and validated on, `splits`
    of what the file had for that, which with folds is something else; both are empty in earlier runs.
    """

    folder: Path
    config: TrainConfig
    feature_name: str
    feature_config: FeatureConfig
    labels: tuple[str, ...]
    mean: NDArray[np.float32]
    std: NDArray[np.float32]
    data: str
    parameters: dict[str, int]
    algorithm: int = 1
    clips: str = ""
    splits: str = ""

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Bundle:
        """Read ``bundle.json``.

        Raises
        ------
        StoreError
            If `folder` is not a run, or one of another version.
        """
        folder = Path(folder)
        path = folder / "bundle.json"
        try:
            values = read_json(path)
        except (FileNotFoundError, NotADirectoryError):
            raise StoreError(_waiting(folder) or f"{folder} is not a run folder (no bundle.json): kwstrain fit makes one") from None
        _check_format(path, values)
        feature_config = FeatureConfig.from_dict(_part(path, values, "features", dict))
        bundle = cls(
            folder=folder,
            config=TrainConfig.from_dict(_part(path, values, "train", dict)),
            feature_name=_part(path, values, "feature_name", str),
            feature_config=feature_config,
            labels=tuple(_part(path, values, "labels", list)),
            mean=_statistic(path, values, "mean", feature_config.shape[1]),
            std=_statistic(path, values, "std", feature_config.shape[1]),
            data=_part(path, values, "data", str),
            parameters=_part(path, values, "parameters", dict),
            algorithm=_part(path, {"algorithm": 1, **values}, "algorithm", int),
            clips=_part(path, {"clips": "", **values}, "clips", str),
            splits=_part(path, {"splits": "", **values}, "splits", str),
        )
        if not all(isinstance(label, str) for label in bundle.labels) or len(set(bundle.labels)) < max(2, len(bundle.labels)):
            raise StoreError(f"{path} is damaged: labels must be two or more different texts")
        if not (bundle.std > 0).all():
            raise StoreError(f"{path} is damaged: std must be > 0 for every feature")
        return bundle

    def save(self) -> None:
        """Write ``bundle.json``."""
        values = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "train": self.config.to_dict(),
            "feature_name": self.feature_name,
            "feature_fingerprint": self.feature_config.fingerprint,
            "features": self.feature_config.to_dict(),
            "labels": list(self.labels),
            "mean": self.mean.tolist(),
            "std": self.std.tolist(),
            "data": self.data,
            "parameters": self.parameters,
            "algorithm": self.algorithm,
            "clips": self.clips,
            "splits": self.splits,
            "versions": versions(),
        }
        write_atomic(self.folder / "bundle.json", json.dumps(values, indent=1).encode())

    def check(self, reader: Reader) -> str:
        """The name of the feature set in `reader` that this network was trained on.

        Raises
        ------
        ConfigError
            If no feature set has the same fingerprint, with the fields that differ; if another algorithm computed it; or if a
            label is new.
        """
        name = self.check_features(reader)
        if reader.labels != self.labels:
            theirs = f"the labels {', '.join(reader.labels)}" if reader.labels else "no labels"
            raise ConfigError(f"{reader.path} has {theirs}; {self.folder} was trained on {', '.join(self.labels)}")
        return name

    def check_features(self, reader: Reader, wanted: str = "") -> str:
        """:meth:`check` but for the labels; the features must be those called `wanted`, where that is given."""
        name: str
        for name in reader.feature_names:
            if reader.config(name).fingerprint == self.feature_config.fingerprint:
                break
        else:
            name = self.feature_name if self.feature_name in reader.feature_names else reader.feature_names[0]
            differences = "; ".join(self.feature_config.differences(reader.config(name)))
            raise ConfigError(
                f"{reader.path}: its features {name!r} are not those that {self.folder} was trained on (run != file): {differences}"
            )
        if wanted and reader.config(wanted).fingerprint != self.feature_config.fingerprint:
            raise ConfigError(
                f"{self.folder} was trained on the features {name!r} of {reader.path}, not {wanted!r}: give --features {name}"
            )
        if reader.algorithm(name) != self.algorithm:
            raise ConfigError(
                f"{reader.path} has features of algorithm version {reader.algorithm(name)}, {self.folder} was trained on version "
                f"{self.algorithm}: build the file again with the kwsfeat that made the other"
            )
        return name

    @property
    def fingerprint(self) -> str:
        """16 digits that differ whenever the network would answer otherwise."""
        digest = hashlib.sha256(f"{self.config.arch} {self.config.options}".encode())
        for name, value in sorted(self.weights.items()):
            digest.update(f"{name} {value.dtype} {value.shape}".encode() + value.tobytes())
        return digest.hexdigest()[:16]

    @cached_property
    def model(self) -> Network:
        """The network with its best weights, in evaluation mode.

        Raises
        ------
        StoreError
            If there are no weights, or they are damaged or those of another network.
        """
        import jax
        from flax import nnx

        from kwstrain.models import create_shapes

        model = self._new_model(create_shapes)
        nnx.update(model, jax.tree.map(_no_key, nnx.state(model, nnx.RngState)))
        set_weights(model, self.weights, where=str(self.folder / "weights.npz"))
        model.eval()  # type: ignore[no-untyped-call]
        return model

    @cached_property
    def weights(self) -> dict[str, NDArray[Any]]:
        """The arrays of the network by name, as :func:`weights_of` names them, with the statistics of its input.

        Raises
        ------
        StoreError
            If there are none, or the file is damaged.
        """
        try:
            arrays = load_arrays(self.folder / "weights.npz")
        except FileNotFoundError:
            cure = "its training ended before the first epoch; run kwstrain fit again"
            raise StoreError(_waiting(self.folder) or f"{self.folder} holds no weights: {cure}") from None
        # Runs of version 0.1.0 kept the statistics in bundle.json alone.
        return {"input_norm/mean": self.mean, "input_norm/std": self.std, **arrays}

    @cached_property
    def threshold(self) -> float | None:
        """The probability below which an answer is no answer; None where the validation clips were too few, and in earlier runs.

        Raises
        ------
        StoreError
            If ``summary.json`` is damaged.
        """
        path = self.folder / "summary.json"
        try:
            value = read_json(path).get("threshold")
        except FileNotFoundError:
            return None
        if value is not None and not (isinstance(value, float) and 0 <= value <= 1):
            raise StoreError(f"{path} is damaged: threshold is {value!r}, not a number from 0 to 1; copy it again, or train again")
        return value

    def _new_model(self, make: Callable[..., Network] | None = None) -> Network:
        """The network with random weights, or what `make` makes of the same choices."""
        from kwstrain.models import create

        return (make or create)(
            self.config.arch,
            input_shape=self.feature_config.shape,
            n_classes=len(self.labels),
            seed=self.config.seed,
            **{"dtype": self.config.dtype, **self.config.options},
        )


def replaced(folder: Path) -> Path:
    """Where the run in `folder` waits while another takes its place, until that has completed an epoch."""
    place = folder.resolve()  # what a link names is renamed, not the link
    return place.parent / f".{place.name}.replaced"


def _waiting(folder: Path) -> str:
    """What is said of a folder without weights whose earlier run waits beside it; empty where none does."""
    waits = replaced(folder)
    if not (waits / "bundle.json").is_file():
        return ""
    return (
        f"{folder} holds no weights yet, the run that it replaces waits in {waits}: give that one, or wait for an epoch; "
        "if the training was killed, move that one back"
    )


def _check_format(path: Path, values: Mapping[str, Any]) -> None:
    version = values.get("format_version")
    if values.get("format") != FORMAT or type(version) is not int or version < 1:
        raise StoreError(f"{path} has format {values.get('format')} {version}, not {FORMAT} 1 to {FORMAT_VERSION}")
    if version > FORMAT_VERSION:
        raise StoreError(f"{path} has version {version}, this program reads versions up to {FORMAT_VERSION}: install a newer kwsfeat")
    for name in values:
        if name not in _KEYS:
            raise unknown_name(f"field of {path}", name, sorted(_KEYS))


def _part(path: Path, values: dict[str, Any], name: str, kind: type[Any]) -> Any:
    if not isinstance(values.get(name), kind):
        found = f"{name} is of type {type(values[name]).__name__}" if name in values else f"it lacks {name}"
        raise StoreError(f"{path} is damaged: {found}, {kind.__name__} is needed")
    return values[name]


def _statistic(path: Path, values: dict[str, Any], name: str, n: int) -> NDArray[np.float32]:
    try:
        statistic = np.array(_part(path, values, name, list), np.float32)
    except (ValueError, TypeError, OverflowError):
        raise StoreError(f"{path} is damaged: {name} holds something else than numbers") from None
    if statistic.shape != (n,) or not np.isfinite(statistic).all():
        raise StoreError(f"{path} is damaged: {name} must be {n} finite numbers, one per feature, and has shape {statistic.shape}")
    return statistic


def _no_key(shape: Any) -> jax.Array:
    """Something to stand for a random key or count that is never used: evaluation draws nothing."""
    import jax

    is_key = jax.numpy.issubdtype(shape.dtype, jax.dtypes.prng_key)
    return jax.random.key(0) if is_key else jax.numpy.zeros((), shape.dtype)


def weights_of(states: Iterable[Any]) -> dict[str, NDArray[Any]]:
    """Name -> array on the host for every variable in `states`, but for random keys."""
    from flax import nnx

    return {
        "/".join(map(str, path)): np.asarray(variable.get_value())
        for state in states
        for path, variable in nnx.to_flat_state(state)
        if not isinstance(variable, nnx.RngState)
    }


def set_weights(model: nnx.Module, arrays: Mapping[str, NDArray[Any]], *, where: str) -> None:
    """Fill the variables of `model` with `arrays` of the same names and shapes."""
    import jax
    from flax import nnx

    state = nnx.state(model, nnx.Not(nnx.RngState))
    for path, variable in nnx.to_flat_state(state):
        name = "/".join(map(str, path))
        if name not in arrays:
            raise StoreError(f"{where} lacks {name}: it belongs to another network or version")
        value = arrays[name]
        if value.shape != variable.shape:
            raise StoreError(f"{where}: {name} has shape {value.shape}, the network needs {variable.shape}")
        if not np.isfinite(value).all() or (name == "input_norm/std" and not (value > 0).all()):
            raise StoreError(f"{where} is damaged: {name} holds values that are not usable; copy it again, or train again")
        variable.set_value(jax.numpy.asarray(value))
    nnx.update(model, state)


def versions() -> dict[str, str]:
    """Of what computed the run."""
    import jax

    return {
        "kwsfeat": kwsfeat.__version__,
        "python": platform.python_version(),
        **{name: version(name) for name in ("jax", "jaxlib", "flax", "optax", "numpy")},
        "device": jax.devices()[0].device_kind,
    }
