"""Transforms of features: masks, and mixtures of clips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kwsfeat.augment.transform import Parameters, Transform
from kwsfeat.errors import ConfigError


@dataclass(frozen=True)
class SpecMasks(Transform):
    """SpecAugment (Park et al. 2019) without time warping: bands of frames and of bins take the clip's mean value.

    `time_masks` masks of 0 to `time_mask_frames` frames, `feature_masks` masks of 0 to `feature_mask_bins` bins.
    """

    time_masks: int = 2
    time_mask_frames: int = 10
    feature_masks: int = 2
    feature_mask_bins: int = 5

    def __post_init__(self) -> None:
        for name in ("time_masks", "time_mask_frames", "feature_masks", "feature_mask_bins"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name}={getattr(self, name)} must be >= 0")

    @property
    def n_uniform(self) -> int:
        """A width and a position for each mask."""
        return 2 * (self.time_masks + self.feature_masks)

    def parameters(self, u: Sequence[float]) -> Parameters:
        """``{"time": [[width, position], ...], "feature": ...}``; the position is a fraction of the room that the mask has."""
        masks = [[u[2 * i], u[2 * i + 1]] for i in range(self.time_masks + self.feature_masks)]
        return {
            "time": [[int(w * (self.time_mask_frames + 1)), place] for w, place in masks[: self.time_masks]],
            "feature": [[int(w * (self.feature_mask_bins + 1)), place] for w, place in masks[self.time_masks :]],
        }

    def apply(self, y: ArrayLike, parameters: Parameters) -> NDArray[np.float32]:
        """`y`: features, (n_frames, n_features) or (n_clips, n_frames, n_features); a masked copy."""
        x = np.array(y, np.float32)
        mean = x.mean(axis=(-2, -1), keepdims=True) if x.size else 0.0
        masked = np.zeros(x.shape[-2:], bool)
        for axis, name in enumerate(("time", "feature")):
            n = int(masked.shape[axis])
            for width, place in parameters[name]:
                width = min(width, n)
                start = int(place * (n - width + 1))
                masked[(slice(None),) * axis + (slice(start, start + width),)] = True
        return np.where(masked, mean, x).astype(np.float32)


@dataclass(frozen=True)
class Mixup(Transform):
    """Mixup (Zhang et al. 2018): each clip of a batch is mixed with another one, and their targets with the same weights.

    The weight is drawn from Beta(alpha, alpha). Apply the same parameters to the features and to the one-hot labels.
    """

    alpha: float = 0.2
    n_uniform = 2

    def __post_init__(self) -> None:
        if not self.alpha > 0:
            raise ConfigError(f"alpha={self.alpha} must be > 0")

    def parameters(self, u: Sequence[float]) -> Parameters:
        """``{"weight": of a clip itself, 0 to 1, "seed": of the partners}``."""
        from scipy.special import betaincinv

        return {"weight": float(betaincinv(self.alpha, self.alpha, u[0])), "seed": int(u[1] * 2**32)}

    def apply(self, y: ArrayLike, parameters: Parameters) -> NDArray[np.float32]:
        """`y`: any array whose first axis is the batch; the same shape."""
        x = np.asarray(y, np.float32)
        partner = np.random.default_rng(parameters["seed"]).permutation(len(x))
        weight = np.float32(parameters["weight"])
        return np.asarray(weight * x + (np.float32(1) - weight) * x[partner], np.float32)
