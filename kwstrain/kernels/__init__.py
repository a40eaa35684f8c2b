"""Numba kernels: those that XLA calls on a CPU, where a lane of a vector is a clip, and the step of a stream."""
