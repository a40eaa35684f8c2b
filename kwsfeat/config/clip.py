"""ClipConfig: what a stored sample is. Building, evaluating, predicting and augmenting treat a recording alike because of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import ClassVar, Literal

from kwsfeat.config.base import Config, config_class
from kwsfeat.config.option import option
from kwsfeat.errors import ConfigError

Pad = Literal["end", "front", "center"]
Crop = Literal["start", "center", "random", "loudest"]

MOST_SAMPLES = 1 << 24  # 17 minutes at 16 kHz: what a file claims must fit into memory, a batch at a time
MOST_HZ = 10_000_000


@config_class
class ClipConfig(Config):
    """How a recording becomes a clip: all that decides which samples are stored.

    Every :class:`~kwsfeat.config.features.FeatureConfig` is one, too; :attr:`clip` is this part of it. The feature sets of
    one file share its audio, so their clips must be the same. The two classes count their versions together.

    Raises
    ------
    ConfigError
        Naming the field, its value, the bound and the cure.
    """

    VERSION: ClassVar[int] = 2

    sr: int = option(16000, "Sampling rate of a clip.", unit="Hz", at_least=1, at_most=MOST_HZ, group="Clip")
    n_samples: int = option(16000, "Every clip has this length.", unit="samples", at_least=1, at_most=MOST_SAMPLES, group="Clip")
    pad: Pad = option("end", "Where zeros go when a recording is shorter.", group="Clip")
    crop: Crop = option(
        "center", "What is kept of a longer recording; random is drawn from the seed given to build or extract.", group="Clip"
    )
    resample: Literal["soxr", "fft"] = option("soxr", "soxr is band-limited, fft is scipy.signal.resample (logspec8k).", group="Clip")
    resample_from_hz: int = option(
        0, "Above 0: fix the length at that rate first and resample the fixed clip, as logspec8k does.",
        unit="Hz", at_least=0, at_most=MOST_HZ, group="Clip",
    )  # fmt: skip
    trim_db: float | None = option(
        None, "Cut off what lies before the first and after the last 20 ms that are within so many dB of the loudest 20 ms; None is off.",
        unit="dB", above=0, at_most=400, group="Clip", since=2,
    )  # fmt: skip

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.resample_from_hz and math.ceil(self.n_samples * self.resample_from_hz / self.sr) > MOST_SAMPLES:
            raise ConfigError(
                f"n_samples={self.n_samples} at sr={self.sr} are more than {MOST_SAMPLES:,} samples at "
                f"resample_from_hz={self.resample_from_hz}: shorten the clip"
            )

    @property
    def clip(self) -> ClipConfig:
        """The part that is about clips alone."""
        return ClipConfig(**{one.name: getattr(self, one.name) for one in fields(ClipConfig)})


def check_same_clip(ours: ClipConfig, theirs: ClipConfig, *, names: tuple[str, str], cure: str) -> None:
    """Refuse to bring two configs together that disagree about what a clip is.

    Raises
    ------
    ConfigError
        With the `names` of the two, the fields that differ, and `cure`.
    """
    if different := ours.clip.differing(theirs.clip):
        listed = "; ".join(f"{name}: {a!r} != {b!r}" for name, (a, b) in different.items())
        raise ConfigError(f"{names[0]} and {names[1]} disagree about what a clip is ({listed}): {cure}")


def common_clip(configs: Mapping[str, ClipConfig]) -> ClipConfig:
    """The clip that all feature sets of a file are made from.

    Raises
    ------
    ConfigError
        If there is no feature set, or two disagree about what a clip is.
    """
    if not configs:
        raise ConfigError("a file needs at least one feature set")
    (first_name, first), *others = configs.items()
    for name, one in others:
        check_same_clip(first, one, names=(f"features {first_name!r}", f"features {name!r}"), cure="build two files")
    return first.clip
