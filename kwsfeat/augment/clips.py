"""What every transform takes: one clip or a batch of clips, float or int16."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kwsfeat.audio.waveform import as_float32, check_peak
from kwsfeat.errors import ConfigError
from kwsfeat.kernels.waveform.level import peak


def as_clips(y: ArrayLike) -> NDArray[np.float32]:
    """`y` as float32 in [-1, 1], C-contiguous, shape (n_samples,) or (n_clips, n_samples); int16 is divided by 32768.

    Raises
    ------
    ConfigError
        For another number of axes.
    AudioError
        For another type, values of another scale, NaN or infinity.
    """
    if type(y) is np.ndarray and y.dtype == np.float32 and y.flags.c_contiguous:  # between transforms: asked of each clip many times
        clips, view = y, y.reshape(-1)
        view.flags.writeable = False  # one compilation for read-only and writable arrays
        check_peak(peak(view), "y")
    else:
        clips = as_float32(y)
    if clips.ndim not in (1, 2):
        raise ConfigError(f"y has {clips.ndim} axes: one clip has 1, a batch of clips has 2")
    return clips


def each_clip(clips: NDArray[np.float32], change: Callable[[NDArray[np.float32]], NDArray[np.float32]]) -> NDArray[np.float32]:
    """`change` applied to the clip, or to each clip of the batch."""
    if clips.ndim == 1:
        return change(clips)
    if not len(clips):
        return np.zeros((0, change(np.zeros(clips.shape[1], np.float32)).size), np.float32)
    return np.stack([change(clip) for clip in clips])
