"""The options of a network: a frozen dataclass whose fields carry their meaning and their bounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, Self, get_args, get_origin, get_type_hints

from kwsfeat import ConfigError, unknown_name

_TYPE_NAMES = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}


def option(default: Any, doc: str, *, at_least: float | None = None, below: float | None = None, formerly: str = "") -> Any:
    """A field of :class:`Options`.

    Parameters
    ----------
    default
        Its value when none is given.
    doc
        What it means, in a phrase.
    at_least, below
        Bounds of a number: ``at_least <= value < below``.
    formerly
        An earlier name, which runs and recipes may still use.
    """
    return field(default=default, metadata={"doc": doc, "at_least": at_least, "below": below, "formerly": formerly})


@dataclass(frozen=True, kw_only=True)
class Options:
    """What every network offers; a network's own options are a subclass. Types and bounds are checked when one is made.

    Raises
    ------
    ConfigError
        Naming the field, its value and what it must be.
    """

    dtype: Literal["float32", "bfloat16"] = option("float32", "of the arithmetic; parameters and logits stay float32")

    def __post_init__(self) -> None:
        hints = get_type_hints(type(self))
        for one in fields(self):
            value = _typed(one.name, getattr(self, one.name), hints[one.name])
            object.__setattr__(self, one.name, value)
            _check_bounds(one.name, value, one.metadata)

    def changed(self, changes: Mapping[str, Any], *, of: str) -> Self:
        """These options with some replaced; `of` says whose they are where a name is refused.

        Raises
        ------
        ConfigError
            For a name that is not an option, with those that are near, or a wrong value.
        """
        known = {one.name for one in fields(self)}
        formerly = {one.metadata["formerly"]: one.name for one in fields(self) if one.metadata["formerly"]}
        for old, name in formerly.items():
            if old in changes and name in changes:
                raise ConfigError(f"{name} and {old} are the same option of model {of!r}: give {name} alone")
        renamed = {formerly.get(name, name): value for name, value in changes.items()}
        for name in renamed:
            if name not in known:
                raise unknown_name(f"option of {of}", name, sorted(known))
        return replace(self, **renamed)


def _typed(name: str, value: Any, hint: Any) -> Any:
    if get_origin(hint) is Literal:
        if value not in get_args(hint):
            raise ConfigError(f"{name}={value!r} must be {' or '.join(map(repr, get_args(hint)))}")
    elif hint is float and type(value) is int:
        return float(value)
    elif not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise ConfigError(f"{name}={value!r} must be {_TYPE_NAMES[hint]}")
    return value


def _check_bounds(name: str, value: Any, metadata: Mapping[str, Any]) -> None:
    low, high = metadata["at_least"], metadata["below"]
    if (low is not None and not value >= low) or (high is not None and not value < high):
        bound = f"lie in [{low}, {high})" if high is not None else f"be >= {low}"
        raise ConfigError(f"{name}={value} must {bound}")
