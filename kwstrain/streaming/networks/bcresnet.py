"""BC-ResNet, causal, on a stream."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from kwstrain.models.outlines.bcresnet import OPTIONS, STAGES, BCResNetOptions
from kwstrain.streaming.folding import Arrays, affine, convolution
from kwstrain.streaming.program import BandMean, Layer, Program, Sum

__all__ = ["OPTIONS", "obstacle", "program"]


def obstacle(options: BCResNetOptions) -> str:
    """Why a network with these options does not stream; empty where it does."""
    return "" if options.causal else "its frames depend on later ones: train with options.causal=true"


def program(arrays: Arrays, options: BCResNetOptions, input_shape: tuple[int, int]) -> Program:
    """The network of these weights."""
    layers: list[Layer] = [convolution(arrays, "stem", "stem_norm", source=0, stride=(1, 2), pad=(2, 2), activation="relu")]
    n_bands = -(-input_shape[1] // 2)
    index = 0
    for repeats, _, stride, dilation in STAGES:
        for i in range(repeats):
            n_bands = -(-n_bands // (stride if i == 0 else 1))
            layers += _block(arrays, f"blocks/{index}", len(layers), n_bands, stride if i == 0 else 1, dilation, transition=i == 0)
            index += 1
    layers.append(convolution(arrays, "last", source=len(layers), depthwise=True))
    layers.append(convolution(arrays, "expand", "expand_norm", source=len(layers), activation="relu"))
    return Program(
        mean=arrays["input_norm/mean"], std=arrays["input_norm/std"], features_are_channels=False, layers=tuple(layers),
        kernel=arrays["out/kernel"][0, 0], bias=arrays["out/bias"], stride=1, receptive_field=1, lead=0, n_mean=input_shape[0],
    )  # fmt: skip


def _block(arrays: Arrays, name: str, x: int, n_bands: int, stride: int, dilation: int, *, transition: bool) -> list[Layer]:
    """``f2``, then ``f1`` of its mean over the bands; `x` is the value that enters."""
    layers: list[Layer] = []
    entered = x
    if transition:
        layers.append(convolution(arrays, f"{name}/enter", f"{name}/enter_norm", source=x, activation="relu"))
        entered = x + 1
    over_bands = convolution(arrays, f"{name}/over_bands", source=entered, depthwise=True, stride=(1, stride), pad=(1, 1))
    factor, offset = affine(arrays, f"{name}/sub_norm/norm")
    n = over_bands.kernel.shape[-1]
    wide = n_bands // (len(factor) // n)
    gain, bias = (np.repeat(v.reshape(-1, n), wide, axis=0).astype(np.float32) for v in (factor, offset))
    layers.append(replace(over_bands, gain=gain, bias=bias))
    bands = entered + 1
    layers.append(BandMean(source=bands))
    layers.append(
        convolution(
            arrays, f"{name}/over_time", f"{name}/norm", source=bands + 1, depthwise=True, dilation=dilation, activation="silu"
        )
    )  # fmt: skip
    layers.append(convolution(arrays, f"{name}/mix", source=bands + 2))
    layers.append(Sum(sources=(bands, bands + 3) if transition else (bands, bands + 3, x)))
    return layers
