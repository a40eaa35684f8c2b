"""The HDF5 side of making a file: its description, created before the first block and completed after the last."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from importlib.metadata import version
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from kwsfeat.config.clip import ClipConfig
from kwsfeat.config.features import FeatureConfig
from kwsfeat.dataset.columns import Columns, fixed_strings
from kwsfeat.dataset.disk import move
from kwsfeat.dataset.format import Layout, block_slices, extents
from kwsfeat.dataset.seal import FORMAT, FORMAT_VERSION, PAGE

_LIBVER = ("v108", "v108")  # readable by every HDF5 since 2008, and every piece of metadata carries a checksum
_ALIGNED = {"alignment_threshold": 16 * PAGE, "alignment_interval": PAGE}


@dataclass(frozen=True)
class Description:
    """What a file says of itself and of its rows, before any sample is known."""

    columns: Columns
    labels: tuple[str, ...]
    clip: ClipConfig
    configs: Mapping[str, FeatureConfig]
    seed: int
    audio: bool
    dtype: str
    block_rows: int
    attributes: Mapping[str, str] = field(default_factory=dict)

    @property
    def n_clips(self) -> int:
        """Rows that are planned."""
        return len(self.columns.label)

    @property
    def arrays(self) -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]:
        """Shape of a row and type of each array of a block."""
        return row_arrays(self.clip, self.configs, self.dtype)

    @property
    def stored(self) -> list[str]:
        """Those of the arrays that the file keeps."""
        return [path for path in self.arrays if self.audio or path != "audio"]


@dataclass(frozen=True)
class Completion:
    """What is known of a file after its last block."""

    kept: NDArray[np.int64]  # planned rows that are in the file, ascending
    skipped: Sequence[str]
    mean: Mapping[str, NDArray[np.float32]]
    std: Mapping[str, NDArray[np.float32]]
    float16_error: Mapping[str, float]


def row_arrays(clip: ClipConfig, configs: Mapping[str, FeatureConfig], dtype: str) -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]:
    """Shape of a row and type of each array of a block."""
    kind = np.dtype({"float32": "<f4", "float16": "<f2"}[dtype])
    arrays: dict[str, tuple[tuple[int, ...], np.dtype[Any]]] = {
        "length": ((), np.dtype("<i4")),
        "audio": ((clip.n_samples,), np.dtype("<i2")),
    }
    return arrays | {f"features/{name}": (config.shape, kind) for name, config in configs.items()}


def create(path: str | os.PathLike[str], described: Description) -> Layout:
    """Make the file at `path` anew, with all space reserved and the columns in it; the first page stays empty."""
    with h5py.File(path, "w", libver=_LIBVER, locking=False, userblock_size=PAGE, **_ALIGNED) as file:
        _write_attributes(file, described)
        for f in fields(Columns):
            column = getattr(described.columns, f.name)
            _reserve(file, f.name, column.shape, column.dtype)
        for name in described.stored:
            shape, kind = described.arrays[name]
            _reserve(file, name, (described.n_clips, *shape), kind)
            _reserve(file, f"checksum/{name}", (len(block_slices(described.n_clips, described.block_rows)),), np.dtype("<u4"))
        file["checksum"].attrs["algorithm"] = "CRC-32 of each block of rows"
        for name, config in described.configs.items():
            attrs = file[f"features/{name}"].attrs
            attrs["config"] = config.to_json()
            attrs["fingerprint"] = config.fingerprint
            attrs["algorithm"] = config.algorithm
            attrs["units"] = _units(config)
            attrs["axes"] = "clip, frame, feature"
            attrs["mean"] = np.zeros(config.n_features, np.float32)
            attrs["std"] = np.zeros(config.n_features, np.float32)
            if described.dtype == "float16":
                attrs["float16_error"] = 0.0
        return Layout(extents(file), described.n_clips, described.block_rows)


def layout_of(path: str | os.PathLike[str], described: Description) -> Layout:
    """The layout of an unfinished file that was created earlier."""
    with h5py.File(path, "r", locking=False) as file:
        return Layout(extents(file), described.n_clips, described.block_rows)


def complete(path: str | os.PathLike[str], fd: int, described: Description, completion: Completion) -> Layout:
    """Add what is known only after the last block, and make the arrays as long as the rows that there are.

    `fd` is the same file.
    """
    with h5py.File(path, "r+", libver=_LIBVER, locking=False, **_ALIGNED) as file:
        if len(completion.kept) < described.n_clips:
            _shorten(file, fd, described, len(completion.kept))
        if completion.skipped:
            column = fixed_strings(completion.skipped)
            _reserve(file, "skipped", column.shape, column.dtype)
            file.attrs.modify("n_skipped", len(completion.skipped))
        for name in described.configs:
            attrs = file[f"features/{name}"].attrs
            attrs.modify("mean", completion.mean[name])
            attrs.modify("std", completion.std[name])
            if name in completion.float16_error:
                attrs.modify("float16_error", completion.float16_error[name])
        file.attrs.modify("complete", True)
        return Layout(extents(file), len(completion.kept), described.block_rows)


def _shorten(file: h5py.File, fd: int, described: Description, n_clips: int) -> None:
    """Give every array `n_clips` rows where it lies.

    HDF5 cannot shorten a contiguous dataset. Deleted and made again, it gets the space that it has just given back, and as
    nothing is filled in, the rows stay where they are. The last goes first: so the space in front of it is never free, and cannot be
    joined to its own.
    """
    for path, place in sorted(extents(file).items(), key=lambda item: -item[1].offset):
        n = len(block_slices(n_clips, described.block_rows)) if path.startswith("checksum/") else n_clips
        attrs = dict(file[path].attrs)
        del file[path]
        _reserve(file, path, (n, *place.shape[1:]), place.dtype)
        for name, value in attrs.items():
            file[path].attrs[name] = value
        if (offset := file[path].id.get_offset()) != place.offset:  # a hole that another array left fits better
            move(fd, place.offset, offset, n * place.row_bytes)


def _write_attributes(file: h5py.File, described: Description) -> None:
    text = h5py.string_dtype()
    file.attrs["format"] = FORMAT
    file.attrs["format_version"] = FORMAT_VERSION
    file.attrs["complete"] = False
    file.attrs["labels"] = np.array(described.labels, dtype=text)
    file.attrs["feature_names"] = np.array(list(described.configs), dtype=text)
    file.attrs["fingerprints"] = np.array([config.fingerprint for config in described.configs.values()], dtype=text)
    file.attrs["clip"] = described.clip.to_json()
    file.attrs["sr"] = described.clip.sr
    file.attrs["n_samples"] = described.clip.n_samples
    file.attrs["seed"] = described.seed
    file.attrs["block_rows"] = described.block_rows
    file.attrs["n_skipped"] = 0
    file.attrs["versions"] = json.dumps({name: version(name) for name in ("kwsfeat", "numpy", "numba", "soundfile", "soxr", "h5py")})
    for name, value in described.attributes.items():
        file.attrs[name] = value


def _units(config: FeatureConfig) -> str:
    if config.output == "waveform":
        return "full scale"
    scale = {"none": config.spectrum, "ln": f"ln {config.spectrum}", "log10": f"log10 {config.spectrum}", "db": "dB", "pcen": "PCEN"}[
        config.log
    ]
    return scale if config.normalize == "none" else f"{scale}, normalized ({config.normalize})"


def _reserve(file: h5py.File, path: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """A contiguous dataset that has its address now and is filled in later, without HDF5."""
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_layout(h5py.h5d.CONTIGUOUS)
    plist.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    plist.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    plist.set_obj_track_times(False)  # the same input gives the same bytes
    kind = h5py.string_dtype("utf-8", dtype.itemsize) if dtype.kind == "S" else dtype
    file.create_dataset(path, shape, kind, dcpl=plist)
