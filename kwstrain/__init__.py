"""kwstrain: trains keyword spotters with JAX on the files that kwsfeat builds.

The public names stand in ``__init__.pyi``, which type checkers read. Each is imported when it is first used, so that
``import kwstrain`` does not load JAX.
"""

import lazy_loader

from kwsfeat import __version__ as __version__

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
