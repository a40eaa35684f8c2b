"""What stops a run: a loss that is not a number, or too little memory, with its likely cause."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kwsfeat import ConfigError, KwsError
from kwstrain.config import TrainConfig
from kwstrain.data.clips import Clips
from kwstrain.training.step import StepSums


class DivergedError(KwsError):
    """The loss is not a number any more."""


def check_finite(sums: StepSums, step: int, rows: NDArray[np.int32], clips: Clips, config: TrainConfig) -> None:
    """Stop at the first step whose loss or gradient is not finite.

    `sums` are those of the steps from `step` on, and `rows` int32 (n_steps, batch) the places of their clips among `clips`.

    Raises
    ------
    DivergedError
        With step, clips and the likely cause.
    """
    bad = np.flatnonzero(~np.isfinite(sums.loss) | ~np.isfinite(sums.gradient_norm))
    if not bad.size:
        return
    at = int(bad[0])
    drawn = clips.rows[rows[at]]
    features = clips.load(drawn).features
    unusable = drawn[~np.isfinite(features).all(axis=(1, 2))]
    if unusable.size:
        cause = f"the features of row {unusable[0]} are not finite; run kwsfeat verify, and build the file again"
    else:
        before = f"the gradient's norm was {sums.gradient_norm[at - 1]:.3g} a step earlier; " if at else ""
        cause = f"{before}the learning rate {config.lr:g} is likely too high: lower --lr, or set clip_norm"
        cause += ", or dtype float32" if config.dtype != "float32" else ""
    where = f"step {step + at + 1} (rows {', '.join(map(str, drawn[:4]))}, ... of the file)"
    raise DivergedError(f"loss {sums.loss[at] / max(1.0, sums.count[at]):g} at {where}: {cause}")


def never_finite(records: list[dict[str, Any]], config: TrainConfig) -> DivergedError:
    """That no epoch had a finite loss to be kept for."""
    last = records[-1]
    kind = "train" if np.isnan(last["val_accuracy"]) else "validation"
    loss = last["train_loss"] if kind == "train" else last["val_loss"]
    return DivergedError(
        f"the {kind} loss was never finite ({loss:g} after epoch {last['epoch']}), no weights are kept: the learning rate {config.lr:g} is "
        "likely too high: lower --lr, or set clip_norm"
    )


def too_large(error: Exception, config: TrainConfig, n_clips: int) -> Exception:
    """What to raise instead of an error of JAX: a sentence where memory was too small."""
    if "RESOURCE_EXHAUSTED" not in str(error):
        return error
    return ConfigError(f"a step of {config.batch:,} clips (of {n_clips:,}) needs more memory than there is: lower --batch")
