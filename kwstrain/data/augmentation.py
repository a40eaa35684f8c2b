"""Which policy draws the fresh augmentation of a training, and how many epochs that takes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from kwsfeat import Reader
from kwstrain.config import TrainConfig
from kwstrain.models import spec

AUTO = "auto"
_LEAST_STEPS = 2000  # of a training on clips that are made anew in each epoch


def policy_for(config: TrainConfig, reader: Reader) -> tuple[str, str]:
    """The policy that `config` means for the clips of `reader`, and a sentence about it where it was chosen here.

    ``auto`` is the policy of the network, if it has one and the file can give fresh clips: that takes the recordings themselves, and
    no copies among them that are augmented already.
    """
    if config.augment != AUTO:
        return config.augment, ""
    policy = str(spec(config.arch).training.get("augment", "off"))
    if policy == "off":
        return policy, ""
    if not reader.has_audio:
        return "off", f"no fresh augmentation ({policy}): {reader.path} holds no audio, build it without --no-audio"
    if reader.variant.any():
        return "off", f"no fresh augmentation ({policy}): {reader.path} holds augmented copies already"
    return policy, f"each clip is augmented anew in each epoch by the policy {policy}; --augment off trains on the clips as they are"


def enough_epochs(config: TrainConfig, reader: Reader) -> tuple[TrainConfig, str]:
    """`config` with so many epochs that few clips give enough steps as well, and a sentence where these are more than it says.

    What is drawn anew in each epoch is learnt by heart much later than clips as they are: 60 epochs of three steps end half trained.
    """
    if not config.stream and policy_for(config, reader)[0] == "off":
        return config, ""
    n_clips = int(np.count_nonzero((reader.split == "train") & (reader.label >= 0)))
    steps = max(1, -(-n_clips // config.clips_per_step))
    epochs = -(-_LEAST_STEPS // steps)
    if epochs <= config.epochs:
        return config, ""
    said = f"{n_clips:,} training clips are {steps} step{'s' * (steps > 1)} an epoch"
    return replace(config, epochs=epochs), f"{said}: {epochs:,} epochs instead of {config.epochs:,}, unless --epochs says how many"
