"""What a build writes: the same bytes for any number of threads, what the recordings say, and bounded memory."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from builds import CONFIG, CONFIGS, MFCC, plan, run
from tones import WORDS, tone_clip

from kwsfeat import FeatureConfig, FrontEnd, Reader, load_clip
from kwsfeat.cli import main
from kwsfeat.dataset.verify import verify_file
from kwsfeat.errors import ConfigError, StoreError
from kwsfeat.pipeline.build import build_file as build
from kwsfeat.pipeline.sources import FromDataset, plan_recordings

pytestmark = pytest.mark.usefixtures("small_blocks")


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


@pytest.mark.parametrize("audio", [[], ["--no-audio"]])
def test_copies_in_several_splits_are_said(audio: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where the corpus itself parts them, by lists or by the names of speakers; of other formats, too; silence is nobody's copy."""
    rng = np.random.default_rng(0)
    for k, word in enumerate(("yes", "no")):
        (tmp_path / "c" / word).mkdir(parents=True)
        for i in range(4):
            soundfile.write(tmp_path / "c" / word / f"{i}.wav", 0.1 * rng.standard_normal(12000 + i), 16000, subtype="PCM_16")
            soundfile.write(tmp_path / "c" / word / f"zero{i}.wav", np.zeros(100 + i + k), 16000)
    shutil.copy(tmp_path / "c" / "yes" / "0.wav", tmp_path / "c" / "yes" / "copy.wav")
    y, sr = soundfile.read(tmp_path / "c" / "no" / "1.wav", dtype="int16")
    soundfile.write(tmp_path / "c" / "no" / "again.flac", y, sr)
    (tmp_path / "c" / "testing_list.txt").write_text("yes/copy.wav\nno/again.flac\nyes/zero1.wav\nno/2.wav\n")
    (tmp_path / "c" / "validation_list.txt").write_text("yes/3.wav\nno/3.wav\n")
    arguments = ["build", str(tmp_path / "c"), str(tmp_path / "a.h5"), "--json", *audio]
    assert main(arguments) == 0
    out, err = capsys.readouterr()
    pairs = {tuple(sorted(pair)) for pair in json.loads(out)["copies_across_splits"]}
    assert pairs == {("yes/0.wav", "yes/copy.wav"), ("no/1.wav", "no/again.flac")}
    assert "2 recordings are copies of others in another split, the score will be too good: " in err
    assert "; remove one of each, or --split stratified keeps equal files together\n" in err
    assert main([*arguments, "--overwrite", "--split", "stratified:50/25/25"]) == 0
    assert json.loads(capsys.readouterr().out)["copies_across_splits"] in (
        [],
        [["no/1.wav", "no/again.flac"]],
        [["no/again.flac", "no/1.wav"]],
    )
