"""Numba kernels: no checks, no allocation, `out` last, random state passed in."""
