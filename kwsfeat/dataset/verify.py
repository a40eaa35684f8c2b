"""Is a file what it was when it was written? Every byte is covered by a checksum, and the content must agree with itself."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from kwsfeat.config.splits import SPLITS
from kwsfeat.dataset.checksum import checksum
from kwsfeat.dataset.format import block_slices, is_block_array
from kwsfeat.dataset.reader import Reader
from kwsfeat.dataset.storage.file import File
from kwsfeat.dataset.storage.index import INDEX
from kwsfeat.dataset.storage.open import Storage, open_storage
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
    the checksums among them. Of a folder of files, each is checked, and that together they are what its table says.

    Parameters
    ----------
    path : path
        A file or a folder of ``kwsfeat build``.
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
    n_bytes = _size(path / INDEX if path.is_dir() else path)
    try:
        stored, reader = open_storage(path), Reader(path)
    except StoreError as error:
        return Verification(n_bytes, problems=[str(error)])
    with reader:
        report = Verification(sum(file.stat().st_size for file in stored.files if file.exists()), n_clips=stored.n_clips)
        if _check_parts(stored, report, progress):
            _check_content(reader, report.problems)
    stored.close()
    return report


def _size(path: Path) -> int:
    """Of a file that may be read."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise StoreError(f"{path}: not a file")
        with open(path, "rb"):
            return os.path.getsize(path)
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}") from None


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
    if problems or "splits" not in reader.attrs:
        return
    splits = {name: reader.rows(name).size for name in SPLITS}
    if (said := reader.attrs["splits"]) != splits:
        problems.append(f"{reader.path}: it says that its splits have {said} rows, they have {splits}")


def _check_configs(reader: Reader, problems: list[str]) -> None:
    for name, fingerprint in zip(reader.feature_names, reader.attrs["fingerprints"], strict=True):
        if (other := reader.feature_attrs(name)["fingerprint"]) != fingerprint:
            problems.append(f"the fingerprint of {name!r} is {fingerprint} in the root, and {other} at its features")


def _check_parts(stored: Storage, report: Verification, progress: Callable[[int, int], None] | None) -> bool:
    """Check the blocks of every file; returns whether all could be opened."""
    all_opened = True
    for i in range(stored.n_parts):
        try:
            file = stored.part(i)
        except (OSError, StoreError) as error:
            report.problems.append(str(error))
            all_opened = False
            continue
        named = f"{file.path.name}: " if file.path != stored.path else ""
        for name in ("labels", "clip", "fingerprints"):
            if file.attrs.get(name) != stored.attrs.get(name):
                report.problems.append(f"{named}its {name} are not those of the data set")
        _check_blocks(file, named, report, None if progress is None else partial(_advance, progress, i, stored.n_parts))
    return all_opened


def _advance(progress: Callable[[int, int], None], i: int, n: int, done: int, total: int) -> None:
    """Progress of file `i` among `n` files, as if all had as many blocks."""
    progress(i * total + done, n * total)


def _check_blocks(file: File, named: str, report: Verification, progress: Callable[[int, int], None] | None) -> None:
    blocks = block_slices(file.n_clips, file.block_rows)
    names = [name for name in file.places if is_block_array(name)]
    sums = {name: np.array(file.map(f"checksum/{name}")) for name in names}
    for index, rows in enumerate(blocks):
        for name in names:
            data = file.map(name, rows)
            where = f"{named}/{name} rows {rows.start} to {rows.stop - 1}"
            if checksum(data) != sums[name][index]:
                report.problems.append(f"{where} differ from their checksum: they were changed or damaged")
            elif name.startswith("features/") and not np.isfinite(data).all():
                report.problems.append(f"{where} hold a value that is not finite")
        if progress:
            progress(index + 1, len(blocks))
    report.n_blocks += len(blocks)
