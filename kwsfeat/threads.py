"""How many threads to use, where the caller does not say: the one definition for both packages."""

from __future__ import annotations

import os

from kwsfeat.errors import ConfigError

MOST_THREADS = 16  # beyond this, decoding and writing wait for memory and disk


def thread_count(asked: int | None = None) -> int:
    """The number of threads for work on many clips.

    Parameters
    ----------
    asked : int, >= 1, optional
        What the caller wants, as ``--threads``; it is not limited.

    Returns
    -------
    int
        `asked`, or one per processor that this process may use, at most 16.

    Raises
    ------
    ConfigError
        If `asked` is below 1.

    Examples
    --------
    >>> thread_count(3)
    3
    >>> 1 <= thread_count() <= 16
    True
    """
    if asked is None:
        return min(MOST_THREADS, usable_processors())
    if asked < 1:
        raise ConfigError(f"threads={asked} must be >= 1")
    return asked


def usable_processors() -> int:
    """Processors that this process may run on: its affinity on Linux; macOS and Windows know all processors only."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
