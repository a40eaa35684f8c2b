"""kwsfeat: recordings to a self-describing, memory-mapped HDF5 file of speech features, fast.

The public names stand in ``__init__.pyi``, which type checkers read. Each is imported when it is first used, so that
``import kwsfeat`` loads neither numba nor h5py.
"""

import lazy_loader

from kwsfeat import moved as _moved  # noqa: F401

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
