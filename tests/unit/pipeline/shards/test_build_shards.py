"""What a data set holds depends neither on where it is cut, nor on how often its making was interrupted."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from builds import CONFIG, CONFIGS, contents, plan
from numpy.testing import assert_array_equal

import kwsfeat.dataset.writer
import kwsfeat.pipeline.sources
from kwsfeat import AudioError, ConfigError, FeatureConfig, Reader, StoreError, augment_source, build_file, build_shards, load_policy
from kwsfeat.cli import main


@pytest.mark.parametrize("threads", [1, 2])
def test_the_bytes_do_not_depend_on_threads(tiny_corpus: Path, folder: Path, tmp_path: Path, threads: int) -> None:
    report = build_shards(plan(tiny_corpus, synthesise=True), tmp_path / "set", CONFIGS, shard_clips=20, threads=threads)
    assert (report.n_clips, report.n_resumed, report.skipped) == (77, 0, ())
    assert contents(tmp_path / "set") == contents(folder)
    assert not (tmp_path / "set.partial").exists()


@pytest.mark.parametrize("shard_clips", [37, 1000])
def test_variants_and_dither_do_not_depend_on_the_cut(tiny_corpus: Path, tmp_path: Path, shard_clips: int) -> None:
    config = FeatureConfig.from_partial({"dither": 1.0, "crop": "random", "n_samples": 8000}, CONFIG)
    rows = kwsfeat.plan_recordings(tiny_corpus, config, labels="yes,no", unknown="other", unknown_share=0.2)
    source = augment_source(rows, load_policy("nine"), config, seed=5)
    build_file(source, tmp_path / "a.h5", {"x": config}, seed=5)
    build_shards(source, tmp_path / "b", {"x": config}, seed=5, shard_clips=shard_clips)
    with Reader(tmp_path / "a.h5") as a, Reader(tmp_path / "b") as b:
        assert b.n_files == -(-a.n_clips // shard_clips)
        for name in ("audio", "length", "label", "split", "source", "variant", "augmentation"):
            assert_array_equal(getattr(b, name), getattr(a, name))
        assert_array_equal(b.features(), a.features())
        assert b.attrs["recipe"] == a.attrs["recipe"]


def test_new_features_of_a_folder_as_a_folder(folder: Path, tmp_path: Path) -> None:
    assert main(["build", str(folder), str(tmp_path / "b"), "--features", "mfcc", "--shard-clips", "33"]) == 0
    with Reader(folder) as a, Reader(tmp_path / "b") as b:
        assert (b.n_files, b.feature_names) == (3, ("mfcc",))
        for name in ("audio", "length", "cut", "source", "split"):
            assert_array_equal(getattr(b, name), getattr(a, name))


def test_what_cannot_be_read_leaves_no_gap(spoiled_corpus: Path, tmp_path: Path) -> None:
    build_file(plan(spoiled_corpus), tmp_path / "a.h5", CONFIGS)
    report = build_shards(plan(spoiled_corpus), tmp_path / "b", CONFIGS, shard_clips=13)
    with Reader(tmp_path / "a.h5") as a, Reader(tmp_path / "b") as b:
        assert report.n_clips == b.n_clips == a.n_clips
        assert [line.split(":")[0] for line in b.skipped] == [line.split(":")[0] for line in a.skipped]
        assert b.attrs["n_skipped"] == len(report.skipped) == 3
        assert_array_equal(b.features(), a.features())
    with pytest.raises(AudioError, match="0_text"):
        build_shards(plan(spoiled_corpus), tmp_path / "c", CONFIGS, shard_clips=13, strict=True)


def test_a_file_without_any_readable_recording_is_not_made(spoiled_corpus: Path, tmp_path: Path) -> None:
    few = tmp_path / "few"
    for word, names in {"no": ("00abc000_nohash_0", "0_text"), "yes": ("00abc000_nohash_0", "00abc001_nohash_0")}.items():
        (few / word).mkdir(parents=True)
        for name in names:
            shutil.copy(spoiled_corpus / word / f"{name}.wav", few / word)
    report = build_shards(plan(few), tmp_path / "b", CONFIGS, shard_clips=1)
    with Reader(tmp_path / "b") as reader:
        assert reader.n_files == reader.n_clips == report.n_clips == 3
        assert reader.skipped == ()  # there is no file to list them
        assert [path.name for path in reader.files] == ["00000.h5", "00002.h5", "00003.h5", "dataset.json"]
    assert [name for name, _ in report.skipped] == ["no/0_text.wav"]


class Killed(BaseException):
    """Stands for the end of the process."""


def test_an_interrupted_build_goes_on(tiny_corpus: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load, n_loaded = kwsfeat.pipeline.sources.load_clip, 0

    def until_50(*args: Any, **options: Any) -> Any:
        nonlocal n_loaded
        n_loaded += 1
        if n_loaded == 50:
            raise Killed
        return load(*args, **options)

    monkeypatch.setattr(kwsfeat.pipeline.sources, "load_clip", until_50)
    with pytest.raises(Killed):
        build_shards(plan(tiny_corpus, synthesise=True), tmp_path / "set", CONFIGS, shard_clips=20)
    assert not (tmp_path / "set").exists()
    made = {path: path.stat() for path in (tmp_path / "set.partial").glob("*.h5")}
    assert len(made) == 2
    report = build_shards(plan(tiny_corpus, synthesise=True), tmp_path / "set", CONFIGS, shard_clips=20)
    assert report.n_resumed == 40
    assert n_loaded == 50 + 37
    assert contents(tmp_path / "set") == contents(folder)


def test_a_damaged_file_of_an_interrupted_build_is_made_again(tiny_corpus: Path, folder: Path, tmp_path: Path) -> None:
    partial = tmp_path / "set.partial"
    _interrupt(tiny_corpus, tmp_path / "set")
    shutil.copy(folder / "00000.h5", partial / "00000.h5")
    shutil.copy(folder / "00001.h5", partial / "00001.h5")
    with open(partial / "00001.h5", "r+b") as file:
        file.seek(-1000, 2)
        file.write(b"damaged")
    report = build_shards(plan(tiny_corpus, synthesise=True), tmp_path / "set", CONFIGS, shard_clips=20)
    assert report.n_resumed == 20
    assert contents(tmp_path / "set") == contents(folder)


def test_another_build_begins_anew(tiny_corpus: Path, folder: Path, tmp_path: Path) -> None:
    _interrupt(tiny_corpus, tmp_path / "set")
    shutil.copy(folder / "00000.h5", tmp_path / "set.partial" / "00000.h5")
    report = build_shards(plan(tiny_corpus, synthesise=True), tmp_path / "set", CONFIGS, shard_clips=30)
    assert (report.n_resumed, report.n_clips) == (0, 77)


def _interrupt(corpus: Path, output: Path) -> None:
    """A build that is stopped before its first file."""

    def nobody(*args: Any) -> Any:
        raise Killed

    with pytest.raises(Killed):
        build_shards(plan(corpus, synthesise=True), output, CONFIGS, shard_clips=20, workers=nobody)


def test_what_exists_is_not_replaced_unasked(tiny_corpus: Path, folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "set")
    with pytest.raises(StoreError, match="set exists: choose another name or use --overwrite"):
        build_shards(plan(tiny_corpus), tmp_path / "set", CONFIGS, shard_clips=50)
    with Reader(tmp_path / "set") as before:
        build_shards(plan(tiny_corpus), tmp_path / "set", CONFIGS, shard_clips=50, overwrite=True)
        with Reader(tmp_path / "set") as after:
            assert (before.n_files, after.n_files) == (4, 2)
    assert [path.name for path in tmp_path.iterdir()] == ["set"]
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.tex").write_text("")
    with pytest.raises(StoreError, match="other exists and is not a folder of kwsfeat build"):
        build_shards(plan(tiny_corpus), other, CONFIGS, overwrite=True)


def test_two_at_once_are_refused(tiny_corpus: Path, tmp_path: Path) -> None:
    def second(*args: Any) -> Any:
        build_shards(plan(tiny_corpus), tmp_path / "set", CONFIGS)

    with pytest.raises(StoreError, match="is being written by another process"):
        build_shards(plan(tiny_corpus), tmp_path / "set", CONFIGS, workers=second)


def test_no_clips_in_a_file_are_wrong(tiny_corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="shard_clips=0 must be >= 1"):
        build_shards(plan(tiny_corpus), tmp_path / "set", CONFIGS, shard_clips=0)
