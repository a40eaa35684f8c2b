"""Is a file what it was when it was written? Every byte is covered by a checksum, and the content must agree with itself."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path

import numpy as np

from kwsfeat.config.splits import SPLITS
from kwsfeat.dataset.checksum import checksum
from kwsfeat.dataset.columns import Columns
from kwsfeat.dataset.format import block_slices, block_spans, is_block_array
from kwsfeat.dataset.reader import Reader
from kwsfeat.dataset.seal import broken_seal, sealed_blocks
from kwsfeat.errors import ConfigError, KwsError, StoreError


@dataclass
class Verification:
    """What :func:`verify_file` looked at, and one sentence for each thing that is wrong."""

    n_bytes: int = 0
    n_blocks: int = 0
    n_clips: int = 0
    problems: list[str] = field(default_factory=list)


def verify_file(path: str | os.PathLike[str], *, progress: Callable[[int, int], None] | None = None) -> Verification:
    """Check layout, seal, checksums, fingerprints, finiteness and counts of a file, in bounded memory.

    A changed bit anywhere is found: the checksums of the blocks cover the large arrays, the seal covers every other byte,
    the checksums among them.

    Parameters
    ----------
    path : path
        A file of ``kwsfeat build``.
    progress : callable, optional
        Called with (blocks done, blocks in all).

    Returns
    -------
    report : Verification
        Intact when its ``problems`` are empty.

    Raises
    ------
    StoreError
        If there is no such file or it may not be read.

    Examples
    --------
    >>> verify_file("words.h5").problems
    []
    """
    path = Path(path)
    try:
        fd = os.open(path, os.O_RDONLY)
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}") from None
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise StoreError(f"{path}: not a file")
        report = Verification(n_bytes=os.fstat(fd).st_size)
        if problem := broken_seal(fd):  # before the HDF5 library sees it: damaged metadata can make that hang
            report.problems.append(f"{path}: {problem}")
            return report
        spans = sealed_blocks(fd)
    finally:
        os.close(fd)
    try:
        reader = Reader(path)
        _check_layout(reader, spans)
    except KwsError as error:
        report.problems.append(str(error))
        return report
    except KeyError as error:
        report.problems.append(f"{path}: something that belongs into every file is missing: {error.args[0]}")
        return report
    report.n_clips = reader.n_clips
    _check_columns(reader, report.problems)
    _check_configs(reader, report.problems)
    _check_blocks(reader, report, progress)
    return report


def _check_layout(reader: Reader, spans: list[tuple[int, int]]) -> None:
    """The arrays that the format asks for are there, agree on the number of rows, and are those that the seal leaves out."""
    n = reader.n_clips
    n_blocks = len(block_slices(n, reader.block_rows))
    wanted: dict[str, tuple[int, ...]] = dict.fromkeys((*(f.name for f in fields(Columns)), "length"), (n,))
    wanted |= {f"features/{name}": (n, *reader.config(name).shape) for name in reader.feature_names}
    wanted |= {"audio": (n, reader.n_samples)} if reader.has_audio else {}
    wanted |= {f"checksum/{name}": (n_blocks,) for name in list(wanted) if is_block_array(name)}
    for name, shape in wanted.items():
        place = reader.extents.get(name)
        if place is None:
            raise StoreError(f"{reader.path}: /{name} is missing")
        if place.shape != shape:
            raise StoreError(f"{reader.path}: /{name} has shape {place.shape}, {shape} would fit the rest")
    if block_spans(reader.extents) != spans:
        raise StoreError(f"{reader.path}: the large arrays do not lie where the first page says")


def _check_columns(reader: Reader, problems: list[str]) -> None:
    if bad := sorted(set(reader.split.tolist()) - set(SPLITS)):
        problems.append(f"/split holds {bad[0]!r}")
    if reader.label.min() < -1 or reader.label.max() >= len(reader.labels):
        problems.append(
            f"/label must lie between -1 and {len(reader.labels) - 1}, it runs from {reader.label.min()} to {reader.label.max()}"
        )
    if reader.length.min() < 0 or reader.length.max() > reader.n_samples:
        problems.append(f"/length must lie between 0 and {reader.n_samples}, it runs from {reader.length.min()} to {reader.length.max()}")


def _check_configs(reader: Reader, problems: list[str]) -> None:
    for name, fingerprint in zip(reader.feature_names, reader.attrs["fingerprints"], strict=True):
        if reader.config(name).fingerprint != fingerprint:
            problems.append(
                f"the fingerprint of {name!r} in the root is {fingerprint}, its configuration has {reader.config(name).fingerprint}"
            )
    try:
        _ = reader.clip
    except ConfigError as error:
        problems.append(str(error))


def _check_blocks(reader: Reader, report: Verification, progress: Callable[[int, int], None] | None) -> None:
    blocks = block_slices(reader.n_clips, reader.block_rows)
    names = [name for name in reader.extents if is_block_array(name)]
    sums = {name: np.array(reader.map(f"checksum/{name}")) for name in names}
    for index, rows in enumerate(blocks):
        for name in names:
            data = reader.map(name, rows)
            if checksum(data) != sums[name][index]:
                report.problems.append(
                    f"/{name} rows {rows.start} to {rows.stop - 1} differ from their checksum: they were changed or damaged"
                )
            elif name.startswith("features/") and not np.isfinite(data).all():
                report.problems.append(f"/{name} rows {rows.start} to {rows.stop - 1} hold a value that is not finite")
        if progress:
            progress(index + 1, len(blocks))
    report.n_blocks = len(blocks)
