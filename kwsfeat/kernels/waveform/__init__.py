"""Kernels on samples: filters, resampling, stretching, mixing."""
