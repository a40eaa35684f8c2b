"""The layouts that corpora come in: one file each, with a :class:`~kwsfeat.corpus.layouts.layout.Layout` called LAYOUT.

A file that is put into this folder is a layout from then on; nothing else names it.
"""

from __future__ import annotations

import pkgutil
from importlib import import_module

from kwsfeat.corpus.layouts.layout import Layout

_MODULES = [import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)]
LAYOUTS: dict[str, Layout] = {module.LAYOUT.name: module.LAYOUT for module in _MODULES if hasattr(module, "LAYOUT")}
