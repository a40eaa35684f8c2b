"""Is a file what it was when it was written? Every byte is covered by a checksum, and the content must agree with itself."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from kwsfeat.dataset.checksum import checksum
from kwsfeat.dataset.format import block_slices, is_block_array
from kwsfeat.dataset.reader import Reader
from kwsfeat.errors import KwsError, StoreError


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
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise StoreError(f"{path}: not a file")
        report = Verification(n_bytes=os.path.getsize(path))
        with open(path, "rb"):
            pass
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}") from None
    try:
        reader = Reader(path)
    except StoreError as error:
        report.problems.append(str(error))
        return report
    with reader:
        report.n_clips = reader.n_clips
        _check_blocks(reader, report, progress)
        _check_content(reader, report.problems)
    return report


def _check_content(reader: Reader, problems: list[str]) -> None:
    """What a reader checks when it is asked, and what it never asks."""
    questions: list[Callable[[], object]] = [reader.columns, lambda: reader.clip]
    if not any("/length" in problem for problem in problems):
        questions.append(lambda: reader.length)
    if not any("/cut" in problem for problem in problems):
        questions.append(lambda: reader.cut)
    for name in reader.feature_names:
        questions += [partial(reader.config, name), partial(reader.statistics, name)]
    for question in questions:
        try:
            question()
        except KwsError as error:
            problems.append(str(error))
    _check_configs(reader, problems)


def _check_configs(reader: Reader, problems: list[str]) -> None:
    for name, fingerprint in zip(reader.feature_names, reader.attrs["fingerprints"], strict=True):
        if (other := reader.feature_attrs(name)["fingerprint"]) != fingerprint:
            problems.append(f"the fingerprint of {name!r} is {fingerprint} in the root, and {other} at its features")


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
