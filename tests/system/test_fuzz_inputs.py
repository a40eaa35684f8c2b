"""Damaged recordings, archives, manifests and run folders: each either works or is refused with one sentence, in little memory."""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from fuzzing import damage, outcome, seeds

from kwsfeat import FeatureConfig, load_clip
from kwsfeat.audio.describe import describe
from kwsfeat.audio.read import read_samples
from kwsfeat.corpus.find import find_corpus
from kwsfeat.corpus.labels import apply_labels
from kwsfeat.corpus.scan import scan_corpus
from kwsfeat.pipeline.sources import plan_recordings

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="memory is bounded with RLIMIT_AS")]

CONFIG = FeatureConfig()
KINDS = [
    ("wav", "WAV", "PCM_16", 1), ("wav", "WAV", "PCM_24", 2), ("wav", "WAVEX", "FLOAT", 1), ("wav", "WAV", "IMA_ADPCM", 1),
    ("flac", "FLAC", "PCM_16", 1), ("ogg", "OGG", "VORBIS", 1), ("opus", "OGG", "OPUS", 1), ("mp3", "MP3", "MPEG_LAYER_III", 1),
    ("aiff", "AIFF", "PCM_16", 2), ("au", "AU", "ULAW", 1), ("caf", "CAF", "ALAC_16", 1), ("w64", "W64", "PCM_16", 1),
    ("rf64", "RF64", "PCM_16", 1),
]  # fmt: skip


def check(name: str, seed: int, call: Callable[[], object]) -> str:
    what = outcome(call)
    assert what in ("works", "refused"), f"{name}, KWS_FUZZ_SEED={seed}: {what}"
    return what


def heard(path: Path) -> None:
    """All that is done with a recording."""
    for crop in ("center", "loudest"):
        load_clip(path, FeatureConfig(crop=crop))
    read_samples(path, start=100, stop=5000)
    describe(path)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: "-".join(map(str, kind)))
def test_recordings(tmp_path: Path, kind: tuple[str, str, str, int]) -> None:
    suffix, container, coding, channels = kind
    y = 0.3 * np.random.default_rng(0).standard_normal((20000, channels))
    whole = io.BytesIO()
    soundfile.write(whole, y, 16000, format=container, subtype=coding)
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(whole.getvalue())
    heard(path)  # and what it needs is loaded before the children are bounded
    seen = set()
    for seed in seeds(8):
        rng = np.random.default_rng(seed)
        data = whole.getvalue()
        header = rng.random() < 0.7  # where most of what can be wrong is
        path.write_bytes(damage(data[:200], rng) + data[200:] if header else damage(data, rng))
        seen.add(check(str(kind), seed, lambda: heard(path)))
    assert seen


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve short recordings in a folder for each of two words."""
    root = tmp_path_factory.mktemp("fuzz") / "words"
    for k, word in enumerate(("yes", "no")):
        (root / word).mkdir(parents=True)
        for i in range(6):
            soundfile.write(root / word / f"{i}.wav", 0.3 * np.sin(np.arange(400) * (0.1 + 0.01 * i + k)), 16000)
    return root


def archive(words: Path, kind: str) -> bytes:
    file = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as target:
            for path in sorted(words.rglob("*.wav")):
                target.write(path, path.relative_to(words))
    elif kind == "7z":
        py7zr = pytest.importorskip("py7zr")
        with py7zr.SevenZipFile(file, "w") as target:
            target.writeall(words, "words")
    else:
        with tarfile.open(fileobj=file, mode="w:gz" if kind == "tar.gz" else "w") as target:
            target.add(words, "words")
    return file.getvalue()


def planned(path: Path) -> None:
    """All that is done with a corpus before and while it is looked through."""
    corpus = find_corpus(path)
    apply_labels(corpus)
    scan_corpus(corpus, corpus.clips, limit=3)
    plan_recordings(path, CONFIG)


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz", "7z"])
def test_archives(words: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """Nothing is written anywhere but in the folder for temporary files, and nothing stays there."""
    whole = archive(words, kind)
    (tmp_path / "here").mkdir()
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    path = tmp_path / "here" / f"a.{kind}"
    path.write_bytes(whole)
    planned(path)
    for seed in seeds(12):
        path.write_bytes(damage(whole, np.random.default_rng(seed)))
        check(kind, seed, lambda: planned(path))
        assert sorted(os.listdir(tmp_path)) == ["here", "temporary"]
        assert os.listdir(tmp_path / "here") == [path.name]
        shutil.rmtree(tmp_path / "temporary")  # a child that ends at once leaves its folder
        (tmp_path / "temporary").mkdir()


NAMES = [
    "../out.wav",
    "/tmp/out.wav",
    "yes/../../out.wav",
    "C:\\out.wav",
    "yes/\0.wav",
    "yes\\1.wav",
    "",
    ".",
    "yes/" + "a" * 300 + ".wav",
    "\udce9.wav",
]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_names_in_archives(words: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Whatever they are called, and whether they are files, links or devices, they stay inside."""
    (tmp_path / "here").mkdir()
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    content = next(words.rglob("*.wav")).read_bytes()
    for kind in (tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE):
        path = tmp_path / "here" / "a.tar"
        with tarfile.open(path, "w", format=tarfile.PAX_FORMAT, errors="surrogateescape") as target:
            target.add(words, "words")
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, "../../here/a.tar"
            entry.size = len(content) if kind == tarfile.REGTYPE else 0
            target.addfile(entry, io.BytesIO(content))
        check(f"{name!r} {kind!r}", 0, lambda path=path: planned(path))  # type: ignore[misc]
        assert os.listdir(tmp_path / "here") == ["a.tar"]
    assert sorted(os.listdir(tmp_path)) == ["here", "temporary"]


FILES = [(word, i) for word in ("yes", "no") for i in range(6)]
MANIFESTS = {
    "csv": "path,label,speaker,split,start,stop\n" + "".join(f'{w}/{i}.wav,"{w}, now",s{i},train,0,200\n' for w, i in FILES),
    "tsv": "client_id\tpath\tsentence\n" + "".join(f"c{i}\t{w}/{i}.wav\t{w}\n" for w, i in FILES),
    "jsonl": "".join(json.dumps({"audio_filepath": f"{w}/{i}.wav", "text": w, "duration": 0.025}) + "\n" for w, i in FILES),
    "json": json.dumps([{"audio_file_path": f"{w}/{i}.wav", "is_hotword": len(w) - 2, "worker_id": str(i)} for w, i in FILES]),
}
PIECES = [
    b"\0", b'"', b'"\n', b",", b"\t", b";", b"\r", b"\xff\xfe", b"\xef\xbb\xbf", b"[" * 3000, b"{", b"1e999", b"-1", b"9" * 400, b"nan",
    b"../../etc", b"yes/0.wav", b"\xe9", "\u2028".encode(), b"a" * 9000,
]  # fmt: skip


@pytest.mark.parametrize("kind", list(MANIFESTS))
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-8-sig"])
def test_manifests(words: Path, kind: str, encoding: str) -> None:
    whole = MANIFESTS[kind].encode(encoding)
    path = words / f"{encoding}.{kind}"
    path.write_bytes(whole)
    planned(path)
    for seed in seeds(6):
        rng = np.random.default_rng(seed)
        data = damage(whole, rng) if rng.random() < 0.4 else whole
        for _ in range(int(rng.integers(4))):
            at = int(rng.integers(len(data) + 1))
            data = data[:at] + PIECES[rng.integers(len(PIECES))] + data[at + int(rng.integers(3)) :]
        path.write_bytes(data)
        check(f"{kind} {encoding}", seed, lambda: planned(path))
    path.unlink()


RUNS = Path(__file__).parents[1] / "golden"


def used(run: Path) -> None:
    """What is read of a run folder before its network is built."""
    from kwstrain.evaluation.compare import row
    from kwstrain.inference.bundle import Bundle
    from kwstrain.io import load_arrays

    bundle = Bundle.load(run)
    _ = bundle.threshold
    for name in ("weights.npz", "checkpoint.npz"):
        if (run / name).exists():
            load_arrays(run / name)
    row(run)


VALUES = [None, True, -1, 0, 2**70, 1e300, float("nan"), "", "x" * 3000, "\x1b[31m", [], [[]], {}, {"a": 1}, ["a", "a"], [0.5] * 3]


@pytest.mark.parametrize("name", ["cnn", "lstm"])
def test_run_folders(tmp_path: Path, name: str) -> None:
    pytest.importorskip("jax")
    used(RUNS / name)
    run = tmp_path / "run"
    for seed in seeds(16):
        rng = np.random.default_rng(seed)
        shutil.rmtree(run, ignore_errors=True)
        shutil.copytree(RUNS / name, run)
        path = run / rng.choice(sorted(path.name for path in run.iterdir() if path.suffix != ".npy"))
        if path.suffix == ".json" and rng.random() < 0.7:
            values = json.loads(path.read_text())
            inside = values
            while isinstance(inside, dict) and inside:
                field = rng.choice(list(inside))
                if not isinstance(inside[field], dict) or rng.random() < 0.3:
                    if rng.random() < 0.2:
                        del inside[field]
                    else:
                        inside[field] = VALUES[rng.integers(len(VALUES))]
                    break
                inside = inside[field]
            path.write_text(json.dumps(values))
        else:
            path.write_bytes(damage(path.read_bytes(), rng))
        check(f"{name}/{path.name}", seed, lambda: used(run))
