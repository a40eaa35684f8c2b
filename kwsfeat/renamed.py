"""Keyword arguments that have a better name now and are still understood by their old one."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, TypeVar

from kwsfeat.errors import ConfigError

F = TypeVar("F", bound=Callable[..., Any])


def renamed(**names: str) -> Callable[[F], F]:
    """A decorator: ``@renamed(edges="framing")`` makes a function take `edges` for `framing`, with a DeprecationWarning."""

    def decorate(function: F) -> F:
        @wraps(function)
        def call(*args: Any, **values: Any) -> Any:
            if not names.keys().isdisjoint(values):
                values = with_new_names(values, names)
                warnings.warn(f"{function.__qualname__}: {_listed(names)}", DeprecationWarning, stacklevel=2)
            return function(*args, **values)

        return call  # type: ignore[return-value]

    return decorate


def with_new_names(values: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """`values` with the keys of `names` (old: new) replaced.

    Raises
    ------
    ConfigError
        If a value is given under both names.
    """
    for old, new in names.items():
        if old in values and new in values:
            raise ConfigError(f"{old} is the old name of {new}: give {new} alone")
    return {names.get(name, name): value for name, value in values.items()}


def _listed(names: Mapping[str, str]) -> str:
    return ", ".join(f"{old} is called {new} now" for old, new in names.items())
