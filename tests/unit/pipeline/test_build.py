"""kwsfeat.build: the same bytes for any number of threads and interruptions, and never a wrong file under the final name."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from tones import WORDS, tone_clip

import kwsfeat.dataset.writer
import kwsfeat.pipeline.sources
from kwsfeat import FeatureConfig, FrontEnd, Reader, load_clip
from kwsfeat.dataset.verify import verify_file
from kwsfeat.errors import AudioError, ConfigError, CorpusError, StoreError
from kwsfeat.pipeline.build import BuildReport
from kwsfeat.pipeline.build import build_file as build
from kwsfeat.pipeline.sources import FromDataset, Recordings, plan_recordings

CONFIG = FeatureConfig(n_mels=20)
MFCC = FeatureConfig.from_partial({"output": "mfcc"}, CONFIG)
CONFIGS = {"logmel": CONFIG, "mfcc": MFCC}


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """77 clips make 10 blocks."""
    monkeypatch.setattr(kwsfeat.dataset.writer, "_BLOCK_ROWS", 8)


def plan(source: Path, **options: Any) -> Recordings:
    return plan_recordings(source, CONFIG, **options)


def run(source: Path, output: Path, **options: Any) -> BuildReport:
    return build(plan(source), output, CONFIGS, **options)


@pytest.fixture
def reference(tiny_corpus: Path, tmp_path: Path) -> bytes:
    """The bytes that every way of building the corpus must give."""
    run(tiny_corpus, tmp_path / "reference.h5")
    return (tmp_path / "reference.h5").read_bytes()


def test_a_file_holds_its_recordings(tiny_corpus: Path, tmp_path: Path) -> None:
    report = run(tiny_corpus, tmp_path / "a.h5", threads=2)
    assert (report.n_clips, report.skipped, report.n_resumed) == (77, (), 0)
    assert verify_file(tmp_path / "a.h5").problems == []
    reader = Reader(tmp_path / "a.h5")
    assert reader.labels == (*sorted(WORDS), "silence")
    assert reader.audio.shape == (77, 16000)
    for row in (0, 30, 71, 72, 76):
        path, start = tiny_corpus / reader.source[row], int(reader.start[row])
        y, length = load_clip(path, CONFIG, start=start, stop=start + 16000)
        np.testing.assert_array_equal(reader.audio[row], y)
        assert reader.length[row] == length
        np.testing.assert_array_equal(reader.features("mfcc")[row], FrontEnd(MFCC).extract(y))
        folder = reader.source[row].split("/")[0]
        assert reader.labels[reader.label[row]] == (folder if folder in WORDS else "silence")
    assert reader.length[76] == 5000
    assert sorted(os.listdir(tmp_path)) == ["a.h5"]


@pytest.mark.parametrize("threads", [2, 8])
def test_threads_do_not_change_the_file(tiny_corpus: Path, tmp_path: Path, reference: bytes, threads: int) -> None:
    run(tiny_corpus, tmp_path / "a.h5", threads=threads)
    assert (tmp_path / "a.h5").read_bytes() == reference


def test_the_place_and_time_of_the_corpus_do_not_change_the_file(tiny_corpus: Path, tmp_path: Path, reference: bytes) -> None:
    shutil.copytree(tiny_corpus, tmp_path / "copy", copy_function=shutil.copyfile)
    run(tmp_path / "copy", tmp_path / "a.h5")
    assert (tmp_path / "a.h5").read_bytes() == reference


def test_another_seed_gives_another_file(tiny_corpus: Path, tmp_path: Path) -> None:
    for seed in (0, 1):
        build(plan(tiny_corpus, split="stratified:50/50", seed=seed), tmp_path / f"{seed}.h5", CONFIGS, seed=seed)
    assert (Reader(tmp_path / "0.h5").split != Reader(tmp_path / "1.h5").split).any()


def test_a_random_crop_depends_on_the_clip_and_the_seed_only(tmp_path: Path) -> None:
    config = FeatureConfig.from_partial({"crop": "random", "n_samples": 8000}, CONFIG)
    for folder, takes in (("few", (3, 5)), ("many", (1, 2, 3, 4, 5))):
        (tmp_path / folder / "up").mkdir(parents=True)
        for take in takes:
            soundfile.write(tmp_path / folder / "up" / f"{take}.wav", tone_clip(2, take), 16000, subtype="PCM_16")
        build(plan_recordings(tmp_path / folder, config), tmp_path / f"{folder}.h5", {"x": config})
    few, many = Reader(tmp_path / "few.h5"), Reader(tmp_path / "many.h5")
    np.testing.assert_array_equal(few.audio[:], many.audio[[2, 4]])


def test_new_features_come_from_the_audio_of_an_earlier_file(tiny_corpus: Path, tmp_path: Path, reference: bytes) -> None:
    build(plan(tiny_corpus), tmp_path / "first.h5", {"logmel": CONFIG})
    shutil.move(tiny_corpus, tiny_corpus.with_name("away"))
    try:
        report = build(FromDataset(Reader(tmp_path / "first.h5"), CONFIG), tmp_path / "second.h5", CONFIGS)
    finally:
        shutil.move(tiny_corpus.with_name("away"), tiny_corpus)
    assert report.n_clips == 77
    assert (tmp_path / "second.h5").read_bytes() == reference


@pytest.mark.parametrize(
    ("change", "message"),
    [({"sr": 8000}, "sr: 16000 != 8000"), ({"pad": "front"}, "pad: 'end' != 'front'"), ({"trim_db": 30.0}, "trim_db: None != 30.0")],
)
def test_an_earlier_file_with_other_clips_is_refused(tiny_corpus: Path, tmp_path: Path, change: dict[str, Any], message: str) -> None:
    run(tiny_corpus, tmp_path / "a.h5")
    with pytest.raises(ConfigError, match=message):
        FromDataset(Reader(tmp_path / "a.h5"), FeatureConfig.from_partial(change, CONFIG))


def test_a_damaged_earlier_file_is_not_built_from(tiny_corpus: Path, tmp_path: Path) -> None:
    run(tiny_corpus, tmp_path / "a.h5")
    with open(tmp_path / "a.h5", "r+b") as file:
        file.seek(Reader(tmp_path / "a.h5").extents["audio"].offset + 20 * 32000)
        file.write(b"\x55")
    with pytest.raises(StoreError, match="/audio is damaged near row 16"):
        build(FromDataset(Reader(tmp_path / "a.h5"), CONFIG), tmp_path / "b.h5", CONFIGS)
    assert not (tmp_path / "b.h5").exists()


def test_without_audio(tiny_corpus: Path, tmp_path: Path) -> None:
    run(tiny_corpus, tmp_path / "full.h5")
    run(tiny_corpus, tmp_path / "a.h5", audio=False)
    reader = Reader(tmp_path / "a.h5")
    np.testing.assert_array_equal(reader.features("mfcc"), Reader(tmp_path / "full.h5").features("mfcc"))
    assert verify_file(tmp_path / "a.h5").problems == []
    with pytest.raises(StoreError, match="--no-audio"):
        _ = reader.audio
    with pytest.raises(StoreError, match="--no-audio"):
        FromDataset(reader, CONFIG)


def test_float16_is_within_the_stated_error(tiny_corpus: Path, tmp_path: Path) -> None:
    run(tiny_corpus, tmp_path / "full.h5")
    run(tiny_corpus, tmp_path / "half.h5", dtype="float16")
    full, half = Reader(tmp_path / "full.h5"), Reader(tmp_path / "half.h5")
    for name in CONFIGS:
        assert half.features(name).dtype == np.float16
        error = np.abs(half.features(name).astype(np.float32) - full.features(name)).max()
        assert 0 < error <= half.feature_attrs(name)["float16_error"] < 0.1


def test_float16_refuses_what_it_cannot_hold(tiny_corpus: Path, tmp_path: Path) -> None:
    loud = FeatureConfig.from_partial({"log": "none", "input_scale": 32768.0}, CONFIG)
    with pytest.raises(StoreError, match="not finite as float16"):
        build(plan(tiny_corpus), tmp_path / "a.h5", {"x": loud}, dtype="float16")


# --- bad recordings


@pytest.fixture
def spoiled_corpus(tiny_corpus: Path, tmp_path: Path) -> Path:
    """The corpus with three more files, none of which is a recording; sorted, they come first, in the middle and last."""
    shutil.copytree(tiny_corpus, tmp_path / "spoiled")
    (tmp_path / "spoiled" / "no" / "0_text.wav").write_text("this is not a recording")
    (tmp_path / "spoiled" / "up" / "empty.wav").write_bytes(b"")
    soundfile.write(tmp_path / "spoiled" / "yes" / "zz_nan.wav", np.full(16000, np.nan), 16000, subtype="FLOAT")
    return tmp_path / "spoiled"


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


# --- interruptions


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
            assert not source.load(block.rows, block.arrays["audio"], block.arrays["length"])
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


# --- the output


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


# --- size

MEMORY = """
    import re, sys
    from pathlib import Path
    from kwsfeat import FeatureConfig
    from kwsfeat.pipeline.build import build_file as build
    from kwsfeat.pipeline.sources import plan_recordings

    config = FeatureConfig(sr=16000, n_samples=1600, n_mels=20)
    report = build(plan_recordings(sys.argv[1], config), sys.argv[2], {"x": config}, threads=2, audio=False)
    assert report.n_clips == 100_000, report.n_clips
    peak_kb = re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]  # ru_maxrss would count the parent too
    print(int(peak_kb) // 1024)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc to measure memory")
def test_100_000_clips_in_bounded_memory(tmp_path: Path) -> None:
    for i in range(100):
        soundfile.write(tmp_path / f"{i}.wav", tone_clip(i % 3, i)[6000:7600], 16000, subtype="PCM_16")
    rows = "".join(f"{i % 100}.wav,{WORDS[i % 3]},speaker{i % 997}\n" for i in range(100_000))
    (tmp_path / "list.csv").write_text("path,label,speaker\n" + rows)
    command = [sys.executable, "-c", textwrap.dedent(MEMORY), tmp_path / "list.csv", tmp_path / "a.h5"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=900)
    assert int(done.stdout) < 400
