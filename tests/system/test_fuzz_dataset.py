"""Damaged and crafted dataset files: reading, info, verify and building from them either work or say one sentence."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from crafted import reseal
from fuzzing import damage, outcome, seeds

from kwsfeat import FeatureConfig, Reader
from kwsfeat.dataset.seal import PAGE, read_seal, sealed_page
from kwsfeat.dataset.verify import verify_file
from kwsfeat.pipeline.arrays import write_file
from kwsfeat.pipeline.build import build_file
from kwsfeat.pipeline.sources import FromDataset
from kwsfeat.report.summary import format_summary, summary

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="memory is bounded with RLIMIT_AS")]

CONFIG = FeatureConfig(sr=8000, n_samples=800, n_fft=128, win_length=100, hop_length=80, n_mels=10)
N = 40


@pytest.fixture(scope="module")
def intact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fuzz") / "intact.h5"
    audio = (1000 * np.random.default_rng(0).standard_normal((N, 800))).astype(np.int16)
    write_file(
        path, audio=audio, length=[800] * N, label=[0, 1] * (N // 2), split=["train", "test"] * (N // 2), labels=["a", "b"],
        configs={"x": CONFIG, "y": CONFIG},
    )  # fmt: skip
    assert outcome(lambda: use(path)) == "works"  # and the kernels are compiled before the children are bounded
    use(path)
    return path


def use(path: Path) -> None:
    """All that is done with a file; what verify finds is not an error, all the rest is what it says."""
    verify_file(path)
    with Reader(path) as reader:
        for name in ("audio", "length", "label", "split", "speaker", "source", "start", "variant", "augmentation", "noise", "clip"):
            if name != "audio" or reader.has_audio:
                np.array(getattr(reader, name))
        for name in reader.feature_names:
            np.array(reader.features(name))
            reader.statistics(name)
        format_summary(summary(reader))
        json.dumps(summary(reader))
        config = reader.config()
        build_file(FromDataset(reader, config.clip), path.with_suffix(".again"), {"z": config}, overwrite=True)


def damaged_anywhere(path: Path, rng: np.random.Generator) -> None:
    path.write_bytes(damage(path.read_bytes(), rng))


def damaged_and_sealed(path: Path, rng: np.random.Generator) -> None:
    """Metadata and columns that are wrong under a seal that is right: HDF5 gets to see them."""
    with open(path, "rb") as file:
        spans = read_seal(file.fileno())[1]
    data = path.read_bytes()
    rest = np.ones(len(data), bool)
    rest[:PAGE] = False
    for first, end in spans:
        rest[first:end] = False
    places = np.flatnonzero(rest & (np.frombuffer(data, np.uint8) != 0))
    changed = np.frombuffer(data, np.uint8).copy()
    at = rng.choice(places, 1 + int(rng.exponential(2)))
    changed[at] = rng.choice([0, 1, 127, 128, 255, int(rng.integers(256))], len(at))
    path.write_bytes(changed.tobytes())
    with open(path, "r+b") as file:
        page = sealed_page(file.fileno(), spans)
        file.write(page)


def first_page_changed(path: Path, rng: np.random.Generator) -> None:
    with open(path, "r+b") as file:
        values = json.loads(file.read(PAGE).rstrip(b"\0"))
        name = rng.choice(list(values))
        values[name] = ODD[rng.integers(len(ODD))]
        if name == "blocks" and rng.random() < 0.5:
            values[name] = [[int(x) for x in rng.integers(-(2**62), 2**62, 2) >> rng.integers(0, 62, 2)] for _ in range(3)]
        text = json.dumps(values).encode()[:PAGE]
        file.seek(0)
        file.write(text.ljust(PAGE, b"\0"))


ODD: list[Any] = [None, True, -1, 0, 2**63, 1e300, "", "x" * 3000, [], [[]], [[1, 2, 3]], {}, {"a": 1}, [["a", "b"]]]
VALUES: list[Any] = [
    0, -1, 2**62, -(2**63), 1.5, float("nan"), "", "x", "é" * 5000, "[" * 3000, "{}", "null", '{"kwsfeat": 1}', b"\xff\xfe", True,
    np.zeros(0), np.zeros(10, "f4"), np.full(10, np.nan, "f4"), np.arange(6).reshape(2, 3), np.zeros(3, "i4,f8"),
    np.array(["a", "b"], h5py.string_dtype()), np.array(["a"] * 3, "S1"), h5py.Empty("f4"),
]  # fmt: skip


def attribute_changed(path: Path, rng: np.random.Generator) -> None:
    with h5py.File(path, "r+") as file:
        item = file[rng.choice(["/", "features/x", "features/y"])]
        name = rng.choice(list(item.attrs))
        if rng.random() < 0.2:
            del item.attrs[name]
        else:
            item.attrs[name] = VALUES[rng.integers(len(VALUES))]
    reseal(path)


def array_changed(path: Path, rng: np.random.Generator) -> None:
    with h5py.File(path, "r+") as file:
        names: list[str] = []
        file.visit(names.append)
        name = rng.choice(names)
        rows = int(rng.choice([0, 1, N - 1, N, N + 1]))
        kind = rng.choice(["i1", "<i2", "<i4", ">i4", "<i8", "<u4", "<f2", "<f4", "<f8", "S1", "S10", "i4,i4", "c8"])
        shape = (rows, *(int(x) for x in rng.integers(0, 20, rng.integers(0, 3))))
        del file[name]
        match rng.integers(6):
            case 0:
                file[name] = h5py.SoftLink(str(rng.choice(["/", "/label", "/nowhere", f"/{name}"])))
            case 1:
                file[name] = h5py.ExternalLink(str(path), str(rng.choice(["/", "/label", f"/{name}"])))
            case 2:
                file.create_group(name)
            case 3:
                file.create_dataset(name, shape, h5py.string_dtype() if rng.random() < 0.5 else h5py.vlen_dtype(np.int32))
            case 4:
                file.create_dataset(name, shape, kind, chunks=True if all(shape) and rng.random() < 0.5 else None)
            case _:
                values = np.zeros(shape, kind) if "," in kind else rng.integers(0, 255, shape).astype(kind)
                file.create_dataset(name, data=values)
    reseal(path)


@pytest.mark.parametrize("change", [damaged_anywhere, damaged_and_sealed, first_page_changed, attribute_changed, array_changed])
def test_fuzz(intact: Path, tmp_path: Path, change: Callable[[Path, np.random.Generator], None]) -> None:
    path = tmp_path / "a.h5"
    seen = set()
    for seed in seeds(16):
        path.write_bytes(intact.read_bytes())
        change(path, np.random.default_rng(seed))
        what = outcome(lambda: use(path))
        assert what in ("works", "refused"), f"KWS_FUZZ_SEED={seed}: {what}"
        seen.add(what)
    assert "refused" in seen
