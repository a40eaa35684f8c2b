"""TrainConfig: every choice that changes a training result, apart from the data and the features."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, get_args, get_origin, get_type_hints

from kwsfeat import ConfigError, unknown_name


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How a network is trained. :func:`defaults` gives the values that suit an architecture.

    Network
        `arch`: a name of ``kwstrain models``; `options`: its own options (`dropout`, `units`, ...). `features`: which feature
        set of the file (empty: its first). `standardize`: subtract the training mean of each feature and divide by its standard
        deviation, both stored in the file. `dtype`: ``bfloat16`` computes in 16 bits; parameters and sums stay float32.
        `weights`: a Keras ``*_notop.h5`` file or ``imagenet``; `freeze`: ``none``, ``backbone`` or a number of layers.
    Budget
        `epochs` (>= 1), or `steps` > 0 batches instead. `batch` (>= 1) clips a step. `patience` > 0 stops after so many epochs
        without a better `monitor` (validation ``loss`` or ``accuracy``); the weights of the best epoch are kept either way.
    Objective
        `loss`: ``softmax`` or per-class ``sigmoid`` cross-entropy. `label_smoothing` in [0, 1). `class_weights`: ``balanced``
        weighs a class by the inverse of its share.
    Optimiser
        `optimizer`: ``adam``, ``adamw`` or ``sgd`` (with `momentum`). `lr` > 0 with `schedule` ``constant``, ``cosine`` (to 0 at the
        end of the budget) or ``step`` (times `decay` every `decay_epochs`), each after a linear rise over the first
        `warmup` of the budget. `weight_decay` on kernels, not on biases and norms: decoupled in adamw, an L2 penalty's gradient
        in the others. `clip_norm` > 0 bounds the gradient's norm.
    Augmentation
        `augment`: a recipe of ``kwsfeat`` drawn fresh for each clip of each epoch, or ``off``. In the compiled step: `time_masks`
        of up to `time_mask_frames`, `feature_masks` of up to `feature_mask_bins` (SpecAugment, arXiv:1904.08779), and `mixup` > 0,
        the parameter of its beta distribution (arXiv:1710.09412).
    Running
        `seed`. `steps_per_dispatch`: steps in one compiled call. `resident_mb`: a split up to this size lies on the device, a larger
        one is read from the file by a thread; -1 chooses: 256 on a CPU, a quarter of an accelerator's memory.
        `gradient_histograms`: write them to TensorBoard each epoch.

    Raises
    ------
    ConfigError
        Naming the field, its value, the bound and the cure.
    """

    arch: str = "cnn"
    options: dict[str, Any] = field(default_factory=dict)
    features: str = ""
    standardize: bool = True
    dtype: Literal["float32", "bfloat16"] = "float32"
    weights: str = ""
    freeze: str = "none"

    epochs: int = 30
    steps: int = 0
    batch: int = 64
    patience: int = 0
    monitor: Literal["loss", "accuracy"] = "loss"

    loss: Literal["softmax", "sigmoid"] = "softmax"
    label_smoothing: float = 0.0
    class_weights: Literal["none", "balanced"] = "none"

    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    lr: float = 1e-3
    momentum: float = 0.9
    schedule: Literal["constant", "cosine", "step"] = "constant"
    warmup: float = 0.0
    decay: float = 0.1
    decay_epochs: int = 10
    weight_decay: float = 0.0
    clip_norm: float = 0.0

    augment: str = "off"
    time_masks: int = 0
    time_mask_frames: int = 20
    feature_masks: int = 0
    feature_mask_bins: int = 8
    mixup: float = 0.0

    seed: int = 0
    steps_per_dispatch: int = 16
    resident_mb: int = -1
    gradient_histograms: bool = True

    def __post_init__(self) -> None:
        _check_types(self)
        for name, bound in _AT_LEAST.items():
            if getattr(self, name) < bound:
                raise ConfigError(f"{name}={getattr(self, name)} must be >= {bound}")
        if not self.lr > 0:
            raise ConfigError(f"lr={self.lr} must be > 0")
        for name in ("label_smoothing", "momentum", "warmup"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"{name}={getattr(self, name)} must lie in [0, 1)")
        if not 0 < self.decay <= 1:
            raise ConfigError(f"decay={self.decay} must lie in (0, 1]")
        if self.freeze not in ("none", "backbone") and not self.freeze.isdigit():
            raise ConfigError(f"freeze={self.freeze!r} must be none, backbone or a number of layers")

    def to_dict(self) -> dict[str, Any]:
        """All fields, JSON types only."""
        return asdict(self)

    def to_json(self) -> str:
        """The fields as JSON text."""
        return json.dumps(self.to_dict(), indent=2)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TrainConfig:
        """The strict inverse of :meth:`to_dict`: every field must be there, and no other."""
        if missing := {f.name for f in fields(cls)} - values.keys():
            raise ConfigError(f"training config lacks {', '.join(sorted(missing))}: written by another version, or edited")
        return cls.from_partial(values)

    @classmethod
    def from_partial(cls, values: Mapping[str, Any], base: TrainConfig | None = None) -> TrainConfig:
        """`base` (the defaults without it) with some fields replaced; refuses names that are no fields."""
        names = [f.name for f in fields(cls)]
        for name in values:
            if name not in names:
                raise unknown_name("field of TrainConfig", name, names)
        return cls(**{**(base.to_dict() if base else {}), **values})

    @classmethod
    def from_json(cls, text: str) -> TrainConfig:
        """The inverse of :meth:`to_json`."""
        try:
            values = json.loads(text)
        except json.JSONDecodeError as error:
            raise ConfigError(f"training config is not JSON: {error}") from None
        if not isinstance(values, dict):
            raise ConfigError(f"training config must be a JSON object, not {type(values).__name__}")
        return cls.from_dict(values)

    def differences(self, other: TrainConfig) -> dict[str, tuple[Any, Any]]:
        """Field name -> (ours, theirs) where the two differ."""
        ours, theirs = self.to_dict(), other.to_dict()
        return {name: (ours[name], theirs[name]) for name in ours if ours[name] != theirs[name]}


def changed(config: TrainConfig, changes: Mapping[str, Any]) -> TrainConfig:
    """`config` with some fields replaced; ``options.NAME`` is one option of the network."""
    values = {name: value for name, value in changes.items() if not name.startswith("options.")}
    options = {name.removeprefix("options."): value for name, value in changes.items() if name.startswith("options.")}
    return TrainConfig.from_partial({**values, "options": {**config.options, **values.get("options", {}), **options}}, config)


def defaults(arch: str) -> TrainConfig:
    """The training that suits `arch` on a few thousand clips, as its spec says.

    Raises
    ------
    ConfigError
        For an unknown name, with those that are near.
    """
    from kwstrain.models.registry import spec  # JAX, which reading a config does not need

    return TrainConfig(arch=arch, **spec(arch).training)


_AT_LEAST: dict[str, float] = {
    "epochs": 1, "steps": 0, "batch": 1, "patience": 0, "decay_epochs": 1, "weight_decay": 0, "clip_norm": 0, "time_masks": 0,
    "time_mask_frames": 1, "feature_masks": 0, "feature_mask_bins": 1, "mixup": 0, "seed": 0, "steps_per_dispatch": 1, "resident_mb": -1,
}  # fmt: skip


def _check_types(config: TrainConfig) -> None:
    """Values come from TOML files and ``-s key=value``: each must have the type it is declared with."""
    for name, hint in get_type_hints(TrainConfig).items():
        value = getattr(config, name)
        if get_origin(hint) is Literal:
            if value not in get_args(hint):
                raise ConfigError(f"{name}={value!r} must be one of {', '.join(get_args(hint))}")
        elif hint is float and type(value) is int:
            object.__setattr__(config, name, float(value))
        elif not isinstance(value, get_origin(hint) or hint) or (isinstance(value, bool) and hint is not bool):
            raise ConfigError(f"{name}={value!r} must be {_TYPE_NAMES[get_origin(hint) or hint]}")


_TYPE_NAMES = {bool: "true or false", int: "a whole number", float: "a number", str: "text", dict: "a table of options"}
