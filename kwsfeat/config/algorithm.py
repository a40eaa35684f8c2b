"""The version of the algorithm that computes a config's features: raised where the digits change, and only for those.

A config says *what* is computed. When a later version of this package computes the same config to other digits, files and
runs made before must not be mixed with it unnoticed, and configs that the change does not touch must not be disturbed. So each
change names the configs that it concerns, and every other config keeps the version that it had.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kwsfeat.errors import ConfigError

if TYPE_CHECKING:
    from kwsfeat.config.features import FeatureConfig

FIRST = 1
"""The version of everything that was stored before there were versions."""


@dataclass(frozen=True)
class Change:
    """What changed with a `version` (2, 3, ...), in a sentence, and the configs whose digits it `concerns`."""

    version: int
    what: str
    concerns: Callable[[FeatureConfig], bool]


CHANGES = (
    Change(2, "dither is drawn from the seed and the clip's row, no longer from its block of rows", lambda config: config.dither > 0),
)


def algorithm_version(config: FeatureConfig) -> int:
    """The version that computes `config` today."""
    return max((change.version for change in CHANGES if change.concerns(config)), default=FIRST)


def check_algorithm(config: FeatureConfig, stored: int, *, where: str) -> None:
    """Refuse to compute features beside others that `where` holds and that another version of the algorithm made.

    Parameters
    ----------
    config : FeatureConfig
        Of the features that are to be computed.
    stored : int
        The algorithm version that is stored in `where`.
    where : str
        The file or run, for the message.

    Raises
    ------
    ConfigError
        If `stored` is not :func:`algorithm_version` of `config`, with what changed.

    Examples
    --------
    >>> from kwsfeat import preset
    >>> check_algorithm(preset("logmel"), 99, where="words.h5")
    Traceback (most recent call last):
    kwsfeat.errors.ConfigError: words.h5 has features of algorithm version 99, ...
    """
    current = algorithm_version(config)
    if stored > current:
        raise ConfigError(
            f"{where} has features of algorithm version {stored}, this program computes version {current}: install a newer kwsfeat"
        )
    if stored < current:
        changes = "; ".join(change.what for change in CHANGES if change.version > stored and change.concerns(config))
        raise ConfigError(
            f"{where} has features of algorithm version {stored}, this program computes version {current} ({changes}): "
            "build the file again from the recordings and train on it"
        )
