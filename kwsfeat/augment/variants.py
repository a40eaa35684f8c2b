"""A clip and what a policy makes of it, at the length that the features take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kwsfeat.audio.clip import fix_length
from kwsfeat.audio.waveform import as_float32, as_int16
from kwsfeat.augment.clips import as_clips
from kwsfeat.augment.compose import Compose
from kwsfeat.augment.grid import Grid
from kwsfeat.augment.policy import Policy
from kwsfeat.augment.stretch import stretch_and_shift
from kwsfeat.augment.transform import Parameters, Transform, uniforms
from kwsfeat.config.clip import ClipConfig


def augmented(
    transform: Transform, parameters: Parameters, y: NDArray[Any], length: int, config: ClipConfig
) -> tuple[NDArray[np.float32], int]:
    """One clip of ``config.n_samples`` changed, and brought back to that length.

    Parameters
    ----------
    transform : Transform
        From :meth:`Policy.bind`.
    parameters : dict
        Drawn by it.
    y : ndarray, int16 or float32, shape (n_samples,)
    length : int
        Samples of `y` that are real. A grid stretches these only; a chain changes the whole clip, so that noise fills it.

    Returns
    -------
    y : ndarray, float32, shape (n_samples,)
    length : int
        Real samples of the result.

    Notes
    -----
    A chain that leaves digital silence of a clip that had a sound gives the clip itself.
    """
    if isinstance(transform, Grid):
        return fix_length(transform.apply(real_part(y, length, config), parameters), config)
    changed = transform.apply(y, parameters)
    if not changed.any() and y.any():  # shifted or cut until no sound was left under the label
        return as_float32(y), length
    untouched = isinstance(transform, Compose) and not parameters["parts"]
    return fix_length(changed, config)[0], length if untouched else config.n_samples


def draw_variants(policy: Policy, transform: Transform, *, seed: int, index: int) -> list[Parameters | None]:
    """What ``kwsfeat build`` makes of a training clip, ``policy.n_variants`` entries; None is the recording itself.

    A grid gives all its pairs in order. Otherwise the recording comes first, and copy k draws from ``(seed, k, index)``, see
    :func:`~kwsfeat.augment.transform.uniforms`; `index` is the clip's row before augmentation.
    """
    if isinstance(transform, Grid):
        return list(transform.all())
    copies = range(1, policy.n_variants)
    drawn = [uniforms(seed, copy, index, 1, transform.n_uniform)[0].tolist() for copy in copies]
    return [None, *(transform.parameters(u) for u in drawn)]


def variants(
    transform: Transform, drawn: Sequence[Parameters | None], y: NDArray[np.int16], length: int, config: ClipConfig
) -> list[tuple[NDArray[np.int16], int]]:
    """The variants of one clip, as they are stored: samples (n_samples,) and how many of them are real.

    Parameters
    ----------
    transform : Transform
        From :meth:`Policy.bind`.
    drawn : sequence of dict or None
        From :func:`draw_variants`.
    y : ndarray, int16, shape (n_samples,)
    length : int
        Samples of `y` that are real.
    """
    if isinstance(transform, Grid):  # all at once, because they share work
        real = as_clips(real_part(y, length, config))
        changed = stretch_and_shift(real, transform.sr, transform.rates, transform.steps, transform.method)
        rows = [fix_length(variant, config) for variant in changed]
    else:
        rows = [(y, length) if p is None else augmented(transform, p, y, length, config) for p in drawn]
    return [(as_int16(variant), n) for variant, n in rows]


def real_part(y: NDArray[Any], length: int, config: ClipConfig) -> NDArray[Any]:
    """`y` without the zeros that padding put at its end, its front, or both."""
    first = {"end": 0, "front": len(y) - length, "center": (len(y) - length) // 2}[config.pad]
    return y[first : first + length]
