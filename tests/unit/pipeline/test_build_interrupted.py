"""Builds that are killed, or lose the disk or the corpus, go on where they stopped and give the same bytes."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from builds import run

import kwsfeat.dataset.writer
import kwsfeat.pipeline.sources
from kwsfeat import Reader
from kwsfeat.errors import AudioError, CorpusError, StoreError

pytestmark = pytest.mark.usefixtures("small_blocks")


class Killed(BaseException):
    """Stands for the end of the process."""


def test_a_disk_that_fills_up_leaves_blocks_that_the_next_run_takes_up(
    tiny_corpus: Path, tmp_path: Path, reference: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, n_written = os.pwrite, 0

    def full_after_40(*args: Any) -> int:
        nonlocal n_written
        n_written += 1
        if n_written > 40:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(*args)

    monkeypatch.setattr(os, "pwrite", full_after_40)
    with pytest.raises(StoreError, match=r"cannot write .*/a\.h5: No space left on device: make room"):
        run(tiny_corpus, tmp_path / "a.h5")
    assert not (tmp_path / "a.h5").exists()
    monkeypatch.setattr(os, "pwrite", write)
    report = run(tiny_corpus, tmp_path / "a.h5")
    assert 8 <= report.n_resumed < 77
    assert (tmp_path / "a.h5").read_bytes() == reference


def test_a_changed_recording_is_not_resumed(tmp_path: Path, tiny_corpus: Path) -> None:
    corpus = tmp_path / "corpus"
    shutil.copytree(tiny_corpus, corpus)
    victim = corpus / "yes" / "00abc000_nohash_0.wav"
    (corpus / "yes" / "zz.wav").write_text("stop here")
    with pytest.raises(AudioError, match="zz"):
        run(corpus, tmp_path / "a.h5", strict=True)
    os.utime(victim)
    assert run(corpus, tmp_path / "a.h5").n_resumed == 0


def test_vanished_source_is_an_error_and_can_be_resumed(
    tiny_corpus: Path, tmp_path: Path, reference: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = tmp_path / "corpus"
    shutil.copytree(tiny_corpus, corpus)
    decode, n_decoded = kwsfeat.pipeline.sources.load_clip, 0

    def unplugged_after_30(*args: Any, **options: Any) -> Any:
        nonlocal n_decoded
        n_decoded += 1
        if n_decoded == 30:
            corpus.rename(tmp_path / "unplugged")
        return decode(*args, **options)

    monkeypatch.setattr(kwsfeat.pipeline.sources, "load_clip", unplugged_after_30)
    with pytest.raises(CorpusError, match="not there"):
        run(corpus, tmp_path / "a.h5")
    assert not (tmp_path / "a.h5").exists()
    (tmp_path / "unplugged").rename(corpus)
    report = run(corpus, tmp_path / "a.h5")
    assert report.n_resumed == 24
    assert (tmp_path / "a.h5").read_bytes() == reference


# Runs in a process of its own: for each of the calls by which a build changes the disk, a child is killed at that call, in a
# folder of its own. What it leaves behind is judged by the test.
KILL_EVERYWHERE = """
    import os, signal, sys
    from pathlib import Path
    import kwsfeat.dataset.writer
    from kwsfeat import FeatureConfig, Reader
    from kwsfeat.pipeline.build import build_file as build
    from kwsfeat.pipeline.sources import plan_recordings
    from kwsfeat.kernels.spectrum import front_end as extract

    kwsfeat.dataset.writer._BLOCK_ROWS = 8
    corpus, base = Path(sys.argv[1]), Path(sys.argv[2])
    config = FeatureConfig(n_mels=20)
    configs = {"logmel": config, "mfcc": FeatureConfig.from_partial({"output": "mfcc"}, config)}

    def run(folder):
        return build(plan_recordings(corpus, config), folder / "a.h5", configs)

    def kill_at(number, names):
        seen = 0
        def wrap(call):
            def counted(*args, **options):
                nonlocal seen
                seen += not str(args[0]).endswith(".wav")  # reading a recording changes nothing
                if seen == number:
                    os.kill(os.getpid(), signal.SIGKILL)
                return call(*args, **options)
            return counted
        for name in names:
            setattr(os, name, wrap(getattr(os, name)))

    (base / "warm").mkdir()
    run(base / "warm")  # compiles the kernels once, before the children are forked
    for names, step in ((("fsync", "ftruncate", "truncate", "replace", "posix_fallocate"), 1), (("open", "pwrite"), 5)):
        number = 1
        while True:
            folder = base / f"{names[0]}{number:03d}"
            folder.mkdir()
            child = os.fork()
            if not child:
                kill_at(number, names)
                run(folder)
                os._exit(0)
            if os.waitpid(child, 0)[1] == 0:
                break
            number += step
"""


@pytest.mark.slow
@pytest.mark.parametrize("corpus", ["tiny_corpus", "spoiled_corpus"])
def test_killed_at_any_moment_it_goes_on(corpus: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    source: Path = request.getfixturevalue(corpus)
    run(source, tmp_path / "reference.h5")
    reference = (tmp_path / "reference.h5").read_bytes()
    (tmp_path / "runs").mkdir()
    script = textwrap.dedent(KILL_EVERYWHERE)
    subprocess.run([sys.executable, "-c", script, source, tmp_path / "runs"], check=True, timeout=900)
    folders = sorted((tmp_path / "runs").iterdir())
    assert len(folders) > 20
    resumed = []
    for folder in folders:
        finished = (folder / "a.h5").exists()
        if finished:
            assert (folder / "a.h5").read_bytes() == reference
        report = run(source, folder / "a.h5", overwrite=finished)
        assert (folder / "a.h5").read_bytes() == reference
        assert os.listdir(folder) == ["a.h5"]
        resumed.append(0 if finished else report.n_resumed)
    assert {0, 8, 72, 77} <= set(resumed)


def test_a_bad_recording_costs_no_more_than_its_own_rows(
    tiny_corpus: Path, spoiled_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rows behind it are written once, where they stay."""
    write, n_bytes = os.pwrite, 0

    def counted(fd: int, data: memoryview, offset: int) -> int:
        nonlocal n_bytes
        n_bytes += len(data)
        return write(fd, data, offset)

    monkeypatch.setattr(os, "pwrite", counted)
    written = {}
    for name, corpus in (("clean", tiny_corpus), ("spoiled", spoiled_corpus)):
        n_bytes = 0
        run(corpus, tmp_path / f"{name}.h5")
        written[name] = n_bytes
    row_bytes = sum(place.row_bytes for path, place in Reader(tmp_path / "clean.h5").extents.items() if not path.startswith("checksum"))
    columns = 77 * 200
    assert written["spoiled"] - written["clean"] < 3 * row_bytes + columns
    assert os.path.getsize(tmp_path / "spoiled.h5") - os.path.getsize(tmp_path / "clean.h5") < 3 * row_bytes + columns


def test_a_recording_that_can_be_read_after_all_is_in_the_file(
    tiny_corpus: Path, tmp_path: Path, reference: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an interrupted run left out is tried again, and the blocks behind it are made anew when it can be read."""
    decode, n_decoded = kwsfeat.pipeline.sources.load_clip, 0

    def flaky(*args: Any, **options: Any) -> Any:
        nonlocal n_decoded
        n_decoded += 1
        if n_decoded == 20:
            raise AudioError("not now")
        if n_decoded == 60:
            raise Killed
        return decode(*args, **options)

    monkeypatch.setattr(kwsfeat.pipeline.sources, "load_clip", flaky)
    with pytest.raises(Killed):
        run(tiny_corpus, tmp_path / "a.h5")
    report = run(tiny_corpus, tmp_path / "a.h5")
    assert report.n_resumed == 16
    assert report.skipped == ()
    assert (tmp_path / "a.h5").read_bytes() == reference


# Each process writes every other block of a file, of which it knows the path and the layout.
SPAWNED = """
    import multiprocessing, sys
    from pathlib import Path
    import numpy as np
    import kwsfeat.dataset.writer
    from kwsfeat import FeatureConfig, FrontEnd
    from kwsfeat.dataset.block import write_block
    from kwsfeat.dataset.writer import Writer
    from kwsfeat.pipeline.sources import plan_recordings

    CONFIG = FeatureConfig(n_mels=20)
    CONFIGS = {"logmel": CONFIG, "mfcc": FeatureConfig.from_partial({"output": "mfcc"}, CONFIG)}

    def write_blocks(path, layout, source, blocks):
        receipts = []
        for block in blocks:
            assert not source.load(block.rows, *(block.arrays[name] for name in ("audio", "length", "cut")))
            for name, config in CONFIGS.items():
                x = FrontEnd(config).extract_batch(block.arrays["audio"], lengths=block.arrays["length"], seed=block.rows.start)
                block.arrays[f"features/{name}"][:] = x
            receipts.append(write_block(path, layout, block))
        return receipts

    if __name__ == "__main__":
        kwsfeat.dataset.writer._BLOCK_ROWS = 8
        source = plan_recordings(sys.argv[1], CONFIG)
        with Writer(sys.argv[2], columns=source.columns(), labels=source.labels, configs=CONFIGS) as writer:
            blocks = [writer.empty_block(index) for index in range(len(writer.blocks))]
            with multiprocessing.get_context("spawn").Pool(2) as pool:
                made = [pool.apply_async(write_blocks, (writer.partial, writer.layout, source, blocks[i::2])) for i in (1, 0)]
                for receipts in made:
                    for receipt in receipts.get():
                        writer.record(receipt)
            writer.finish()
"""


def test_two_processes_write_the_blocks_of_one_file(tiny_corpus: Path, tmp_path: Path, reference: bytes) -> None:
    (tmp_path / "spawned.py").write_text(textwrap.dedent(SPAWNED))
    subprocess.run([sys.executable, tmp_path / "spawned.py", tiny_corpus, tmp_path / "a.h5"], check=True, timeout=900)
    assert (tmp_path / "a.h5").read_bytes() == reference
