"""What every configuration has in common: strict, checked when made, and still readable after it has grown.

A config is stored with its version. A field that a later version brings has a *neutral* value, which gives the numbers of
before there was the field: it stands in for the field when an older file is read, and the fingerprint leaves out newer fields
that have it. So neither a file nor a fingerprint ever breaks because a config grew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar, cast, dataclass_transform, get_type_hints

from kwsfeat.config.documentation import parameters
from kwsfeat.config.option import about, checked, shown
from kwsfeat.errors import ConfigError, unknown_name
from kwsfeat.renamed import renamed, with_new_names

C = TypeVar("C", bound="type[Config]")
_VERSION = "config_version"


@dataclass_transform(frozen_default=True, kw_only_default=True)
def config_class(config: C) -> C:
    """Make a class a configuration: a frozen, keyword-only dataclass, documented field by field.

    Earlier names of fields work as keyword arguments, too, with a DeprecationWarning.

    Parameters
    ----------
    config : type of Config
        Its fields are made by :func:`kwsfeat.option`.

    Returns
    -------
    type of Config
        The dataclass.

    Examples
    --------
    >>> from kwsfeat import Config, config_class, option
    >>> @config_class
    ... class Colour(Config):
    ...     "What something is painted with."
    ...     red: int = option(0, "how red", at_least=0, at_most=255)
    >>> Colour(red=7).to_dict()
    {'config_version': 1, 'red': 7}
    """
    made: Any = dataclass(frozen=True, kw_only=True)(config)
    old = {about(one).formerly: one.name for one in fields(made) if about(one).formerly}
    if old:
        made.__init__ = renamed(**old)(made.__init__)
    text, raises, rest = (made.__doc__ or "").partition("    Raises\n")
    made.__doc__ = f"{text.rstrip()}\n\n{parameters(made)}\n{raises}{rest}"
    return cast(C, made)


@dataclass(frozen=True, kw_only=True)
class Config:
    """The base of every configuration; its fields are made by :func:`~kwsfeat.config.option.option`.

    Raises
    ------
    ConfigError
        For a value of the wrong type or out of bounds, naming the field, the value and the bound.

    Examples
    --------
    >>> from kwsfeat import Config, config_class, option
    >>> @config_class
    ... class Colour(Config):
    ...     "What something is painted with."
    ...     red: int = option(0, "how red", at_least=0, at_most=255)
    >>> Colour(red=7).to_dict()
    {'config_version': 1, 'red': 7}
    >>> Colour(red=256)
    Traceback (most recent call last):
    kwsfeat.errors.ConfigError: ...
    """

    VERSION: ClassVar[int] = 1
    """Raised with every new field, which then says ``since=VERSION``."""

    def __post_init__(self) -> None:
        cls: Any = type(self)
        hints = _hints(cls)
        for one in fields(self):
            value = checked(one.name, getattr(self, one.name), hints[one.name], about(one).bound)
            object.__setattr__(self, one.name, value)

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            for one in fields(self):
                if about(one).formerly == name:
                    return getattr(self, one.name)
            raise AttributeError(f"{type(self).__name__} has no field {name!r}")

    def to_dict(self) -> dict[str, Any]:
        """All fields and the version, JSON types only."""
        return {_VERSION: self.VERSION, **{one.name: _json_value(getattr(self, one.name)) for one in fields(self)}}

    def to_json(self) -> str:
        """:meth:`to_dict` as one line of JSON."""
        return json.dumps(self.to_dict())

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The strict inverse of :meth:`to_dict`: every field that the stored version had must be there, and no other.

        Fields that are newer get their neutral value; earlier names of fields are understood.

        Raises
        ------
        ConfigError
            For a missing or unknown field, by name; for a version newer than this program's, by number; for a wrong value.
        """
        version, values = cls._read(values)
        neutral = {one.name: about(one).neutral for one in fields(cls) if one.name not in values and about(one).since > version}
        if missing := [one.name for one in fields(cls) if one.name not in values and one.name not in neutral]:
            raise ConfigError(f"{cls.__name__} of version {version} lacks {', '.join(missing)}: it was edited, or damaged")
        return cls(**neutral, **values)

    @classmethod
    def from_partial(cls, values: Mapping[str, Any], base: Self | None = None) -> Self:
        """`base` (the defaults without it) with some fields replaced.

        Raises
        ------
        ConfigError
            For a name that is not a field, with those that are near; for a wrong value.
        """
        given = {one.name: getattr(base, one.name) for one in fields(cls)} if base is not None else {}
        return cls(**{**given, **cls._read(values)[1]})

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """The inverse of :meth:`to_json`.

        Raises
        ------
        ConfigError
            If `text` is not a JSON object; else as :meth:`from_dict`.
        """
        try:
            values = json.loads(text)
        except (ValueError, TypeError, RecursionError) as error:
            raise ConfigError(f"{cls.__name__} is not JSON: {error}") from None
        if not isinstance(values, dict):
            raise ConfigError(f"{cls.__name__} must be a JSON object, not {type(values).__name__}")
        return cls.from_dict(values)

    @classmethod
    def _read(cls, values: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        """The version of `values` (1 when they do not say) and its fields by today's names."""
        values = dict(values)
        version = values.pop(_VERSION, 1)
        if type(version) is not int or version < 1:
            raise ConfigError(f"{_VERSION}={shown(version)} must be a whole number >= 1")
        if version > cls.VERSION:
            raise ConfigError(
                f"{cls.__name__} has version {version}, this program reads versions up to {cls.VERSION}: install a newer kwsfeat"
            )
        values = with_new_names(values, {about(one).formerly: one.name for one in fields(cls) if about(one).formerly})
        names = [one.name for one in fields(cls)]
        for name in values:
            if name not in names:
                raise unknown_name(f"field of {cls.__name__}", name, names)
        return version, values

    @cached_property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that differ whenever a field differs; a newer field with its neutral value counts as absent."""
        values = {}
        for one in fields(self):
            value = getattr(self, one.name)
            if about(one).since == 1 or value != about(one).neutral:
                values[about(one).formerly or one.name] = _json_value(value)
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]

    def differing(self, other: Self) -> dict[str, tuple[Any, Any]]:
        """Field name -> (ours, theirs) where the two differ."""
        pairs = {one.name: (_json_value(getattr(self, one.name)), _json_value(getattr(other, one.name))) for one in fields(self)}
        return {name: (ours, theirs) for name, (ours, theirs) in pairs.items() if ours != theirs}


@lru_cache(maxsize=256)
def _hints(cls: Any) -> dict[str, Any]:
    return get_type_hints(cls)


def _json_value(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else dict(value) if isinstance(value, dict) else value
