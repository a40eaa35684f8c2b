"""The scan finds each kind of fault that was put into a corpus, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from kwsfeat import Reader
from kwsfeat.cli import main
from kwsfeat.corpus.find import find_corpus
from kwsfeat.corpus.scan import Scan, scan_corpus


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten good clips of two words, and one of every fault."""
    root = tmp_path_factory.mktemp("faulty")
    rng = np.random.default_rng(5)

    def write(path: str, y: np.ndarray, sr: int = 16000) -> None:
        (root / path).parent.mkdir(exist_ok=True)
        soundfile.write(root / path, y, sr, subtype="PCM_16")

    for i in range(5):
        for word in ("yes", "no"):
            write(f"{word}/good{i}_nohash_0.wav", 0.1 * rng.standard_normal(16000))
    write("yes/short_nohash_0.wav", 0.1 * rng.standard_normal(12000))
    write("yes/long_nohash_0.wav", 0.1 * rng.standard_normal(20000))
    write("no/rate_nohash_0.wav", 0.1 * rng.standard_normal(8000), 8000)
    write("no/stereo_nohash_0.wav", 0.1 * rng.standard_normal((16000, 2)))
    loud = 0.1 * rng.standard_normal(16000)
    loud[100:120] = 1.0
    write("yes/clipped_nohash_0.wav", loud)
    write("no/silent_nohash_0.wav", 1e-4 * rng.standard_normal(16000))
    write("no/zeros_nohash_0.wav", np.zeros(16000))
    write("yes/offset_nohash_0.wav", 0.05 + 0.1 * rng.standard_normal(16000))
    good = (root / "yes" / "good0_nohash_0.wav").read_bytes()
    (root / "yes" / "same_nohash_0.wav").write_bytes(good)
    same = soundfile.read(root / "no" / "good1_nohash_0.wav", dtype="int16")[0]
    soundfile.write(root / "yes" / "across_nohash_0.flac", same, 16000)
    (root / "no" / "text_nohash_0.wav").write_text("text")
    (root / "_background_noise_").mkdir()
    write("_background_noise_/hum.wav", 0.1 * rng.standard_normal(40000))
    (root / "up").mkdir()
    return root


@pytest.fixture(scope="module")
def scan(faulty: Path) -> Scan:
    return scan_corpus(find_corpus(faulty), threads=2)


def test_each_fault_is_found_once(scan: Scan) -> None:
    assert [m.clip.path for m in scan.clipped] == ["yes/clipped_nohash_0.wav"]
    assert scan.clipped[0].clipped_run == 20
    assert [m.clip.path for m in scan.silent] == ["no/zeros_nohash_0.wav", "no/silent_nohash_0.wav"]
    assert scan.silent[0].level_db == -120.0
    assert scan.silent[1].level_db == pytest.approx(-80, abs=0.5)
    assert [m.clip.path for m in scan.offset] == ["yes/offset_nohash_0.wav"]
    assert [path for path, _ in scan.unreadable] == ["up", "no/text_nohash_0.wav"]


def test_duplicates_are_of_samples_not_of_bytes_and_those_across_labels_come_first(scan: Scan) -> None:
    assert [[clip.path for clip in group] for group in scan.duplicates] == [
        ["no/good1_nohash_0.wav", "yes/across_nohash_0.flac"],
        ["yes/good0_nohash_0.wav", "yes/same_nohash_0.wav"],
    ]


def test_lengths_by_label(scan: Scan) -> None:
    rows = {row["label"]: row for row in scan.lengths()}
    assert rows["yes"] == {
        "label": "yes",
        "n_clips": 11,
        "n_odd": 2,
        "odd_percent": 18.18,
        "min_s": 0.75,
        "median_s": 1.0,
        "max_s": 1.25,
    }
    assert rows["no"]["n_odd"] == 0
    assert rows["_background_noise_"]["n_odd"] == 1


def test_rates_channels_and_formats(scan: Scan) -> None:
    values = scan.to_dict()
    assert values["sample_rates"] == {16000: 20, 8000: 1}
    assert values["channels"] == {1: 20, 2: 1}
    assert values["formats"] == {"WAV PCM_16": 20, "FLAC PCM_16": 1}
    assert values["n_clips"] == 22


def test_a_duplicate_across_splits_is_marked(tmp_path: Path) -> None:
    (tmp_path / "yes").mkdir()
    for name in ("a", "b"):
        soundfile.write(tmp_path / "yes" / f"{name}_nohash_0.wav", np.arange(16000, dtype=np.int16), 16000)
    (tmp_path / "validation_list.txt").write_text("")
    (tmp_path / "testing_list.txt").write_text("yes/b_nohash_0.wav\n")
    (duplicate,) = scan_corpus(find_corpus(tmp_path)).to_dict()["duplicates"]
    assert duplicate == {"paths": ["yes/a_nohash_0.wav", "yes/b_nohash_0.wav"], "across_labels": False, "across_splits": True}


def test_a_limit_measures_some_and_counts_all(tiny_corpus: Path) -> None:
    corpus = find_corpus(tiny_corpus)
    few = scan_corpus(corpus, limit=20)
    assert (few.n_clips, len(few.measured)) == (73, 20)
    assert [m.clip for m in few.measured] == [m.clip for m in scan_corpus(corpus, limit=20, threads=3).measured]
    assert {m.clip.label for m in few.measured} >= {"yes", "no", "up"}


def test_the_command(faulty: Path, tiny_corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scan", str(faulty), "--json", "--quiet"]) == 3
    values = json.loads(capsys.readouterr().out)
    assert values["layout"] == "words"
    assert [item["path"] for item in values["clipped"]] == ["yes/clipped_nohash_0.wav"]
    assert main(["scan", str(faulty)]) == 3
    text = capsys.readouterr().out
    assert "no/good1_nohash_0.wav = yes/across_nohash_0.flac  (across labels" in text
    assert "no/text_nohash_0.wav: not a recording" in text
    assert main(["scan", str(tiny_corpus)]) == 0
    assert "exact duplicates: none" in capsys.readouterr().out


def test_the_splits_are_those_of_the_build(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Copies, which a build keeps together, are in no scan across splits; what --labels leaves out is in no split."""
    rng = np.random.default_rng(1)
    for word in ("yes", "no", "up"):
        (tmp_path / "c" / word).mkdir(parents=True)
        for i in range(20):
            y = 0.1 * rng.standard_normal(16000)
            for name in (f"{i}a", f"{i}b"):
                soundfile.write(tmp_path / "c" / word / f"{name}.wav", y, 16000, subtype="PCM_16")
    for options, cure in (([], "recordings of other words"), (["--labels", "yes,no"], "--silence-share 0.1")):
        assert main(["build", str(tmp_path / "c"), str(tmp_path / "a.h5"), "--overwrite", *options]) == 0
        capsys.readouterr()
        assert main(["scan", str(tmp_path / "c"), "--json", *options]) == 0
        printed = capsys.readouterr()
        values = json.loads(printed.out)
        with Reader(tmp_path / "a.h5") as file:
            assert values["build"]["splits"] == {name: len(file.rows(name)) for name in ("train", "validation", "test")}
            assert values["build"]["n_clips"] == file.n_clips
            assert tuple(values["build"]["labels"]) == file.labels
        assert len(values["duplicates"]) == 60
        assert not any(one["across_splits"] for one in values["duplicates"])
        assert values["n_measured"] == 120
        assert f"every sound will be one of your {3 - len(options) // 2} words: {cure}" in printed.err
        assert "split stratified" in printed.err


def test_shortcuts_and_lengths_are_said_with_what_cures_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(1)
    for word, kind, level in (("yes", "flac", 0.1), ("no", "wav", 0.1), ("up", "wav", 0.1)):
        (tmp_path / word).mkdir()
        for i in range(12):
            soundfile.write(tmp_path / word / f"{i}.{kind}", level * rng.standard_normal(24000 + 100 * i), 16000, subtype="PCM_16")
    assert main(["scan", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    assert "a build makes 46 clips of 4 classes, split stratified: train" in text  # ten of them silence
    assert "100 % of the recordings are longer than a clip of 1 s" in text
    assert "build --length auto makes clips of 1.6 s" in text
    assert "record and convert all labels alike): 1" in text
    assert "format tells yes from the rest, 100% right: mostly FLAC PCM_16 (n = 12), the rest mostly WAV PCM_16 (n = 24)" in text
    assert main(["scan", str(tmp_path), "--json"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert [(one["name"], one["labels"], one["right"]) for one in values["shortcuts"]] == [("format", ["yes"], 1.0)]
    assert (values["build"]["fitting_s"], values["build"]["longer_percent"]) == (1.6, 100.0)


def test_the_real_corpus_has_known_faults(kws_data: Path) -> None:
    """Every word of v0.01 has clips that are not exactly 1 s; `e96a5020` recorded nothing."""
    found = scan_corpus(find_corpus(kws_data / "speech_commands"), limit=400, threads=2)
    assert not found.unreadable
    assert set(found.to_dict()["sample_rates"]) == {16000}
    common = [row["odd_percent"] for row in found.lengths() if row["n_clips"] > 20]
    assert 3 < np.mean(common) < 20


def test_an_end_of_line_in_a_label_breaks_no_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = ["path,label"]
    for i in range(4):
        soundfile.write(tmp_path / f"{i}.wav", 0.1 * np.random.default_rng(i).standard_normal(16000 if i else 800), 16000)
        rows.append(f"{i}.wav," + ('"two\nlines"', "one")[i % 2])
    (tmp_path / "list.csv").write_text("\n".join(rows))
    assert main(["scan", str(tmp_path / "list.csv")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len([line for line in lines if line.startswith(r"two\nlines  ")]) == 2  # the classes and the lengths
    assert not [line for line in lines if line.startswith("lines")]
    assert main(["build", str(tmp_path / "list.csv"), str(tmp_path / "a.h5"), "--quiet"]) == 0
    capsys.readouterr()
    assert main(["info", str(tmp_path / "a.h5")]) == 0
    table = capsys.readouterr().out.splitlines()[-3:]
    assert sorted(line.split()[0] for line in table) == ["one", "total", r"two\nlines"]


def test_a_loudest_second_that_a_build_cuts_off_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    for word in ("yes", "no"):
        (tmp_path / word).mkdir()
        for name, gain in {"late": (0.001, 0.001, 0.3), "middle": (0.001, 0.3, 0.001), "even": (0.1, 0.1, 0.1)}.items():
            y = np.repeat(gain, 8000) * rng.standard_normal(24000)
            soundfile.write(tmp_path / word / f"{name}.wav", y, 16000)
    assert scan_corpus(find_corpus(tmp_path)).to_dict()["loud_outside"] == ["no/late.wav", "yes/late.wav"]
    assert main(["scan", str(tmp_path)]) == 0
    assert "the loudest second is not the middle one (build --crop loudest keeps it): 2" in capsys.readouterr().out
