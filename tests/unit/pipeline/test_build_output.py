"""Bad recordings leave no trace, and the name of the output: an old file stays until a new one is known to be good."""

from __future__ import annotations

import errno
import itertools
import os
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builds import CONFIG, CONFIGS, MFCC, plan, run

import kwsfeat.dataset.writer
import kwsfeat.pipeline.sources
from kwsfeat import FeatureConfig, Reader
from kwsfeat.cli import main
from kwsfeat.dataset.verify import verify_file
from kwsfeat.errors import AudioError, ConfigError, StoreError
from kwsfeat.pipeline.build import build_file as build
from kwsfeat.pipeline.sources import plan_recordings

pytestmark = pytest.mark.usefixtures("small_blocks")


@pytest.mark.parametrize("threads", [1, 3])
def test_bad_recordings_are_left_out_and_leave_no_trace(spoiled_corpus: Path, tmp_path: Path, reference: bytes, threads: int) -> None:
    report = run(spoiled_corpus, tmp_path / "a.h5", threads=threads)
    assert [name for name, _ in report.skipped] == ["no/0_text.wav", "up/empty.wav", "yes/zz_nan.wav"]
    assert "nan" in report.skipped[2][1]
    assert report.n_clips == 77
    assert verify_file(tmp_path / "a.h5").problems == []
    (tmp_path / "reference2.h5").write_bytes(reference)
    ours, clean = Reader(tmp_path / "a.h5"), Reader(tmp_path / "reference2.h5")
    for name in ("audio", "length", "label", "split", "speaker", "source", "start", "variant"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(clean, name))
    for name in CONFIGS:
        np.testing.assert_array_equal(ours.features(name), clean.features(name))
        np.testing.assert_array_equal(ours.statistics(name), clean.statistics(name))
    assert ours.attrs["n_skipped"] == 3
    assert sorted(p for p in os.listdir(tmp_path) if p.startswith("a.h5")) == ["a.h5"]


def test_strict_makes_a_bad_recording_an_error(spoiled_corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"no/0_text\.wav"):
        run(spoiled_corpus, tmp_path / "a.h5", strict=True)
    assert not (tmp_path / "a.h5").exists()


def test_a_folder_that_a_manifest_names_in_vain_is_left_out(tiny_corpus: Path, tmp_path: Path) -> None:
    """It never was there, so nothing vanished."""
    good = sorted(tiny_corpus.glob("yes/*.wav"))[:3]
    rows = [f"{path},yes\n" for path in (*good, tmp_path / "nowhere" / "a.wav")]
    (tmp_path / "list.csv").write_text("path,label\n" + "".join(rows))
    report = build(plan_recordings(tmp_path / "list.csv", CONFIG), tmp_path / "a.h5", {"logmel": CONFIG})
    assert report.n_clips == 3
    assert report.skipped == ((str(tmp_path / "nowhere" / "a.wav"), f"{tmp_path / 'nowhere' / 'a.wav'}: no such file"),)


def test_only_bad_recordings_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "c" / "yes").mkdir(parents=True)
    (tmp_path / "c" / "yes" / "a.wav").write_text("no")
    with pytest.raises(AudioError, match="none of the 1 recordings"):
        run(tmp_path / "c", tmp_path / "a.h5")
    assert os.listdir(tmp_path) == ["c"]


def test_an_output_that_exists_is_kept(tiny_corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "a.h5").write_text("mine")
    with pytest.raises(StoreError, match="exists"):
        run(tiny_corpus, tmp_path / "a.h5")
    assert (tmp_path / "a.h5").read_text() == "mine"
    run(tiny_corpus, tmp_path / "a.h5", overwrite=True)
    assert verify_file(tmp_path / "a.h5").problems == []


def test_a_file_that_appears_during_the_build_is_kept(tiny_corpus: Path, tmp_path: Path) -> None:
    def appear(done: int, total: int) -> None:
        (tmp_path / "a.h5").write_text("mine")

    with pytest.raises(StoreError, match="exists"):
        run(tiny_corpus, tmp_path / "a.h5", progress=appear)
    assert (tmp_path / "a.h5").read_text() == "mine"


def test_a_reader_of_the_old_file_keeps_it(tiny_corpus: Path, tmp_path: Path) -> None:
    run(tiny_corpus, tmp_path / "a.h5")
    with Reader(tmp_path / "a.h5") as old:
        before = np.array(old.features("logmel"))
        build(plan(tiny_corpus), tmp_path / "a.h5", {"mfcc": MFCC}, overwrite=True)
        np.testing.assert_array_equal(old.features("logmel"), before)
    assert Reader(tmp_path / "a.h5").feature_names == ("mfcc",)


@pytest.mark.parametrize(("call", "step"), [("fsync", 1), ("ftruncate", 1), ("replace", 1), ("posix_fallocate", 1), ("pwrite", 7)])
def test_whatever_fails_the_old_file_stays_until_the_new_one_is_good(
    tiny_corpus: Path, tmp_path: Path, reference: bytes, monkeypatch: pytest.MonkeyPatch, call: str, step: int
) -> None:
    """Each call that changes the disk fails once; the error names what the user named, and the next run succeeds."""
    build(plan(tiny_corpus), tmp_path / "a.h5", {"mfcc": MFCC})
    old = (tmp_path / "a.h5").read_bytes()
    real = getattr(os, call)
    said = []
    for number in itertools.count(1, step):
        n_calls = itertools.count(1)

        def failing(*args: Any, number: int = number, n_calls: Iterator[int] = n_calls, **options: Any) -> Any:
            if next(n_calls) == number:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return real(*args, **options)

        (tmp_path / "a.h5").write_bytes(old)
        with monkeypatch.context() as patch:
            patch.setattr(os, call, failing)
            try:
                run(tiny_corpus, tmp_path / "a.h5", overwrite=True)
            except StoreError as error:
                said.append(str(error))
            else:
                break
        assert (tmp_path / "a.h5").read_bytes() in (old, reference)
        run(tiny_corpus, tmp_path / "a.h5", overwrite=True)
        assert (tmp_path / "a.h5").read_bytes() == reference
        assert sorted(p for p in os.listdir(tmp_path) if p.startswith("a.h5")) == ["a.h5"]
    assert len(said) >= (5 if call == "pwrite" else 1)
    named = {line.partition(": Input/output error: ")[0] for line in said}
    assert named <= {f"cannot {what} {tmp_path}/a.h5" for what in ("write", "create")}


def test_a_file_that_cannot_be_read_does_not_replace_a_good_one(tiny_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk that swallows the last metadata."""
    run(tiny_corpus, tmp_path / "a.h5")
    old = (tmp_path / "a.h5").read_bytes()
    complete = kwsfeat.dataset.writer.complete

    def forgetful(path: Path, *args: Any) -> Any:
        layout = complete(path, *args)
        with open(path, "r+b") as file:
            file.seek(4096)
            file.write(bytes(64))
        return layout

    monkeypatch.setattr(kwsfeat.dataset.writer, "complete", forgetful)
    with pytest.raises(StoreError, match=r"a\.h5: what was written cannot be read"):
        run(tiny_corpus, tmp_path / "a.h5", overwrite=True)
    assert (tmp_path / "a.h5").read_bytes() == old


def test_the_unfinished_file_is_not_written_through_a_link(tiny_corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "a.h5.partial").symlink_to(tmp_path / "mine")
    with pytest.raises(StoreError, match=r"cannot write .*/a\.h5: Too many levels of symbolic links"):
        run(tiny_corpus, tmp_path / "a.h5")
    assert (tmp_path / "mine").read_text() == "mine"


def test_two_builds_to_one_output(tiny_corpus: Path, tmp_path: Path, reference: bytes) -> None:
    refused = []

    def second(done: int, total: int) -> None:
        with pytest.raises(StoreError, match="another process") as error:
            run(tiny_corpus, tmp_path / "a.h5")
        refused.append(error)

    run(tiny_corpus, tmp_path / "a.h5", progress=second)
    assert len(refused) == 10
    assert (tmp_path / "a.h5").read_bytes() == reference


def test_a_full_disk_is_found_at_the_start(tiny_corpus: Path, tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk: both make posix_fallocate and write fail."""
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, limit[1]))
    try:
        with pytest.raises(StoreError, match="too large"):
            run(tiny_corpus, tmp_path / "a.h5")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert os.listdir(tmp_path) == []


def test_feature_sets_that_cut_clips_differently_cannot_share_a_file(tiny_corpus: Path, tmp_path: Path) -> None:
    front = FeatureConfig.from_partial({"pad": "front"}, CONFIG)
    with pytest.raises(ConfigError, match="pad"):
        build(plan(tiny_corpus), tmp_path / "a.h5", {"a": CONFIG, "b": front})


def test_a_folder_that_does_not_exist(tiny_corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="No such file or directory"):
        run(tiny_corpus, tmp_path / "missing" / "a.h5")


def test_recordings_without_labels_make_a_file(tiny_corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "a.h5")
    assert main(["build", str(tiny_corpus / "yes"), out, "--layout", "unlabelled"]) == 0
    with Reader(out) as reader:
        assert (reader.labels, set(reader.label), set(reader.split)) == ((), {-1}, {"test"})
    for command in (["info", out], ["verify", out], ["report", out, str(tmp_path / "a.html")], ["build", out, str(tmp_path / "b.h5")]):
        assert main(command) == 0
    assert "(unlabelled)" in capsys.readouterr().out


@pytest.mark.parametrize("seed", [-1, 1 << 64])
def test_a_seed_that_the_file_cannot_keep_is_refused_before_work(tiny_corpus: Path, tmp_path: Path, seed: int) -> None:
    source = plan_recordings(tiny_corpus, CONFIG)
    with pytest.raises(ConfigError, match=rf"seed={seed} must be >= 0 and <= 18,446,744,073,709,551,615"):
        build(source, tmp_path / "a.h5", {"logmel": CONFIG}, seed=seed)
    assert list(tmp_path.iterdir()) == []
