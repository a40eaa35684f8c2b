"""What a layout is: a way to lie on a disk, how it is recognised, and how its clips are read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kwsfeat.corpus.clip import Corpus
from kwsfeat.corpus.files import Files


@dataclass(frozen=True)
class Evidence:
    """Why files may have a layout: `score` is from 0 (nothing speaks for it) to 1 (nothing else looks like this)."""

    score: float
    reason: str


@dataclass(frozen=True)
class Layout:
    """One layout.

    `propose` looks at names only and gives its evidence, None where the layout cannot be; `read` makes the clips, whose
    outcome is checked before the layout is believed. `read` must accept any files, for it may be asked for by name.
    """

    name: str
    about: str
    propose: Callable[[Files], Evidence | None]
    read: Callable[[Files], Corpus]
