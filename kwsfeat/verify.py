"""Is a file what it was when it was written? Every byte is covered by a checksum, and the content must agree with itself."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path

import numpy as np

from kwsfeat.errors import KwsError, StoreError
from kwsfeat.layout import SEAL, SPLITS, block_slices, checksum, is_block_array, map_rows, seal
from kwsfeat.store import Columns, Reader


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
    progress : callable
        Called with (blocks done, blocks in all).

    Returns
    -------
    report : Verification
        Intact when its ``problems`` are empty.

    Raises
    ------
    StoreError
        If there is no such file or it may not be read.
    """
    path = Path(path)
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}") from None
    if not stat.S_ISREG(mode) or not os.access(path, os.R_OK):
        raise StoreError(f"{path}: not a file that may be read")
    report = Verification(n_bytes=os.path.getsize(path))
    try:
        reader = Reader(path)
        _check_layout(reader)
        _check_seal(reader)
    except KwsError as error:
        report.problems.append(str(error))
        return report
    except Exception as error:  # damaged metadata can fail in any way inside HDF5 or while it is decoded
        report.problems.append(f"{path}: metadata cannot be read ({type(error).__name__}: {error})")
        return report
    report.n_clips = reader.n_clips
    _check_columns(reader, report.problems)
    _check_configs(reader, report.problems)
    _check_blocks(reader, report, progress)
    return report


def _check_layout(reader: Reader) -> None:
    """The arrays that the format asks for are there, agree on the number of rows, and lie inside the file."""
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
    if (size := os.path.getsize(reader.path)) < (end := max(place.end for place in reader.extents.values())):
        raise StoreError(f"{reader.path} is cut off: {size:,} of at least {end:,} bytes are there")


def _check_seal(reader: Reader) -> None:
    fd = os.open(reader.path, os.O_RDONLY)
    try:
        actual = seal(fd, reader.extents)
    finally:
        os.close(fd)
    if actual != bytes(map_rows(reader.path, reader.extents[SEAL])):
        raise StoreError(
            f"{reader.path}: metadata, columns or checksums differ from the seal: they were changed after the file was written"
        )


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


def _check_blocks(reader: Reader, report: Verification, progress: Callable[[int, int], None] | None) -> None:
    blocks = block_slices(reader.n_clips, reader.block_rows)
    names = [name for name in reader.extents if is_block_array(name)]
    sums = {name: np.array(map_rows(reader.path, reader.extents[f"checksum/{name}"])) for name in names}
    for index, rows in enumerate(blocks):
        for name in names:
            data = map_rows(reader.path, reader.extents[name], rows)
            if checksum(data) != sums[name][index]:
                report.problems.append(
                    f"/{name} rows {rows.start} to {rows.stop - 1} differ from their checksum: they were changed or damaged"
                )
            elif name.startswith("features/") and not np.isfinite(data).all():
                report.problems.append(f"/{name} rows {rows.start} to {rows.stop - 1} hold a value that is not finite")
        if progress:
            progress(index + 1, len(blocks))
    report.n_blocks = len(blocks)
