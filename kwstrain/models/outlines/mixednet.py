"""MixedNet: options and kernel lengths."""

from __future__ import annotations

from dataclasses import dataclass

from kwstrain.models.options import Options, option

STEM, STEM_SIZE, STRIDE = 32, 5, 3
MIXES = ((5,), (7, 11), (9, 15), (23,))


@dataclass(frozen=True, kw_only=True)
class MixedNetOptions(Options):
    """Options of MixedNet."""

    filters: int = option(64, "channels of every block", at_least=4)
    dropout: float = option(0.0, "rate before the last layer", at_least=0, below=1)


OPTIONS = {"mixednet": MixedNetOptions()}


def receptive_field() -> int:
    """Frames that one output of the network sees."""
    return STEM_SIZE + STRIDE * sum(max(sizes) - 1 for sizes in MIXES)


def frames_in_mean(n_frames: int) -> int:
    """Frames out of a clip of `n_frames`: the network's output is their mean."""
    return (n_frames - receptive_field()) // STRIDE + 1


def parts(n: int, sizes: tuple[int, ...]) -> list[int]:
    """How many of `n` channels have each kernel length."""
    return [n // len(sizes) + (i < n % len(sizes)) for i in range(len(sizes))]
