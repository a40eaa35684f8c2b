"""Samples to features: the checked functions and classes over the kernels."""
