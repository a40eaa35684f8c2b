"""The options of a network: a configuration whose fields carry their meaning and their bounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Literal, Self

from kwsfeat import Config, config_class, option, unknown_name

__all__ = ["Options", "option"]


@config_class
class Options(Config):
    """What every network offers; a network's own options are a subclass. Types and bounds are checked when one is made.

    Raises
    ------
    ConfigError
        Naming the field, its value and what it must be.
    """

    dtype: Literal["float32", "bfloat16"] = option("float32", "of the arithmetic; parameters and logits stay float32")

    def changed(self, changes: Mapping[str, Any], *, of: str) -> Self:
        """These options with some replaced; `of` says whose they are where a name is refused.

        Raises
        ------
        ConfigError
            For a name that is not an option, with those that are near, or a wrong value.
        """
        known = sorted(one.name for one in fields(self))
        for name in changes:
            if name not in known and name not in {one.metadata["formerly"] for one in fields(self)} - {""}:
                raise unknown_name(f"option of {of}", name, known)
        return self.from_partial(changes, self)
