"""Files that were built apart become one data set, if they fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from builds import CONFIG, CONFIGS, plan
from numpy.testing import assert_allclose, assert_array_equal

from kwsfeat import ConfigError, FeatureConfig, Reader, VerificationError, build_file, merge_files, verify_file
from kwsfeat.cli import main


def test_a_file_and_a_folder_become_one(both: tuple[Reader, Reader], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole, folder = both
    assert main(["merge", str(whole.path), str(folder.path), str(tmp_path / "all")]) == 0
    assert "154 clips in 5 files" in capsys.readouterr().out
    assert not verify_file(tmp_path / "all").problems
    with Reader(tmp_path / "all") as merged:
        assert_array_equal(merged.source, np.tile(whole.source, 2))
        assert_array_equal(merged.features("mfcc"), np.concatenate([whole.features("mfcc")] * 2))
        assert_allclose(merged.statistics(), whole.statistics(), rtol=1e-6)
        assert merged.rows("train").size == 2 * whole.rows("train").size
    assert main(["merge", str(whole.path), str(tmp_path / "all")]) == 1
    assert "all exists" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("labels", "configs", "options", "message"),
    [
        ("yes,no", CONFIGS, {}, r"have other labels \(only .*whole.h5 has .*up"),
        ("all", {"logmel": CONFIG}, {}, "has the features logmel, mfcc, .* has logmel:"),
        ("all", {**CONFIGS, "logmel": FeatureConfig.from_partial({"n_mels": 21}, CONFIG)}, {}, r"other features 'logmel' \(n_mels"),
        ("all", CONFIGS, {"audio": False}, r"only .*whole\.h5 holds audio"),
        ("all", CONFIGS, {"dtype": "float16"}, "has float32 features, .* has float16"),
    ],
)
def test_what_differs_is_named(
    whole: Path, tiny_corpus: Path, tmp_path: Path, labels: str, configs: dict[str, FeatureConfig], options: dict[str, object], message: str
) -> None:
    rows = plan(tiny_corpus, labels=labels, synthesise=True)
    build_file(rows, tmp_path / "b.h5", configs, **options)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=message):
        merge_files([whole, tmp_path / "b.h5"], tmp_path / "all")
    assert not (tmp_path / "all").exists()


def test_other_clips_are_refused(whole: Path, tiny_corpus: Path, tmp_path: Path) -> None:
    config = FeatureConfig.from_partial({"n_samples": 8000}, CONFIG)
    build_file(plan(tiny_corpus).__class__(**{**vars(plan(tiny_corpus)), "config": config}), tmp_path / "b.h5", {"logmel": config})
    with pytest.raises(ConfigError, match=r"disagree about what a clip is \(n_samples: 16000 != 8000\)"):
        merge_files([whole, tmp_path / "b.h5"], tmp_path / "all")


def test_a_damaged_file_is_not_taken(whole: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.h5"
    bad.write_bytes(whole.read_bytes())
    with Reader(bad) as reader:
        place = reader.extents["features/mfcc"]
    with open(bad, "r+b") as file:
        file.seek(place.offset + 11)
        file.write(b"x")
    with pytest.raises(VerificationError, match=r"bad\.h5: /features/mfcc is damaged near row 0"):
        merge_files([whole, bad], tmp_path / "all")
    assert not (tmp_path / "all").exists()


@pytest.mark.parametrize("audio", [True, False])
def test_splits_that_contradict_each_other_are_said(
    tiny_corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], audio: bool
) -> None:
    """The same recordings by two seeds: how many are in two splits, and how many in the same one twice, is counted here by name."""
    for seed in (0, 1):
        build_file(plan(tiny_corpus, seed=seed, split="stratified"), tmp_path / f"{seed}.h5", CONFIGS, audio=audio)
    with Reader(tmp_path / "0.h5") as a, Reader(tmp_path / "1.h5") as b:
        split = [dict(zip(one.source.tolist(), one.split.tolist(), strict=True)) for one in (a, b)]
        voices: dict[str, set[str]] = {}
        for one in (a, b):
            for who, part in zip(one.speaker.tolist(), one.split.tolist(), strict=True):
                voices.setdefault(who, set()).add(part)
    n_same = sum(split[1][name] == part for name, part in split[0].items())
    n_other = len(split[0]) - n_same
    shared = sorted(who for who, parts in voices.items() if who and len(parts) > 1)
    assert min(n_same, n_other, len(shared)) > 1
    assert main(["merge", str(tmp_path / "0.h5"), str(tmp_path / "1.h5"), str(tmp_path / "all")]) == 0
    err = capsys.readouterr().err
    others = "copies of others" if audio else "called as others (there is no audio to compare)"
    assert f"{n_other} recordings are {others} in another split, the score will be too good: " in err
    assert f"{n_same} recordings are {others} in another file, and count twice: " in err
    assert f"{len(shared)} of {len(voices.keys() - {''})} speakers, {shared[0]} for one, are in more than one split" in err


def test_files_that_fit_together_are_merged_without_a_word(tiny_corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = plan(tiny_corpus, split="by-speaker")
    half = rows.columns().label.size // 2
    for k, part in enumerate((slice(0, half), slice(half, 2 * half))):
        build_file(rows.part(part), tmp_path / f"{k}.h5", CONFIGS)
    assert main(["merge", str(tmp_path / "0.h5"), str(tmp_path / "1.h5"), str(tmp_path / "all")]) == 0
    assert capsys.readouterr().err == ""


def test_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nothing to merge"):
        merge_files([], tmp_path / "all")
