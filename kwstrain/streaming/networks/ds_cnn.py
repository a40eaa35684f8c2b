"""DS-CNN, causal, on a stream."""

from __future__ import annotations

from kwstrain.models.outlines.ds_cnn import OPTIONS, DSCNNOptions, frames_in_mean, stride
from kwstrain.models.outlines.padding import same
from kwstrain.streaming.folding import Arrays, convolution
from kwstrain.streaming.program import BandMean, Layer, Program

__all__ = ["OPTIONS", "obstacle", "program"]


def obstacle(options: DSCNNOptions) -> str:
    """Why a network with these options does not stream; empty where it does."""
    return "" if options.causal else "its frames depend on later ones: train with options.causal=true"


def program(arrays: Arrays, options: DSCNNOptions, input_shape: tuple[int, int]) -> Program:
    """The network of these weights."""
    n_frames, n_bands = input_shape
    step = options.feature_stride
    layers: list[Layer] = [convolution(arrays, "stem", "norm", source=0, stride=(2, step), pad=same(n_bands, 4, step), activation="relu")]
    n_bands = -(-n_bands // step)
    for i in range(options.blocks):
        name, step = f"blocks/{i}", options.block_stride if i == 0 else 1
        layers.append(
            convolution(
                arrays, f"{name}/depthwise", f"{name}/norm1", source=len(layers), depthwise=True, stride=(step, step),
                pad=same(n_bands, 3, step), activation="relu",
            )
        )  # fmt: skip
        layers.append(convolution(arrays, f"{name}/pointwise", f"{name}/norm2", source=len(layers), activation="relu"))
        n_bands = -(-n_bands // step)
    layers.append(BandMean(source=len(layers)))
    return Program(
        mean=arrays["input_norm/mean"], std=arrays["input_norm/std"], features_are_channels=False, layers=tuple(layers),
        kernel=arrays["out/kernel"], bias=arrays["out/bias"], stride=stride(options), receptive_field=1, lead=stride(options) - 1,
        n_mean=frames_in_mean(n_frames, options),
    )  # fmt: skip
