"""The exceptions of the project: one root, one class per kind of thing that can be wrong.

A message names the value, the bound and the cure. The command line prints it as one line and exits with ``exit_code``.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class KwsError(Exception):
    """Root of every error that kwsfeat and kwstrain raise on purpose."""

    exit_code = 1


class ConfigError(KwsError, ValueError):
    """A feature, model or training choice that is out of bounds or does not fit another."""


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


def nearest(name: str, names: Iterable[str]) -> list[str]:
    """Up to three of `names` that look like `name`, best first: the cure in a message about an unknown name."""
    return difflib.get_close_matches(name, list(names), n=3, cutoff=0.5)
