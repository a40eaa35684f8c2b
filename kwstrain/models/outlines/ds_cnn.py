"""DS-CNN: options and family."""

from __future__ import annotations

from dataclasses import dataclass

from kwstrain.models.options import Options, option


@dataclass(frozen=True, kw_only=True)
class DSCNNOptions(Options):
    """Options of DS-CNN."""

    filters: int = option(64, "channels of every convolution", at_least=1)
    blocks: int = option(4, "separable convolutions", at_least=1)
    feature_stride: int = option(2, "step of the first convolution along the features; along the frames it is 2", at_least=1)
    block_stride: int = option(1, "step of the first separable convolution", at_least=1)
    full: bool = option(False, "biases before each BatchNorm, and its scale, as MLPerf Tiny's has them")
    causal: bool = option(False, "no frame's output depends on a later frame")
    dropout: float = option(0.0, "rate before the last layer", at_least=0, below=1)


OPTIONS = {
    "ds-cnn-s": DSCNNOptions(),
    "ds-cnn-m": DSCNNOptions(filters=172, feature_stride=1, block_stride=2),
    "ds-cnn-l": DSCNNOptions(filters=276, blocks=5, feature_stride=1, block_stride=2),
    "ds-cnn-tiny": DSCNNOptions(full=True, dropout=0.2),
}


def frames_in_mean(n_frames: int, options: DSCNNOptions) -> int:
    """Frames out of a clip of `n_frames`: the network's output is their mean."""
    return -(-n_frames // stride(options))


def stride(options: DSCNNOptions) -> int:
    """Frames in for a frame out."""
    return 2 * options.block_stride
