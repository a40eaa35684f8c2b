"""Which policy ``augment=auto`` is: the network's own where the file can give fresh clips; how many epochs that takes; what is said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("jax")

from kwstrain.config import TrainConfig, defaults
from kwstrain.data.augmentation import enough_epochs, policy_for
from kwstrain.models import names, spec

FIVE_SYSTEMS = ("cnn", "cnn-mnist", "cnn-deep", "vgg-160", "lstm", "lstm-raw", "vgg16", "resnet50", "inception-v3")


def file(*, has_audio: bool = True, variant: int = 0) -> Any:
    return SimpleNamespace(has_audio=has_audio, variant=np.array([0, variant]), path=Path("a.h5"))


def clips(n: int, **more: Any) -> Any:
    """A file of n training clips, one without a label, and five validation clips."""
    split, label = ["train"] * (n + 1) + ["validation"] * 5, [0] * n + [-1] + [0] * 5
    return SimpleNamespace(**vars(file(**more)), split=np.array(split), label=np.array(label))


@pytest.mark.parametrize("arch", FIVE_SYSTEMS)
def test_the_networks_of_the_systems_train_on_the_clips_as_they_are(arch: str) -> None:
    assert policy_for(defaults(arch), file()) == ("off", "")


@pytest.mark.parametrize("arch", [name for name in names() if name not in FIVE_SYSTEMS])
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


def test_few_clips_get_more_epochs() -> None:
    config, said = enough_epochs(defaults("tc-resnet8"), clips(300))
    assert (config.epochs, config.batch) == (667, 100)
    assert said == "300 training clips are 3 steps an epoch: 667 epochs instead of 60, unless --epochs says how many"
    assert enough_epochs(defaults("tc-resnet8"), clips(20))[0].epochs == 2000
    assert enough_epochs(replace(defaults("tc-resnet8"), accumulate=2), clips(300))[0].epochs == 1000
    assert enough_epochs(replace(defaults("bcresnet-1"), augment="off", stream=True), clips(300))[0].epochs == 667


@pytest.mark.parametrize(
    ("config", "reader"),
    [
        (defaults("tc-resnet8"), clips(3400)),  # 34 steps x 60 epochs
        (defaults("tc-resnet8"), clips(300, has_audio=False)),
        (replace(defaults("tc-resnet8"), augment="off"), clips(300)),
        (defaults("cnn"), clips(300)),
    ],
    ids=["enough", "no-audio", "off", "as-they-are"],
)
def test_other_epochs_stay(config: TrainConfig, reader: Any) -> None:
    assert enough_epochs(config, reader) == (config, "")
