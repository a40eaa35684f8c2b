"""One field of a configuration: its value, and all that is known of it. Bounds, TOML files and the documentation come from here."""

from __future__ import annotations

from dataclasses import Field, dataclass, field
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from kwsfeat.errors import ConfigError

_LARGEST = 3.4028234663852886e38  # of float32: the engine computes in it
_SHOWN = 80  # characters of a wrong value that a message repeats


def option(
    default: Any,
    doc: str,
    *,
    unit: str = "",
    at_least: float | None = None,
    above: float | None = None,
    at_most: float | None = None,
    below: float | None = None,
    group: str = "",
    since: int = 1,
    neutral: Any = ...,
    formerly: str = "",
) -> Any:
    """A field of a :class:`~kwsfeat.config.base.Config`.

    Parameters
    ----------
    default
        Its value when none is given; a type such as ``dict`` is called for a new one each time.
    doc : str
        What it means, in a phrase or a few.
    unit : str
        Of the value, such as ``Hz`` or ``samples``.
    at_least, above, at_most, below : float, optional
        Bounds of a number: ``at_least <= value``, ``above < value``, ``value <= at_most``, ``value < below``.
    group : str
        The heading under which it stands.
    since : int, >= 1
        The version of its config that brought it.
    neutral : optional
        For a field newer than version 1: the value that gives the numbers of before there was the field; `default` without it.
        It stands for the field in files that are older, and a field that has it is left out of the fingerprint.
    formerly : str
        An earlier name, which files, runs and recipes may still use. The fingerprint goes on using it.

    Returns
    -------
    dataclass field
        For the body of a class under :func:`kwsfeat.config_class`.

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
    made = {"default_factory": default} if isinstance(default, type) else {"default": default}
    if neutral is ...:
        neutral = default() if isinstance(default, type) else default
    return field(**made, metadata=vars(About(doc, unit, Bound(at_least, above, at_most, below), group, since, neutral, formerly)))


@dataclass(frozen=True)
class Bound:
    """What a number must lie between; None is not a bound."""

    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    below: float | None = None

    def holds(self, value: float) -> bool:
        """Whether `value` lies within."""
        return (
            (self.at_least is None or value >= self.at_least)
            and (self.above is None or value > self.above)
            and (self.at_most is None or value <= self.at_most)
            and (self.below is None or value < self.below)
        )

    def __str__(self) -> str:
        low = f">= {_number(self.at_least)}" if self.at_least is not None else f"> {_number(self.above)}" if self.above is not None else ""
        high = f"<= {_number(self.at_most)}" if self.at_most is not None else f"< {_number(self.below)}" if self.below is not None else ""
        return " and ".join(filter(None, (low, high)))


@dataclass(frozen=True)
class About:
    """What :func:`option` was told: the metadata of a field."""

    doc: str
    unit: str
    bound: Bound
    group: str
    since: int
    neutral: Any
    formerly: str


def about(one: Field[Any]) -> About:
    """The metadata of a field; one that was declared without :func:`option` is newer than every stored config."""
    return About(**one.metadata) if one.metadata else About("", "", Bound(), "", 1 << 31, one.default, "")


def checked(name: str, value: Any, hint: Any, bound: Bound) -> Any:
    """`value` as a field `name` that is declared as `hint` keeps it: lists as tuples, whole numbers as floats where a fraction may stand.

    Raises
    ------
    ConfigError
        Naming the field, its value and what it must be.
    """
    try:
        kept = _typed(value, hint)
    except TypeError:
        raise ConfigError(f"{name}={shown(value)} must be {wanted(hint)}") from None
    if isinstance(kept, int | float) and not isinstance(kept, bool) and not bound.holds(kept):
        raise ConfigError(f"{name}={kept if isinstance(kept, float) else shown(kept)} must be {bound}")
    return kept


def wanted(hint: Any) -> str:
    """What a value declared as `hint` is, in words."""
    if get_origin(hint) in (Union, UnionType):
        return " or ".join(wanted(option) for option in get_args(hint) if option is not NoneType)
    if get_origin(hint) is Literal:
        return f"one of {', '.join(map(str, get_args(hint)))}" if len(get_args(hint)) > 1 else repr(get_args(hint)[0])
    if get_origin(hint) is tuple:
        return "a list of words" if str in get_args(hint) else "a list of whole numbers" if int in get_args(hint) else "a list of numbers"
    return _WORDS[get_origin(hint) or hint]


_WORDS = {bool: "true or false", int: "a whole number", float: "a finite number", str: "text", dict: "a table of options"}


def shown(value: object) -> str:
    """`value` as a message repeats it, cut to a readable length."""
    if isinstance(value, int) and value.bit_length() > 1024:
        return f"(a number of {value.bit_length()} bits)"
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


def _typed(value: Any, hint: Any) -> Any:
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        for possible in get_args(hint):
            try:
                return _typed(value, possible)
            except TypeError:
                continue
    elif hint is NoneType:
        if value is None:
            return value
    elif origin is Literal:
        if isinstance(value, str | int) and value in get_args(hint):
            return value
    elif origin is tuple:
        element = get_args(hint)[0]
        if isinstance(value, tuple | list):
            return tuple(_typed(one, element) for one in value)
    elif hint is float:
        if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _LARGEST:
            return float(value)
    elif type(value) is (origin or hint):
        return value
    raise TypeError


def _number(value: float | None) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"
