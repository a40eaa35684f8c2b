"""The exceptions of the project: one root, one class per kind of thing that can be wrong.

A message names the value, the bound and the cure. The command line prints it as one line and exits with ``exit_code``.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable

_LISTED = 40  # names in a message


class KwsError(Exception):
    """Root of every error that kwsfeat and kwstrain raise on purpose."""

    exit_code = 1


class ConfigError(KwsError, ValueError):
    """A feature, model or training choice that is out of bounds or does not fit another."""


class UnknownNameError(ConfigError):
    """A choice by name where there is no such name: wrong usage. Made by :func:`unknown_name`."""

    exit_code = 2


class AudioError(KwsError):
    """A recording that cannot be read, or samples that are not usable."""


class CorpusError(KwsError):
    """A folder, archive or manifest that does not hold what was asked for."""


class StoreError(KwsError):
    """A feature file that cannot be written, or is not what it says."""


class VerificationError(StoreError):
    """A feature file whose content differs from its checksums or its own description."""

    exit_code = 4


class MissingExtraError(KwsError, ImportError):
    """An optional dependency is not installed; the message says which extra brings it."""


def unknown_name(kind: str, name: object, known: Iterable[str]) -> UnknownNameError:
    """The error about a name that is not one of `known`: what it is not, and what it may have been meant to be.

    Parameters
    ----------
    kind : str
        What `name` should be, in the singular and without an article: "preset", "field of FeatureConfig".
    name : object
        What was given.
    known : iterable of str
        What could have been given, in the order in which to list it.

    Returns
    -------
    UnknownNameError
        To be raised by the caller.

    Examples
    --------
    >>> print(unknown_name("split", "tset", ["train", "validation", "test"]))
    'tset' is not a split: did you mean test?
    >>> print(unknown_name("split", "all", ["train", "validation", "test"]))
    'all' is not a split: there are train, validation, test
    """
    known = list(known)
    article = "an" if kind[0] in "aeiou" else "a"
    near = nearest(str(name), known)
    more = f" and {len(known) - _LISTED} more" if len(known) > _LISTED else ""
    cure = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(known[:_LISTED])}{more}"
    return UnknownNameError(f"{name!r} is not {article} {kind}: {cure}")


def nearest(name: str, names: Iterable[str]) -> list[str]:
    """The names that look like a name: the cure in a message about an unknown one.

    Parameters
    ----------
    name : str
        What was given.
    names : iterable of str
        What could have been given.

    Returns
    -------
    list of str
        Up to three, best first; empty where nothing is like it.

    Examples
    --------
    >>> nearest("tset", ["train", "validation", "test"])
    ['test']
    """
    return difflib.get_close_matches(name, list(names), n=3, cutoff=0.5)


def refuse_one_path(name: str, given: object) -> None:
    """Refuse a single path where several are asked for: a string would be taken for a list of its letters.

    Parameters
    ----------
    name : str
        Of the argument.
    given : object
        What was given for it.

    Raises
    ------
    ConfigError
        If it is a single path.

    Examples
    --------
    >>> refuse_one_path("paths", ["a.wav"])
    """
    if isinstance(given, str | bytes | os.PathLike):
        raise ConfigError(f"{name}={given!r} is one path: put it into a list, [{given!r}]")
