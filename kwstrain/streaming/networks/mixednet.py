"""MixedNet on a stream."""

from __future__ import annotations

import numpy as np

from kwstrain.models.outlines.mixednet import MIXES, OPTIONS, STEM_SIZE, STRIDE, MixedNetOptions, frames_in_mean, receptive_field
from kwstrain.streaming.folding import Arrays, convolution
from kwstrain.streaming.program import Convolution, Layer, Program

__all__ = ["OPTIONS", "obstacle", "program"]


def obstacle(options: MixedNetOptions) -> str:
    """Why a network with these options does not stream: it always does."""
    return ""


def program(arrays: Arrays, options: MixedNetOptions, input_shape: tuple[int, int]) -> Program:
    """The network of these weights."""
    layers: list[Layer] = [convolution(arrays, "stem", source=0, stride=(STRIDE, 1), activation="relu")]
    for i, sizes in enumerate(MIXES):
        name = f"blocks/{i}"
        kernel = _mixed([arrays[f"{name}/depthwise/{j}/kernel"] for j in range(len(sizes))])
        layers.append(Convolution(source=len(layers), kernel=kernel, bias=np.zeros(kernel.shape[-1], np.float32), depthwise=True))
        layers.append(convolution(arrays, f"{name}/pointwise", f"{name}/norm", source=len(layers), activation="relu"))
    return Program(
        mean=arrays["input_norm/mean"], std=arrays["input_norm/std"], features_are_channels=True, layers=tuple(layers),
        kernel=arrays["out/kernel"], bias=arrays["out/bias"], stride=STRIDE, receptive_field=receptive_field(),
        lead=(STRIDE - STEM_SIZE) % STRIDE, n_mean=frames_in_mean(input_shape[0]),
    )  # fmt: skip


def _mixed(kernels: list[np.ndarray[tuple[int, ...], np.dtype[np.float32]]]) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Kernels (size, 1, 1, part) side by side: a shorter one reads the latest frames, so zeros stand before it."""
    longest = max(len(kernel) for kernel in kernels)
    return np.concatenate([np.pad(kernel, ((longest - len(kernel), 0), (0, 0), (0, 0), (0, 0))) for kernel in kernels], axis=-1)
