"""A recording as a waveform at one rate."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kwsfeat import as_float32, read_blocks, resample


def read_waveform(path: Path, sr: int, *, start_s: float = 0.0, stop_s: float | None = None) -> NDArray[np.float32]:
    """A recording, or a part of it, float32 (n,) at `sr` Hz in [-1, 1].

    Raises
    ------
    AudioError
        If it cannot be read to the end.
    """
    blocks = list(read_blocks(path, start_s=start_s, stop_s=stop_s))
    return resample(np.concatenate([as_float32(block) for block, _ in blocks]), blocks[0][1], sr)
