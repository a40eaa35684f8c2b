"""Parts of a split and remarks about its classes: against numbers worked out by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from toy_features import CONFIG, write_toy

pytest.importorskip("jax")

from kwsfeat import Reader, Writer
from kwsfeat.dataset.columns import Columns
from kwsfeat.pipeline.arrays import write_file
from kwstrain.data.remarks import remarks
from kwstrain.evaluation.groups import Group, by_speaker, by_value, groups, levels
from kwstrain.evaluation.metrics import Scores


def test_the_five_worst_speakers_come_first_and_nobody_unknown() -> None:
    speaker = np.array([*"aaaabbbbccddeeffgg", "", ""])
    right = np.array([0, 0, 1, 1, 1, 1, 1, 1, 0, 1, 0, 0, 1, 1, 0, 1, 1, 1, 0, 0], bool)
    assert by_speaker(speaker, right) == [
        Group("d", 2, 0.0),
        Group("a", 4, 0.5),
        Group("c", 2, 0.5),
        Group("f", 2, 0.5),
        Group("b", 4, 1.0),
    ]
    assert by_speaker(np.array(["a", "a", ""]), right[:3]) == []


def test_values_make_parts_that_hold_every_clip_once() -> None:
    values = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8])
    parts = by_value(values, np.array([1, 1, 0, 1, 0, 0, 1, 0], bool), "s", 2)
    assert sum(part.n_clips for part in parts) == 8
    assert sum(part.n_clips * part.accuracy for part in parts) == 4
    assert len(parts) == 4
    assert (parts[0].name, parts[-1].name) == ("0.10 to 0.20 s", "0.70 to 0.80 s")
    assert by_value(np.full(3, 1.0), np.array([True, False, False]), "s", 2) == [Group("1.00 s", 3, 1 / 3)]
    mostly = by_value(np.array([0.5, *[1.0] * 9]), np.arange(10) > 0, "s", 2)
    assert mostly == [Group("0.50 s", 1, 0.0), Group("1.00 s", 9, 1.0)]


def test_the_level_is_that_of_the_recording_without_its_padding(tmp_path: Path) -> None:
    audio = np.zeros((4, CONFIG.n_samples), np.int16)
    audio[0], audio[1, :1000], audio[2, ::2], audio[2, 1::2] = 16384, 16384, 3277, -3277
    length = np.array([2000, 1000, 2000, 500])
    path = tmp_path / "levels.h5"
    write_file(path, audio=audio, length=length, label=np.arange(4) % 2, split=["test"] * 4, labels=["a", "b"], configs={"x": CONFIG})
    with Reader(path) as reader:
        np.testing.assert_allclose(levels(reader, np.arange(4)), [-6.02, -6.02, -20.0, -100.0], atol=0.01)
        parts = groups(reader, np.arange(4), np.array([True, True, True, False]))
    assert parts["speaker"] == []
    assert parts["level"][0] == Group("-100 dB", 1, 0.0)
    assert parts["level"][1:] == [Group("-20 dB", 1, 1.0), Group("-6 dB", 2, 1.0)]


def test_the_majority_share_is_what_one_answer_would_get() -> None:
    assert Scores(0.0, np.array([[3, 1], [0, 1]])).majority_share == 0.8
    assert Scores(0.0, np.zeros((2, 2), np.int64)).majority_share == 0.0


@pytest.mark.parametrize("negative", ["silence", "unknown", ""])
def test_empty_classes_and_words_alone_are_named(negative: str, tmp_path: Path) -> None:
    labels = ["yes", "no", *([negative] if negative else [])]
    path = tmp_path / "few.h5"
    write_file(
        path, audio=np.ones((6, CONFIG.n_samples), np.int16), length=np.full(6, 2000), label=[0, 1, 0, 1, 0, -1],
        split=["train", "train", "validation", "validation", "test", "test"], labels=labels, configs={"x": CONFIG},
    )  # fmt: skip
    with Reader(path) as reader:
        said = remarks(reader, ["train", "test"])
    if negative:
        assert said == [f"the train split has no clips of {negative}", f"the test split has no clips of no, {negative}"]
    else:
        assert said[0] == "the test split has no clips of no"
        assert said[1].startswith("there are words only: every sound will be one of your 2 words; build with --silence-share")
        assert len(said) == 2


def test_a_split_without_any_clips_is_no_empty_class(tmp_path: Path) -> None:
    with Reader(write_toy(tmp_path / "toy.h5", n_clips=9)) as reader:  # the first three triples: train, validation, test
        assert len(remarks(reader, ["train", "validation", "test"])) == 1
    with Reader(write_toy(tmp_path / "less.h5", n_clips=6)) as reader:
        assert len(remarks(reader, ["train", "validation", "test"])) == 1


@pytest.mark.parametrize(
    ("outside", "cure"), [(1, "--crop loudest, or with --length auto"), (0, "--length auto to keep all of nearly all")]
)
def test_cut_recordings_are_named(outside: int, cure: str, tmp_path: Path) -> None:
    columns = Columns.of([0, 1, 0, 1], ["train"] * 3 + ["test"], variant=[0, 0, 1, 0], source=["a", "b", "b", "c"])
    with Writer(tmp_path / "cut.h5", columns=columns, labels=["yes", "silence"], configs={"x": CONFIG}) as writer:
        block = writer.empty_block(0)
        block.arrays["cut"][:] = [1, 1 + outside, 1 + outside, 0]
        writer.write(block)
        writer.finish()
    with Reader(tmp_path / "cut.h5") as reader:
        said = remarks(reader, ["train"])
    assert len(said) == 1
    assert said[0].startswith("2 clips are parts of longer recordings")
    assert said[0].endswith(cure)
    assert ("1 of them without the loudest part" in said[0]) == bool(outside)
