"""Numba kernels that XLA calls on a CPU: training at the machine's speed. A lane of a vector is a clip."""
