"""The speech embedding on a stream."""

from __future__ import annotations

import numpy as np

from kwstrain.models.outlines.speech_embedding import (
    CONVOLUTIONS,
    LEAD,
    OPTIONS,
    SMALLEST,
    STRIDE,
    SpeechEmbeddingOptions,
    frames_of_window,
    windows_of,
)
from kwstrain.streaming.folding import Arrays, convolution
from kwstrain.streaming.program import Evened, Layer, MaxPool, Program

__all__ = ["OPTIONS", "obstacle", "program"]


def obstacle(options: SpeechEmbeddingOptions) -> str:
    """Why a network with these options does not stream: it always does."""
    return ""


def program(arrays: Arrays, options: SpeechEmbeddingOptions, input_shape: tuple[int, int]) -> Program:
    """The network of these weights."""
    layers: list[Layer] = []
    for i, (size, _, block) in enumerate(CONVOLUTIONS):
        pad = (size[1] // 2, size[1] // 2)
        layers.append(convolution(arrays, f"convolutions/{i}", source=len(layers), pad=pad, activation="leaky"))
        if block != (1, 1):
            layers.append(MaxPool(source=len(layers), stride=block))
    layers.append(convolution(arrays, "last", source=len(layers)))
    if options.evened:
        layers.append(Evened(source=len(layers), power=options.evened, smallest=SMALLEST))
    zeros = options.templates - 1
    layers.append(convolution(arrays, "out", source=len(layers), pad=(zeros, zeros)))
    if options.templates > 1:
        layers.append(MaxPool(source=len(layers), stride=(1, options.templates)))
    n_classes = arrays["out/kernel"].shape[-1]
    return Program(
        mean=arrays["input_norm/mean"], std=arrays["input_norm/std"], features_are_channels=False, layers=tuple(layers),
        kernel=np.eye(n_classes, dtype=np.float32), bias=np.zeros(n_classes, np.float32), stride=STRIDE,
        receptive_field=frames_of_window(options.window), lead=LEAD, n_mean=windows_of(input_shape[0], options.window),
    )  # fmt: skip
