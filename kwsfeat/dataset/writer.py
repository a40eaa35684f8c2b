"""Making a dataset file: every address is fixed first, then blocks of rows are filled in, in any order and from any thread."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
from numpy.typing import NDArray

from kwsfeat.config.features import FeatureConfig
from kwsfeat.dataset.checksum import checksum
from kwsfeat.dataset.columns import Columns, fixed_strings
from kwsfeat.dataset.disk import is_written, open_locked, read_at, start_flush, sync_folder, write_at
from kwsfeat.dataset.format import block_slices, block_spans, extents, map_rows
from kwsfeat.dataset.seal import FORMAT, FORMAT_VERSION, PAGE, is_unfinished, sealed_page, unfinished_page
from kwsfeat.dataset.statistics import Moments
from kwsfeat.errors import ConfigError, StoreError

if TYPE_CHECKING:
    from types import TracebackType


# Fields that decide what the stored samples are: feature sets of one file share its audio, so they must agree on them.
CLIP_FIELDS = ("sr", "n_samples", "pad", "crop", "resample", "resample_from_hz")

_BLOCK_ROWS = 64
_BLOCK_BYTES = 8 << 20
_DENSE = ".dense"


@dataclass(frozen=True)
class Block:
    """The arrays of consecutive `rows` on their way into the file: ``audio``, ``length`` and ``features/<name>``."""

    rows: slice
    arrays: dict[str, NDArray[Any]]


class Writer:
    """A file in the making at ``<path>.partial``, which becomes `path` when :meth:`finish` has checked all of it.

    All addresses are fixed when the file is created. Blocks may then be written from several threads in any order: a
    block's place and bytes depend on its rows only. A file left behind by a killed process is taken up again when it
    was begun with the same `key`; :meth:`restore` says which of its blocks are good.

    Parameters
    ----------
    path : str or path
        The finished file.
    columns : Columns
        One entry for each of the n_clips >= 1 rows.
    labels : sequence of str
        Class names.
    configs : mapping of str to FeatureConfig
        The feature sets by name, the first is the default; they must agree on :data:`CLIP_FIELDS`.
    seed : int
        The seed that cropping and dither were drawn from.
    audio : bool
        Whether to store the samples.
    dtype : {"float32", "float16"}
        Type of the stored features.
    overwrite : bool
        Whether `path` may exist.
    key : bytes
        Identifies everything that the blocks are computed from; empty never resumes.
    skipped : sequence of str
        Recordings that were left out, with the reason.
    attributes : mapping of str to str
        Further attributes of the file's root, such as the policy of its augmentation.
    suffix : str
        What the unfinished file is called behind the name of the finished one.

    Raises
    ------
    StoreError
        If `path` exists, another process writes it, its folder does not, or the disk is too small.
    ConfigError
        If the feature sets do not share one audio.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        columns: Columns,
        labels: Sequence[str],
        configs: Mapping[str, FeatureConfig],
        seed: int = 0,
        audio: bool = True,
        dtype: str = "float32",
        overwrite: bool = False,
        key: bytes = b"",
        skipped: Sequence[str] = (),
        attributes: Mapping[str, str] | None = None,
        suffix: str = ".partial",
    ) -> None:
        self._settings: dict[str, Any] = {
            "labels": labels, "configs": configs, "seed": seed, "audio": audio, "dtype": dtype, "overwrite": overwrite,
            "attributes": attributes,
        }  # fmt: skip
        self.path = Path(path)
        self.partial = self.path.with_name(self.path.name + suffix)
        self.columns = columns
        self.labels = tuple(labels)
        self.configs = dict(configs)
        self.attributes = dict(attributes or {})
        self.n_clips = len(columns.label)
        self._overwrite = overwrite
        self._is_train = columns.split == b"train"
        if not self.n_clips:
            raise StoreError(f"{self.path} would hold no clip: nothing to write")
        _check_same_clip(self.configs)
        clip = next(iter(self.configs.values()))
        shapes: dict[str, tuple[tuple[int, ...], str]] = {"length": ((), "<i4"), "audio": ((clip.n_samples,), "<i2")}
        shapes |= {f"features/{name}": (config.shape, {"float32": "<f4", "float16": "<f2"}[dtype]) for name, config in self.configs.items()}
        self._shapes = shapes
        self._stored = [name for name in shapes if audio or name != "audio"]
        row_bytes = sum(int(np.prod(shape)) * np.dtype(kind).itemsize for shape, kind in shapes.values())
        self.block_rows = max(1, min(_BLOCK_ROWS, _BLOCK_BYTES // row_bytes))
        self.blocks = block_slices(self.n_clips, self.block_rows)
        self._moments: dict[str, dict[int, tuple[Moments, float]]] = {name: {} for name in self.configs}

        self._check_absent()
        self._fd = open_locked(self.partial)
        if suffix != _DENSE:  # left behind by a run that was killed in finish_without
            self.path.with_name(self.path.name + _DENSE).unlink(missing_ok=True)
        try:
            self.resumed = is_unfinished(self._fd, key)
            if not self.resumed:
                self._create(seed, skipped, key)
            with h5py.File(self.partial, "r", locking=False) as file:
                self._extents = extents(file)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Release the lock; an unfinished file stays where it is, to be taken up again."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def discard(self) -> None:
        """Delete the unfinished file."""
        self.partial.unlink(missing_ok=True)
        self.close()

    def empty_block(self, index: int, used: Block | None = None) -> Block:
        """Arrays for the rows of block `index`, to be filled and given to :meth:`write`; those of `used` again, if given."""
        rows = self.blocks[index]
        n = rows.stop - rows.start
        if used is not None and used.rows.stop - used.rows.start >= n:
            return Block(rows, {name: array[:n] for name, array in used.arrays.items()})
        return Block(rows, {name: np.zeros((n, *shape), kind) for name, (shape, kind) in self._shapes.items()})

    def write(self, index: int, block: Block) -> None:
        """Put block `index` into the file, read it back and compare, then its checksums. Safe to call from several threads."""
        self._add_moments(index, block)
        with self._named_errors():
            for name in self._stored:
                place = self._extents[name]
                first = place.offset + block.rows.start * place.row_bytes
                write_at(self._fd, block.arrays[name], first)
                if not is_written(self._fd, block.arrays[name], first):
                    raise StoreError(f"{self.partial}: what was written at byte {first} does not read back the same: check the disk")
                start_flush(self._fd, block.arrays[name].nbytes, first)
            for name in self._stored:
                sums = self._extents[f"checksum/{name}"]
                write_at(self._fd, np.array([checksum(block.arrays[name])], "<u4"), sums.offset + 4 * index)

    def read(self, index: int, block: Block) -> bool:
        """Fill `block` with block `index` of the file; False when the bytes do not match the checksums: it was never finished."""
        for name in self._stored:
            place = self._extents[name]
            read_at(self._fd, block.arrays[name], place.offset + block.rows.start * place.row_bytes)
            stored = np.zeros(1, "<u4")
            read_at(self._fd, stored, self._extents[f"checksum/{name}"].offset + 4 * index)
            if checksum(block.arrays[name]) != stored[0]:
                return False
        return True

    def restore(self, index: int, block: Block) -> None:
        """Count a block that :meth:`read` found as written."""
        self._add_moments(index, block)

    def finish_without(self, keep: NDArray[np.int64], skipped: Sequence[str]) -> None:
        """Finish a file of the rows `keep` (ascending) only: what :meth:`finish` would write had there been no others.

        The addresses of an HDF5 array are fixed with its shape, so this copies the rows into a second unfinished file; it
        happens only when recordings turn out to be unreadable.
        """
        settings = self._settings | {"columns": self.columns.take(keep), "skipped": skipped, "key": b""}
        with Writer(self.path, **settings, suffix=_DENSE) as dense:
            try:
                for index, rows in enumerate(dense.blocks):
                    dense.write(index, Block(rows, {name: self._gather(name, keep[rows]) for name in self._stored}))
                dense.finish()
            except BaseException:
                dense.discard()
                raise
        self.discard()

    def _gather(self, name: str, rows: NDArray[np.int64]) -> NDArray[Any]:
        first = int(rows[0])
        return map_rows(self.partial, self._extents[name], slice(first, int(rows[-1]) + 1))[rows - first]

    def finish(self) -> None:
        """Write statistics and seal, flush everything to the disk and give the file its name.

        Raises
        ------
        StoreError
            If a block is missing, or `path` came into being in the meantime.
        """
        for name, moments in self._moments.items():
            if len(moments) != len(self.blocks):
                raise StoreError(
                    f"{self.partial}: {len(self.blocks) - len(moments)} of {len(self.blocks)} blocks of {name!r} were not written"
                )
        with self._named_errors():
            with h5py.File(self.partial, "r+", libver=_LIBVER, locking=False) as file:
                for name in self.configs:
                    self._write_statistics(file[f"features/{name}"], [self._moments[name][i] for i in range(len(self.blocks))])
                file.attrs.modify("complete", True)
            os.fsync(self._fd)  # the large flush comes before the seal, so that little can happen between seal and name
            write_at(self._fd, np.frombuffer(sealed_page(self._fd, block_spans(self._extents)), np.uint8), 0)
            os.fsync(self._fd)
            self._check_absent()
            os.replace(self.partial, self.path)
            self.close()
            sync_folder(self.path.parent)

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        """A full or broken disk as an error that names the file and the cure."""
        try:
            yield
        except OSError as error:
            reason = error.strerror or str(error).splitlines()[0]
            raise StoreError(
                f"cannot write {self.partial}: {reason}: make room and repeat the command, it goes on where it stopped"
            ) from error

    def _add_moments(self, index: int, block: Block) -> None:
        train = self._is_train[block.rows]
        for name in self.configs:
            x = block.arrays[f"features/{name}"]
            peak = np.maximum(x.max(axis=(1, 2)), -x.min(axis=(1, 2))).astype(np.float64)
            if not np.isfinite(peak).all():
                row = block.rows.start + int(np.flatnonzero(~np.isfinite(peak))[0])
                raise StoreError(
                    f"{os.fsdecode(self.columns.source[row])}: its features {name!r} hold a value that is not finite as {x.dtype}: "
                    "raise log_floor" + (", or store float32" if x.dtype == np.float16 else "")
                )
            self._moments[name][index] = (Moments.of(x, train), float(peak.max()))

    def _write_statistics(self, dataset: h5py.Dataset, blocks: list[tuple[Moments, float]]) -> None:
        total = blocks[0][0]
        for moments, _ in blocks[1:]:
            total = total.merge(moments)
        dataset.attrs.modify("mean", total.mean.astype(np.float32))
        dataset.attrs.modify("std", total.std.astype(np.float32))
        if dataset.dtype == np.float16:  # half a step of the type at the largest value
            dataset.attrs.modify("float16_error", float(np.spacing(np.float16(max(peak for _, peak in blocks)))) / 2)

    def _create(self, seed: int, skipped: Sequence[str], key: bytes) -> None:
        try:
            with h5py.File(
                self.partial,
                "w",
                libver=_LIBVER,
                locking=False,
                alignment_threshold=16 * PAGE,
                alignment_interval=PAGE,
                userblock_size=PAGE,
            ) as file:
                self._describe(file, seed, skipped)
                places = extents(file)
            if hasattr(os, "posix_fallocate"):  # a full disk is found now, not after hours
                os.posix_fallocate(self._fd, 0, os.fstat(self._fd).st_size)
        except OSError as error:
            self.discard()
            reason = os.strerror(error.errno) if error.errno else str(error).splitlines()[0]  # HDF5's own text has several lines
            raise StoreError(f"cannot create {self.partial}: {reason}: free some space, or choose an output elsewhere") from error
        for f in fields(self.columns):
            write_at(self._fd, getattr(self.columns, f.name), places[f.name].offset)
        if skipped:
            write_at(self._fd, fixed_strings(skipped), places["skipped"].offset)
        os.fsync(self._fd)
        write_at(self._fd, np.frombuffer(unfinished_page(key), np.uint8), 0)  # now it may be resumed

    def _describe(self, file: h5py.File, seed: int, skipped: Sequence[str]) -> None:
        clip = next(iter(self.configs.values()))
        text = h5py.string_dtype()
        file.attrs["format"] = FORMAT
        file.attrs["format_version"] = FORMAT_VERSION
        file.attrs["complete"] = False
        file.attrs["labels"] = np.array(self.labels, dtype=text)
        file.attrs["feature_names"] = np.array(list(self.configs), dtype=text)
        file.attrs["fingerprints"] = np.array([config.fingerprint for config in self.configs.values()], dtype=text)
        file.attrs["sr"] = clip.sr
        file.attrs["n_samples"] = clip.n_samples
        file.attrs["seed"] = seed
        file.attrs["block_rows"] = self.block_rows
        file.attrs["n_skipped"] = len(skipped)
        file.attrs["versions"] = json.dumps({name: version(name) for name in ("kwsfeat", "numpy", "numba", "soundfile", "soxr", "h5py")})
        for name, value in self.attributes.items():
            file.attrs[name] = value
        for f in fields(self.columns):
            column = getattr(self.columns, f.name)
            _reserve(file, f.name, column.shape, column.dtype)
        if skipped:
            column = fixed_strings(skipped)
            _reserve(file, "skipped", column.shape, column.dtype)
        for name in self._stored:
            shape, kind = self._shapes[name]
            _reserve(file, name, (self.n_clips, *shape), np.dtype(kind))
            _reserve(file, f"checksum/{name}", (len(self.blocks),), np.dtype("<u4"))
        file["checksum"].attrs["algorithm"] = "CRC-32 of each block of rows"
        for name, config in self.configs.items():
            attrs = file[f"features/{name}"].attrs
            attrs["config"] = config.to_json()
            attrs["fingerprint"] = config.fingerprint
            attrs["units"] = _units(config)
            attrs["axes"] = "clip, frame, feature"
            attrs["mean"] = np.zeros(config.n_features, np.float32)
            attrs["std"] = np.zeros(config.n_features, np.float32)
            if self._shapes[f"features/{name}"][1] == "<f2":
                attrs["float16_error"] = 0.0

    def _check_absent(self) -> None:
        if self.path.is_dir():
            raise StoreError(f"{self.path} is a folder: give the name of a file")
        if self.path.exists() and not self._overwrite:
            raise StoreError(f"{self.path} exists: choose another name or use --overwrite")


_LIBVER = ("v108", "v108")  # readable by every HDF5 since 2008, and every piece of metadata carries a checksum


def _check_same_clip(configs: Mapping[str, FeatureConfig]) -> None:
    if not configs:
        raise ConfigError("a file needs at least one feature set")
    (first_name, first), *others = configs.items()
    for name, config in others:
        for field in CLIP_FIELDS:
            if getattr(config, field) != getattr(first, field):
                raise ConfigError(
                    f"features {first_name!r} and {name!r} cannot share one file: {field} is {getattr(first, field)!r} in one and "
                    f"{getattr(config, field)!r} in the other; build two files"
                )


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
