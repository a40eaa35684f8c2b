"""Which policy draws the fresh augmentation of a training."""

from __future__ import annotations

from kwsfeat import Reader
from kwstrain.config import TrainConfig
from kwstrain.models import spec

AUTO = "auto"


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
