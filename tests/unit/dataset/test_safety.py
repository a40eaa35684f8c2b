"""Files that are crafted, cut, moved or on other systems: only what the format knows is mapped, everything else is one sentence."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from crafted import reseal

import kwsfeat.dataset.hdf5
from kwsfeat import FeatureConfig, Reader
from kwsfeat.dataset.disk import move
from kwsfeat.dataset.format import Extent
from kwsfeat.dataset.hdf5 import _place
from kwsfeat.dataset.verify import verify_file
from kwsfeat.errors import StoreError
from kwsfeat.pipeline.arrays import write_file

pytestmark = pytest.mark.slow

CONFIG = FeatureConfig(sr=8000, n_samples=800, n_fft=128, win_length=100, hop_length=80, n_mels=10)
N = 40


@pytest.fixture(scope="module")
def intact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("safety") / "intact.h5"
    audio = (1000 * np.random.default_rng(0).standard_normal((N, 800))).astype(np.int16)
    split = ["train", "test"] * (N // 2)
    write_file(path, audio=audio, length=[800] * N, label=[0, 1] * (N // 2), split=split, labels=["a", "b"], configs={"x": CONFIG})
    return path


@pytest.fixture
def copy(intact: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(intact, tmp_path / "copy.h5"))


def replace(path: str, **made: object) -> Callable[[h5py.File], None]:
    """Another dataset of the same name."""

    def change(file: h5py.File) -> None:
        del file[path]
        file.create_dataset(path, **made)

    return change


def link(path: str, to: object) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        del file[path]
        file[path] = to

    return change


def virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((N, 800), "<i2")
    layout[:] = h5py.VirtualSource("elsewhere.h5", "audio", (N, 800))
    del file["audio"]
    file.create_virtual_dataset("audio", layout)


def attribute(where: str, name: str, value: object) -> Callable[[h5py.File], None]:
    return lambda file: file[where].attrs.__setitem__(name, value)


def without(where: str, name: str) -> Callable[[h5py.File], None]:
    return lambda file: file[where].attrs.__delitem__(name)


TEXTS = h5py.string_dtype()
F = "features/x"
CRAFTED = {
    "texts that are pointers": (replace("split", data=np.array(["train"] * N, object), dtype=TEXTS), "/split has values of type object"),
    "lists that are pointers": (
        replace("label", data=np.array([np.arange(2)] * N + [0], object)[:N], dtype=h5py.vlen_dtype(np.int32)),
        "/label has values of type object",
    ),
    "references": (replace("start", shape=(N,), dtype=h5py.ref_dtype), "/start"),
    "records": (replace("label", data=np.zeros(N, "i4,i4")), "/label has values of type"),
    "floats": (replace("label", data=np.zeros(N)), "/label has values of type float64"),
    "big-endian": (replace("label", data=np.zeros(N, ">i4")), "/label has values of type >i4"),
    "a soft link": (link("label", h5py.SoftLink("/variant")), "/label is a link"),
    "an external link": (link("label", h5py.ExternalLink("/etc/passwd", "/x")), "/label is a link"),
    "a group": (lambda file: (file.__delitem__("label"), file.create_group("label")), "/label is not an array"),
    "a virtual array": (virtual, "/audio is not contiguous"),
    "an external array": (
        replace("audio", shape=(N, 800), dtype="<i2", external=[("/etc/passwd", 0, h5py.h5f.UNLIMITED)]), "/audio is not contiguous",
    ),
    "chunks": (replace("label", data=np.zeros(N, "i4"), chunks=(8,)), "/label is not contiguous"),
    "two axes": (replace("length", data=np.zeros((N, 2), "i4")), "/length has shape"),
    "no axis": (replace("length", data=np.int32(3)), "/length"),
    "nothing": (replace("label", data=h5py.Empty("i4")), "/label"),
    "no rows": (replace("length", shape=(0,), dtype="i4"), "/length"),
    "too few rows": (replace("label", data=np.zeros(3, "i4")), "/label has shape"),
    "rows without a place": (replace("label", shape=(1 << 40,), dtype="i4"), "/label has shape (1099511627776,)"),
    "a missing column": (lambda file: file.__delitem__("variant"), "/variant is missing"),
    "no labels": (without("/", "labels"), "'labels' of the root is missing"),
    "labels that are numbers": (attribute("/", "labels", 5), "'labels' of the root must be a list of texts"),
    "fingerprints that are numbers": (attribute("/", "fingerprints", 5), "'fingerprints' of the root must be a list of texts"),
    "no sr": (without("/", "sr"), "'sr' of the root is missing"),
    "sr as text": (attribute("/", "sr", "x"), "'sr' of the root must be an integer"),
    "a list of versions": (attribute("/", "format_version", np.arange(3)), "'format_version' of the root must be an integer"),
    "version 0": (attribute("/", "format_version", 0), "format version 0"),
    "block_rows 0": (attribute("/", "block_rows", 0), "block_rows=0 must be >= 1"),
    "block_rows 2**62": (attribute("/", "block_rows", 1 << 62), ""),
    "versions that are no JSON": (attribute("/", "versions", "{"), "damaged"),
    "no config": (without(F, "config"), "'config' of /features/x is missing"),
    "a nested config": (attribute(F, "config", "[" * 20000), "not JSON"),
    "statistics that are texts": (attribute(F, "mean", "x"), "'mean' of /features/x must be"),
    "another feature set": (attribute("/", "feature_names", np.array(["../x"], TEXTS)), "cannot be the name"),
    "a missing feature set": (attribute("/", "feature_names", np.array(["y"], TEXTS)), "/features/y is missing"),
    "too many attributes": (lambda file: [file.attrs.__setitem__(f"a{i}", i) for i in range(100)], "attributes"),
}  # fmt: skip


@pytest.mark.parametrize("name", CRAFTED)
def test_what_the_format_does_not_know_is_refused(copy: Path, name: str) -> None:
    change, message = CRAFTED[name]
    with h5py.File(copy, "r+") as file:
        change(file)
    reseal(copy)
    if message:
        with pytest.raises(StoreError) as error:
            Reader(copy)
        assert message in str(error.value)
        assert str(error.value).startswith(f"{copy}: ")
        assert len(str(error.value).splitlines()) == 1
    assert (verify_file(copy).problems != []) == bool(message)


def test_an_array_that_lies_outside_of_the_file_is_refused(copy: Path) -> None:
    end = Reader(copy).extents["label"].end
    with h5py.File(copy) as file:
        assert _place(file, "label", "<i4", (N,), end).end == end
        with pytest.raises(StoreError, match="/label lies outside of the file"):
            _place(file, "label", "<i4", (N,), end - 1)


def test_arrays_that_lie_on_each_other_are_refused(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def moved(file: h5py.File, path: str, *rest: Any) -> Extent:
        return _place(file, "variant" if path == "label" else path, *rest)

    monkeypatch.setattr(kwsfeat.dataset.hdf5, "_place", moved)
    with pytest.raises(StoreError, match="lie on each other"):
        Reader(copy)


@pytest.mark.parametrize(
    ("change", "ask", "message"),
    [
        (lambda file: file["label"].__setitem__(3, 99), lambda reader: reader.label, "/label must lie between -1 and 1"),
        (lambda file: file["label"].__setitem__(3, -2), lambda reader: reader.columns(), "/label must lie between -1 and 1"),
        (lambda file: file["split"].__setitem__(3, b"tent"), lambda reader: reader.rows("train"), "/split holds 'tent'"),
        (lambda file: file["length"].__setitem__(3, 801), lambda reader: reader.length, "/length is damaged"),
        (lambda file: file["noise"].__setitem__(3, 7), lambda reader: reader.noise, "/noise must lie between 0 and 1"),
        (attribute(F, "std", np.full(10, np.nan, "f4")), lambda reader: reader.statistics(), "statistics of 'x'"),
        (attribute(F, "std", np.full(10, -1, "f4")), lambda reader: reader.statistics(), "statistics of 'x'"),
        (attribute(F, "mean", np.zeros(3, "f4")), lambda reader: reader.statistics(), "statistics of 'x'"),
    ],
)
def test_columns_and_statistics_are_checked_before_they_are_used(
    copy: Path, change: Callable[[h5py.File], None], ask: Callable[[Reader], object], message: str
) -> None:
    with h5py.File(copy, "r+") as file:
        change(file)
    reseal(copy)
    with Reader(copy) as reader, pytest.raises(StoreError, match=message):
        ask(reader)
    assert verify_file(copy).problems


def test_a_changed_bit_outside_of_the_large_arrays_is_found_when_the_file_is_opened(copy: Path) -> None:
    offset = Reader(copy).extents["label"].offset
    with open(copy, "r+b") as file:
        file.seek(offset)
        value = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([value ^ 1]))
    with pytest.raises(StoreError, match="differ from the seal"):
        Reader(copy)


def test_a_file_is_opened_once(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So the metadata of one file never go with the arrays of another that took its name."""
    opened = []
    sys.addaudithook(lambda event, args: opened.append(args[0]) if event == "open" and str(args[0]) == str(copy) else None)
    with Reader(copy) as reader:
        np.array(reader.audio)
    assert len(opened) == 1


def run_python(code: str, *arguments: object, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        capture_output=True, text=True, env=os.environ | environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_reading_works_where_there_is_no_fcntl_and_no_pread(intact: Path, tmp_path: Path) -> None:
    """As on Windows, where writing says that it cannot."""
    code = """
        import os, sys
        from pathlib import Path
        sys.modules["fcntl"] = None
        for name in ("pread", "preadv", "pwrite", "posix_fadvise", "posix_fallocate"):
            delattr(os, name)
        from kwsfeat import Reader, verify_file
        from kwsfeat.dataset.disk import open_locked
        from kwsfeat.errors import StoreError
        with Reader(sys.argv[1]) as reader:
            print(reader.audio.shape, reader.features().shape, reader.split[1], verify_file(sys.argv[1]).problems)
        try:
            open_locked(Path(sys.argv[2]), Path(sys.argv[2]))
        except StoreError as error:
            print("can only read" in str(error))
    """
    assert run_python(code, intact, tmp_path / "b.h5") == f"({N}, 800) ({N}, 11, 10) test []\nTrue"


@pytest.mark.parametrize("state", ["TRUE", "FALSE", "BEST_EFFORT", "nonsense"])
def test_the_locks_of_hdf5_do_not_matter(intact: Path, tmp_path: Path, state: str) -> None:
    code = """
        import sys
        import numpy as np
        from kwsfeat import FeatureConfig, Reader
        from kwsfeat.dataset.columns import Columns
        from kwsfeat.dataset.writer import Writer
        config = FeatureConfig(sr=8000, n_samples=800, n_fft=128, win_length=100, hop_length=80, n_mels=10)
        with Writer(sys.argv[2], columns=Columns.of([0], ["test"]), labels=["a"], configs={"x": config}) as writer:
            writer.write(writer.empty_block(0))
            writer.finish()
        print(Reader(sys.argv[1]).n_clips, Reader(sys.argv[2]).n_clips)
    """
    assert run_python(code, intact, tmp_path / "b.h5", HDF5_USE_FILE_LOCKING=state) == f"{N} 1"


def test_a_file_system_without_locks(intact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read as always; written when asked to do without."""
    import errno
    import fcntl

    from kwsfeat.dataset.columns import Columns
    from kwsfeat.dataset.writer import Writer

    def none(*args: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", none)
    assert Reader(intact).n_clips == N
    arguments = {"columns": Columns.of([0], ["test"]), "labels": ["a"], "configs": {"x": CONFIG}}
    with pytest.raises(StoreError, match=r"cannot lock .*b\.h5: No locks available: .* --no-lock"):
        Writer(tmp_path / "b.h5", **arguments)
    with Writer(tmp_path / "b.h5", **arguments, lock=False) as writer:
        writer.write(writer.empty_block(0))
        writer.finish()
    assert verify_file(tmp_path / "b.h5").problems == []


@pytest.mark.parametrize("shift", [-300_000, -7, 7, 300_000])
def test_bytes_can_be_moved_onto_themselves(tmp_path: Path, shift: int) -> None:
    values = np.random.default_rng(0).integers(0, 256, 1_000_000, np.uint8)
    (tmp_path / "a").write_bytes(bytes(400_000) + values.tobytes() + bytes(400_000))
    fd = os.open(tmp_path / "a", os.O_RDWR)
    move(fd, 400_000, 400_000 + shift, values.size)
    os.close(fd)
    np.testing.assert_array_equal(np.frombuffer((tmp_path / "a").read_bytes(), np.uint8)[400_000 + shift :][: values.size], values)
