"""Weights of a run, by name, made ready for a stream: BatchNorm becomes a factor and a bias, in float64."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kwstrain.streaming.program import Convolution

Arrays = Mapping[str, NDArray[Any]]

_EPSILON = 1e-5  # of models.layers.frames.norm


def affine(arrays: Arrays, name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The factor and the bias, float64 (n,), that a BatchNorm in evaluation is; one without scale or bias has 1 and 0."""
    var, mean = arrays[f"{name}/var"].astype(np.float64), arrays[f"{name}/mean"].astype(np.float64)
    factor = arrays.get(f"{name}/scale", np.ones(1)).astype(np.float64) / np.sqrt(var + _EPSILON)
    return factor, arrays.get(f"{name}/bias", np.zeros(1)) - mean * factor


def convolution(arrays: Arrays, name: str, norm: str = "", **choices: Any) -> Convolution:
    """The convolution `name` with the BatchNorm `norm` after it; `choices` are the other fields."""
    kernel = arrays[f"{name}/kernel"].astype(np.float64)
    bias = arrays.get(f"{name}/bias", np.zeros(kernel.shape[-1])).astype(np.float64)
    if norm:
        factor, offset = affine(arrays, norm)
        kernel, bias = kernel * factor, bias * factor + offset
    return Convolution(kernel=kernel.astype(np.float32), bias=bias.astype(np.float32), **choices)
