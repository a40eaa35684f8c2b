"""The transforms of waveforms that a policy can name, one idea per file: a file put here is found by itself."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from kwsfeat.augment.transform import KINDS, Transform


def transform_kinds() -> dict[str, type[Transform]]:
    """Kind -> class of every transform of this folder, and of those that the program at hand has defined, sorted by kind."""
    _import_all()
    return dict(sorted(KINDS.items()))


@cache
def _import_all() -> None:
    for module in iter_modules(__path__):
        import_module(f"{__name__}.{module.name}")
