"""All that asks the HDF5 library: a file is created before its first block, completed after its last, and parsed when it is read.

HDF5 gets a file that Python has opened: it then locks nothing, whatever HDF5_USE_FILE_LOCKING says.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from importlib.metadata import version
from itertools import pairwise
from typing import Any, BinaryIO

import h5py
import numpy as np
from numpy.typing import NDArray

from kwsfeat.config.clip import ClipConfig
from kwsfeat.config.features import FeatureConfig
from kwsfeat.dataset.columns import Columns, fixed_strings
from kwsfeat.dataset.disk import move
from kwsfeat.dataset.format import Extent, Layout, block_slices, extents, is_block_array
from kwsfeat.dataset.seal import FORMAT, FORMAT_VERSION, PAGE, check_version
from kwsfeat.errors import ConfigError, StoreError

_LIBVER = ("v108", "v108")  # readable by every HDF5 since 2008, and every piece of metadata carries a checksum
_ALIGNED = {"alignment_threshold": 16 * PAGE, "alignment_interval": PAGE}
_GROUPS = ("features", "checksum", "checksum/features")


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
        "cut": ((), np.dtype("|u1")),
        "audio": ((clip.n_samples,), np.dtype("<i2")),
    }
    return arrays | {f"features/{name}": (config.shape, kind) for name, config in configs.items()}


def create(path: str | os.PathLike[str], described: Description) -> Layout:
    """Make the file at `path` anew, with all space reserved and the columns in it; the first page stays empty."""
    os.truncate(path, 0)
    with open(path, "r+b") as target, _new_file(target) as file:
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


def _new_file(target: BinaryIO) -> h5py.File:
    """As h5py.File makes one, but for the times: the same input gives the same bytes."""
    access, made, group = (h5py.h5p.create(kind) for kind in (h5py.h5p.FILE_ACCESS, h5py.h5p.FILE_CREATE, h5py.h5p.GROUP_CREATE))
    access.set_fclose_degree(h5py.h5f.CLOSE_STRONG)
    access.set_libver_bounds(h5py.h5f.LIBVER_V18, h5py.h5f.LIBVER_V18)
    access.set_alignment(*_ALIGNED.values())
    access.set_fileobj_driver(h5py.h5fd.fileobj_driver, target)
    made.set_userblock(PAGE)
    for plist in (made, group):
        plist.set_obj_track_times(False)
    file = h5py.File(h5py.h5f.create(b"new", h5py.h5f.ACC_TRUNC, fapl=access, fcpl=made))
    for name in _GROUPS:
        h5py.h5g.create(file.id, name.encode(), gcpl=group)
    return file


def layout_of(path: str | os.PathLike[str], described: Description) -> Layout:
    """The layout of an unfinished file that was created earlier."""
    with open(path, "rb") as source, h5py.File(source, "r") as file:
        return Layout(extents(file), described.n_clips, described.block_rows)


def complete(path: str | os.PathLike[str], described: Description, completion: Completion) -> Layout:
    """Add what is known only after the last block, and make the arrays as long as the rows that there are."""
    with open(path, "r+b") as target, h5py.File(target, "r+", libver=_LIBVER, **_ALIGNED) as file:
        if len(completion.kept) < described.n_clips:
            _shorten(file, target.fileno(), described, len(completion.kept))
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
    if config.output == "micro":
        return "2.5 ln"
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
    plist.set_obj_track_times(False)
    kind = h5py.string_dtype("utf-8", dtype.itemsize) if dtype.kind == "S" else dtype
    file.create_dataset(path, shape, kind, dcpl=plist)


_TEXT, _TEXTS, _INTEGER, _NUMBER, _FLAG, _NUMBERS = (
    "a text",
    "a list of texts",
    "an integer",
    "a number",
    "true or false",
    "a list of numbers",
)
_ROOT = {
    "format": _TEXT, "format_version": _INTEGER, "complete": _FLAG, "labels": _TEXTS, "feature_names": _TEXTS, "fingerprints": _TEXTS,
    "sr": _INTEGER, "n_samples": _INTEGER, "seed": _INTEGER, "block_rows": _INTEGER, "n_skipped": _INTEGER, "versions": _TEXT,
}  # fmt: skip
_FEATURE = {"config": _TEXT, "fingerprint": _TEXT, "units": _TEXT, "axes": _TEXT, "mean": _NUMBERS, "std": _NUMBERS}
_LATER = {"clip": _TEXT, "algorithm": _INTEGER}  # not in the oldest files
_MOST_VALUES = 1 << 20  # of one attribute
_MOST_ATTRIBUTES = 64


@dataclass(frozen=True)
class Contents:
    """What HDF5 says of a finished file: attributes of the root and of each feature set, and the places of the arrays."""

    attrs: dict[str, Any]
    feature_attrs: dict[str, dict[str, Any]]
    clip: ClipConfig | None  # of a file that is as old as format 1
    configs: dict[str, FeatureConfig]
    places: dict[str, Extent]


def parse(source: BinaryIO) -> Contents:
    """What a file holds, if it is one of this format: names, types, shapes and places are those that the format asks for.

    Nothing else in the file is looked at: no object types, no links, no virtual or external arrays, no byte outside of the file.

    Raises
    ------
    StoreError
        A sentence without the name of the file.
    """
    size = os.fstat(source.fileno()).st_size
    try:
        with h5py.File(source, "r") as file:
            attrs = _attributes(file, _ROOT, "the root")
            _check_format(attrs)
            feature_attrs, configs, shapes = {}, {}, {}
            for name in attrs["feature_names"]:
                path = f"features/{name}"
                if not name or "/" in name or name == ".":
                    raise StoreError(f"{name!r} cannot be the name of a feature set")
                feature_attrs[name] = _attributes(_dataset(file, path), _FEATURE, f"/{path}")
                configs[name] = FeatureConfig.from_json(feature_attrs[name]["config"])
                shapes[path] = configs[name].shape
            clip = ClipConfig.from_json(attrs["clip"]) if "clip" in attrs else None
            return Contents(attrs, feature_attrs, clip, configs, _places(file, attrs, shapes, size))
    except StoreError:
        raise
    except ConfigError as error:  # of a newer version, with an unknown field, out of bounds
        raise StoreError(str(error)) from None
    except Exception as error:  # whatever HDF5, h5py and the JSON of a damaged file come up with
        raise StoreError(f"it is damaged ({_first_line(error)})") from None


def _check_format(attrs: Mapping[str, Any]) -> None:
    if attrs["format"] != FORMAT:
        raise StoreError("an HDF5 file, but not one made by kwsfeat build")
    check_version(attrs["format_version"])
    if not attrs["complete"]:
        raise StoreError("unfinished: run the build that was writing it again, it goes on where it stopped")
    if not attrs["feature_names"] or len(set(attrs["feature_names"])) < len(attrs["feature_names"]):
        raise StoreError("it needs feature sets of different names")
    if len(attrs["fingerprints"]) != len(attrs["feature_names"]):
        raise StoreError(f"it has {len(attrs['feature_names'])} feature sets and {len(attrs['fingerprints'])} fingerprints")
    versions = json.loads(attrs["versions"])
    if not isinstance(versions, dict) or not isinstance(versions.get("kwsfeat"), str):
        raise StoreError("attribute 'versions' does not say which kwsfeat made it")
    for name in ("sr", "n_samples", "block_rows"):
        if attrs[name] < 1:
            raise StoreError(f"{name}={attrs[name]} must be >= 1")


def _attributes(item: h5py.Group | h5py.Dataset, wanted: dict[str, str], where: str) -> dict[str, Any]:
    """The attributes that are `wanted`, checked; others only where they are single texts or numbers."""
    names = list(item.attrs)
    if len(names) > _MOST_ATTRIBUTES:
        raise StoreError(f"{where} has {len(names)} attributes")
    if missing := sorted(wanted.keys() - set(names)):
        raise StoreError(f"attribute {missing[0]!r} of {where} is missing")
    found = {name: _attribute(item, name) for name in names}
    for name, what in (wanted | _LATER).items():
        if name in found and not _IS[what](found[name]):
            raise StoreError(f"attribute {name!r} of {where} must be {what}")
    return {name: value for name, value in found.items() if value is not None}


_IS: dict[str, Callable[[Any], bool]] = {
    _TEXT: lambda value: isinstance(value, str),
    _TEXTS: lambda value: isinstance(value, tuple),
    _FLAG: lambda value: isinstance(value, bool),
    _INTEGER: lambda value: isinstance(value, int) and not isinstance(value, bool),
    _NUMBERS: lambda value: isinstance(value, np.ndarray) and value.dtype == np.float32 and value.ndim == 1,
}


def _attribute(item: h5py.Group | h5py.Dataset, name: str) -> Any:
    """A text, a tuple of texts, a number or a float32 array; None for anything else, which is not read."""
    opened = item.attrs.get_id(name)
    kind, shape = opened.dtype, opened.shape
    is_text = h5py.check_string_dtype(kind) is not None
    if shape is None or len(shape) > 1 or math.prod(shape) > _MOST_VALUES or not (is_text or kind.kind in "biuf"):
        return None
    value = item.attrs[name]
    if is_text:
        return tuple(map(_as_text, value)) if shape else _as_text(value)
    return value.item() if not shape else value


def _as_text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _dataset(file: h5py.File, path: str) -> h5py.Dataset:
    """The dataset at `path`, reached by plain links."""
    at = file.id
    for depth, name in enumerate(path.encode().split(b"/")):
        if not at.links.exists(name):
            raise StoreError(f"/{path} is missing: the file was changed, build it again")
        if at.links.get_info(name).type != h5py.h5l.TYPE_HARD:
            raise StoreError(f"/{path} is a link to elsewhere: build the file again")
        at = h5py.h5o.open(at, name)
        if not isinstance(at, h5py.h5d.DatasetID if depth == path.count("/") else h5py.h5g.GroupID):
            raise StoreError(f"/{path} is not an array")
    return h5py.Dataset(at)


def _places(file: h5py.File, attrs: Mapping[str, Any], features: Mapping[str, tuple[int, ...]], size: int) -> dict[str, Extent]:
    """Where the arrays of the format lie, after making sure that they are what the format says and nowhere else than in the file."""
    n = _place(file, "length", "<i4", None, size).shape[0]
    n_blocks = -(-n // attrs["block_rows"])
    kinds = {f.name: "S" for f in fields(Columns)} | {"label": "<i4", "start": "<i8", "variant": "<i4", "noise": "|u1"}
    if attrs["format_version"] == 1:
        del kinds["noise"]
    wanted: dict[str, tuple[str, tuple[int, ...]]] = {path: (kind, (n,)) for path, kind in kinds.items()}
    if attrs["format_version"] > 2:
        wanted["cut"] = ("|u1", (n,))
    wanted |= {"length": ("<i4", (n,))} | ({"audio": ("<i2", (n, attrs["n_samples"]))} if "audio" in file else {})
    wanted |= {path: ("<f4 <f2", (n, *shape)) for path, shape in features.items()}
    wanted |= {f"checksum/{path}": ("<u4", (n_blocks,)) for path in list(wanted) if is_block_array(path)}
    wanted |= {"skipped": ("S", (attrs["n_skipped"],))} if "skipped" in file else {}
    places = {path: _place(file, path, kind, shape, size) for path, (kind, shape) in wanted.items()}
    for (first, a), (second, b) in pairwise(sorted(places.items(), key=lambda item: item[1].offset)):
        if a.end > b.offset:
            raise StoreError(f"/{first} and /{second} lie on each other")
    return places


def _place(file: h5py.File, path: str, kinds: str, shape: tuple[int, ...] | None, size: int) -> Extent:
    """Where one array lies; `kinds` are the types that it may have, S for texts of one width, `shape` None is one row of any length."""
    item = _dataset(file, path)
    made = item.id.get_create_plist()
    offset = None
    if not item.is_virtual and made.get_layout() == h5py.h5d.CONTIGUOUS and not made.get_external_count() and not made.get_nfilters():
        offset = item.id.get_offset()
    if offset is None:
        raise StoreError(
            f"/{path} is not contiguous, so it cannot be mapped into memory; was the file repacked? build it again, or copy the original"
        )
    kind = item.dtype
    if kinds == "S":
        said = h5py.check_string_dtype(kind)
        fits = said is not None and said.length is not None
        kind = np.dtype(f"S{kind.itemsize}") if fits else kind
    else:
        fits = kind.metadata is None and kind.str in kinds.split()
    if not fits:
        raise StoreError(f"/{path} has values of type {kind}, which this format does not know")
    if item.shape is None or (item.shape != shape if shape else len(item.shape) != 1 or item.shape[0] < 1):
        raise StoreError(f"/{path} has shape {item.shape}, {shape or 'a row for each clip'} would fit the rest")
    place = Extent(offset, item.shape, kind)
    if offset < PAGE or place.end > size:
        raise StoreError(f"/{path} lies outside of the file: it was cut off, or changed")
    return place


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
