"""Which policy ``augment=auto`` is: the network's own where the file can give fresh clips, and what is said about it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("jax")

from kwstrain.config import TrainConfig, defaults
from kwstrain.data.augmentation import policy_for
from kwstrain.models import names, spec

TAUGHT = ("speech-embedding",)  # taught words by closed formulae, see docs/own-word.md
FIVE_SYSTEMS = ("cnn", "cnn-mnist", "cnn-deep", "vgg-160", "lstm", "lstm-raw", "vgg16", "resnet50", "inception-v3")


def file(*, has_audio: bool = True, variant: int = 0) -> Any:
    return SimpleNamespace(has_audio=has_audio, variant=np.array([0, variant]), path=Path("a.h5"))


@pytest.mark.parametrize("arch", FIVE_SYSTEMS)
def test_the_networks_of_the_systems_train_on_the_clips_as_they_are(arch: str) -> None:
    assert policy_for(defaults(arch), file()) == ("off", "")


@pytest.mark.parametrize("arch", [name for name in names() if name not in (*FIVE_SYSTEMS, *TAUGHT)])
def test_the_others_have_a_policy_of_their_own(arch: str) -> None:
    policy, said = policy_for(defaults(arch), file())
    assert policy == spec(arch).training["augment"] != "off"
    assert policy in said
    assert "--augment off" in said


def test_a_file_that_cannot_give_fresh_clips_is_trained_on_as_it_is() -> None:
    config = defaults("bcresnet-1")
    assert policy_for(config, file(has_audio=False)) == (
        "off",
        "no fresh augmentation (strong): a.h5 holds no audio, build it without --no-audio",
    )
    assert policy_for(config, file(variant=3)) == ("off", "no fresh augmentation (strong): a.h5 holds augmented copies already")


def test_what_was_chosen_is_taken_as_it_is() -> None:
    for chosen in ("off", "strong", "mine.toml"):
        assert policy_for(TrainConfig(arch="bcresnet-1", augment=chosen), file(has_audio=False)) == (chosen, "")
