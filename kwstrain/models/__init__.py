"""The networks by name: ``create(name, ...)``, ``names()``, ``spec(name)``, ``table()``. Adding one is adding a file.

The names stand in ``__init__.pyi``. Each is imported when it is first used: `options` and `outlines` do not need JAX.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
