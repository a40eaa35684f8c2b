"""TrainConfig: every choice that changes a training result, apart from the data and the features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, ClassVar, Literal

from kwsfeat import Config, ConfigError, UnknownNameError, config_class, nearest, option, unknown_name


@config_class
class TrainConfig(Config):
    """How a network is trained. :func:`defaults` gives the values that suit an architecture.

    Raises
    ------
    ConfigError
        Naming the field, its value, the bound and the cure.
    """

    VERSION: ClassVar[int] = 5  # 2 averages and a teacher; 3 warm starts, sampling, accumulation and streams; 4 negatives; 5 loudest

    # fmt: off
    arch: str = option("cnn", "A name of kwstrain models.", group="Model")
    options: dict[str, Any] = option(dict, "The network's own options: dropout, units, ...", group="Model")
    weights: str = option("", "Weights to begin with: a Keras *_notop.h5 file, or imagenet.", group="Model")
    start: str = option("", "Fingerprint of the run whose weights it begins with, written by --from.", since=3, group="Model")
    freeze: str = option("none", "What is not trained: none, backbone, or a number of layers.", group="Model")
    dtype: Literal["float32", "bfloat16"] = option(
        "float32", "bfloat16 computes in 16 bits; parameters and sums stay float32.", group="Model"
    )

    features: str = option("", "Which feature set of the file; empty is its first.", group="Data")
    standardize: bool = option(
        True, "Subtract the training mean of each feature and divide by its standard deviation, both stored in the file.", group="Data"
    )

    stream: bool = option(
        False, "Train in the form that listens: each clip anew in each epoch within a longer stream, scored after the word's end.",
        since=3, group="Data",
    )
    context_s: float = option(
        1.0, "With stream: audio before the last clip's length, which is scored.", unit="s", at_least=0, at_most=60, since=3, group="Data"
    )

    negatives: str = option("", "Digest of the recordings that --negatives gave, written by it.", since=4, group="Data")

    loss: Literal["softmax", "sigmoid"] = option("softmax", "Cross-entropy over all classes, or of each by itself.", group="Objective")
    label_smoothing: float = option(0.0, "Part of the target that is spread over all classes.", at_least=0, below=1, group="Objective")
    loudest: float = option(
        0.0, "With stream: weight of the loss in that row of an example without a wanted word that sounds most like one, besides the last.",
        at_least=0, since=5, group="Objective",
    )
    class_weights: Literal["none", "balanced"] = option(
        "none", "balanced weighs a class by the inverse of its number of clips.", group="Objective"
    )
    monitor: Literal["loss", "accuracy"] = option(
        "loss", "What decides which epoch is the best: its weights are kept.", group="Objective"
    )

    teacher: str = option("", "Fingerprint of the run whose answers are learnt from, written by --teacher.", since=2, group="Objective")
    teacher_weight: float = option(
        0.5, "Share that a teacher's answers have in the loss.", above=0, at_most=1, since=2, group="Objective"
    )
    temperature: float = option(2.0, "What both networks' logits are divided by to compare them.", above=0, since=2, group="Objective")

    epochs: int = option(30, "Passes over the training clips.", at_least=1, at_most=1_000_000, group="Optimizer")
    steps: int = option(0, "Above 0: so many batches instead of epochs.", at_least=0, at_most=10**9, group="Optimizer")
    batch: int = option(64, "Clips of a step.", unit="clips", at_least=1, at_most=1 << 20, group="Optimizer")
    accumulate: int = option(
        1, "Batches whose gradients are added up for one step: as a batch so many times as large, in the memory of one.",
        unit="batches", at_least=1, at_most=1 << 16, since=3, group="Optimizer",
    )
    sampling: Literal["all", "balanced"] = option(
        "all", "all: every clip once an epoch; balanced: every class as often, with as many clips in all.", since=3, group="Optimizer"
    )
    patience: int = option(
        0, "Above 0: stop after so many epochs without a better monitor.", unit="epochs", at_least=0, at_most=1_000_000, group="Optimizer"
    )
    optimizer: Literal["adam", "adamw", "sgd"] = option("adam", "sgd has momentum.", group="Optimizer")
    lr: float = option(1e-3, "Learning rate.", above=0, group="Optimizer")
    momentum: float = option(0.9, "Of sgd.", at_least=0, below=1, group="Optimizer")
    schedule: Literal["constant", "cosine", "step"] = option(
        "constant", "cosine falls to 0 at the end of the budget; step is times decay every decay_epochs.", group="Optimizer"
    )
    warmup: float = option(0.0, "Part of the budget over which the rate rises linearly.", at_least=0, below=1, group="Optimizer")
    decay: float = option(0.1, "Factor of schedule step.", above=0, at_most=1, group="Optimizer")
    decay_epochs: int = option(10, "See schedule.", unit="epochs", at_least=1, at_most=1_000_000, group="Optimizer")
    weight_decay: float = option(
        0.0, "On kernels, not on biases and norms: decoupled in adamw, an L2 penalty's gradient in the others.",
        at_least=0, group="Optimizer",
    )
    clip_norm: float = option(0.0, "Above 0: largest norm of the gradient.", at_least=0, group="Optimizer")

    ema: float = option(
        0.0, "Above 0: weights are averaged over the steps with this decay, and the averages are what is validated and kept.",
        at_least=0, below=1, since=2, group="Optimizer",
    )

    augment: str = option(
        "auto", "A policy of kwsfeat, drawn anew for each clip of each epoch; auto: the network's own, where the file holds audio; or off.",
        group="Augmentation",
    )
    time_masks: int = option(
        0, "Masks over time in each clip (SpecAugment, arXiv:1904.08779).", at_least=0, at_most=100, group="Augmentation"
    )
    time_mask_frames: int = option(20, "Longest of them.", unit="frames", at_least=1, at_most=1 << 20, group="Augmentation")
    feature_masks: int = option(0, "Masks over features in each clip.", at_least=0, at_most=100, group="Augmentation")
    feature_mask_bins: int = option(8, "Widest of them.", unit="features", at_least=1, at_most=1 << 20, group="Augmentation")
    mixup: float = option(
        0.0, "Above 0: parameter of the beta distribution that two clips are mixed with (arXiv:1710.09412).",
        at_least=0, group="Augmentation",
    )

    seed: int = option(0, "Of the weights, dropout, order and augmentation.", at_least=0, at_most=(1 << 32) - 1, group="Runtime")
    steps_per_dispatch: int = option(16, "Steps in one compiled call.", at_least=1, at_most=1 << 16, group="Runtime")
    resident_mb: int = option(
        -1, "A split up to this size lies on the device, a larger one is read from the file by a thread; -1 chooses: 256 on a CPU, a "
        "quarter of an accelerator's memory.",
        unit="MB", at_least=-1, at_most=1 << 30, group="Runtime",
    )
    gradient_histograms: bool = option(True, "Write them to TensorBoard each epoch.", group="Runtime")
    # fmt: on

    def __post_init__(self) -> None:
        given: object = self.freeze
        if isinstance(given, int) and not isinstance(given, bool):  # as TOML has it
            object.__setattr__(self, "freeze", str(self.freeze))
        super().__post_init__()
        if self.freeze not in ("none", "backbone") and not (self.freeze.isdecimal() and len(self.freeze) <= 4):
            raise ConfigError(f"freeze={self.freeze!r} must be none, backbone or a number of layers")

    @property
    def clips_per_step(self) -> int:
        """Clips that a change of the weights is made from."""
        return self.batch * self.accumulate

    def differences(self, other: TrainConfig) -> dict[str, tuple[Any, Any]]:
        """Field name -> (ours, theirs) where the two differ."""
        return self.differing(other)


# What fit trains where no network is named, and with --stream: docs/training.md says why.
DEFAULT_ARCH, DEFAULT_STREAM_ARCH = "tc-resnet8", "bcresnet-2"


def changed(config: TrainConfig, changes: Mapping[str, Any]) -> TrainConfig:
    """`config` with some fields replaced; ``options.NAME`` is one option of the network.

    Raises
    ------
    ConfigError
        For a name that is not a field, with the fields and the network's options that are near; or a wrong value.
    """
    values = {name: value for name, value in changes.items() if not name.startswith("options.")}
    options = {name.removeprefix("options."): value for name, value in changes.items() if name.startswith("options.")}
    if not isinstance(given := values.get("options", {}), dict):
        raise ConfigError(f"options={given!r} must be a table of options")
    names = [one.name for one in fields(TrainConfig)]
    if unknown := [name for name in values if name not in names]:
        raise _no_field(unknown[0], names, str(values.get("arch", config.arch)))
    return TrainConfig.from_partial({**values, "options": {**config.options, **given, **options}}, config)


def _no_field(name: str, names: list[str], arch: str) -> UnknownNameError:
    """What may have been meant: a field, or an option of the network `arch`."""
    from kwstrain.models.registry import spec

    known = {option.name: f"options.{option.name}" for option in fields(spec(arch).options)} | dict(zip(names, names, strict=True))
    if near := nearest(name, known):
        return UnknownNameError(f"{name!r} is not a field of TrainConfig: did you mean {' or '.join(known[one] for one in near)}?")
    return unknown_name("field of TrainConfig", name, dict.fromkeys(known.values()))


def defaults(arch: str) -> TrainConfig:
    """The training that suits `arch` on a few thousand clips, as its spec says.

    Raises
    ------
    ConfigError
        For an unknown name, with those that are near.
    """
    from kwstrain.models.registry import spec  # JAX, which reading a config does not need

    training = {name: value for name, value in spec(arch).training.items() if name != "augment"}  # that is what auto means
    return TrainConfig(arch=arch, **training)
