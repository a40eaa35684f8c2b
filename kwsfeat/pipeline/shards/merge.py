"""Files and folders that were built apart as one data set."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from kwsfeat.config.clip import check_same_clip
from kwsfeat.dataset.reader import Reader
from kwsfeat.dataset.seal import FORMAT_VERSION
from kwsfeat.dataset.storage.facts import examine, index_of
from kwsfeat.dataset.storage.open import Storage, open_storage
from kwsfeat.errors import ConfigError, StoreError, refuse_one_path
from kwsfeat.pipeline.shards.contradictions import contradictions
from kwsfeat.pipeline.shards.folder import Making
from kwsfeat.pipeline.shards.shard import Progress


def merge_files(
    paths: Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Put files and folders together to one folder, after comparing every byte with its checksums.

    The rows keep their order and their splits. The files are linked where the disk can do that, else copied. Recordings that are in two
    of them, and recordings and speakers that are in two splits, are named in a warning that is logged.

    Parameters
    ----------
    paths : sequence of path
        Files and folders of ``kwsfeat build``: of equal clips, features and labels.
    output : path
        The new folder.
    overwrite : bool
        Replace a data set that is called `output`, at the end.
    progress : callable, optional
        Called with (clips done, clips in all).

    Returns
    -------
    path
        The folder.

    Raises
    ------
    ConfigError
        If two of them differ in their clips, features or labels, naming what differs; if `paths` is one path.
    StoreError
        If one is missing, damaged or older than the present format.

    Examples
    --------
    >>> from kwsfeat import Reader, build_file, plan_recordings, preset
    >>> config = preset("logmel")
    >>> report = build_file(plan_recordings("recordings", config), "monday.h5", {"logmel": config})
    >>> Reader(merge_files(["monday.h5", "monday.h5"], "week")).n_clips
    16
    """
    refuse_one_path("paths", paths)
    stored = [open_storage(path) for path in paths]
    if not stored:
        raise ConfigError("there is nothing to merge: give at least one file")
    for other in stored:
        check_alike(stored[0], other)
    files = [one.part(i) for one in stored for i in range(one.n_parts)]
    total, done, facts = sum(file.n_clips for file in files), 0, []
    names = [f"{number:05}.h5" for number in range(len(files))]
    key = hashlib.sha256("".join(file.seal for file in files).encode()).digest()
    with Making(output, key, overwrite=overwrite, lock=True) as folder:
        folder.clear(keep=())
        for name, file in zip(names, files, strict=True):
            facts.append(examine(file, None if progress is None else partial(_advance, progress, done, total)))
            done += file.n_clips
            _link(file.path, folder.partial / name)
        folder.finish(index_of(files[0], names, facts))
    with Reader(output) as reader:
        number = np.repeat(np.arange(len(stored)), [one.n_clips for one in stored])
        for text in contradictions(reader, np.concatenate([one.prints for one in facts]), number):
            logging.getLogger("kwsfeat").warning(text)
    for one in stored:
        one.close()
    return Path(output)


def _advance(progress: Progress, before: int, total: int, done: int, of: int) -> None:
    progress(before + done, total)


def check_alike(first: Storage, other: Storage) -> None:
    """Refuse to put two data sets together that differ in more than their rows.

    Raises
    ------
    ConfigError
        With the names of both, what differs, and the cure.
    """
    a, b = first.path, other.path
    if other.attrs["format_version"] != FORMAT_VERSION:
        raise ConfigError(f"{b} has format version {other.attrs['format_version']}: make a new file of it first, kwsfeat build {b} NEW.h5")
    with Reader(a) as ours, Reader(b) as theirs:
        check_same_clip(ours.clip, theirs.clip, names=(f"{a}", f"{b}"), cure="build both alike")
        if ours.feature_names != theirs.feature_names:
            raise ConfigError(
                f"{a} has the features {', '.join(ours.feature_names)}, {b} has {', '.join(theirs.feature_names)}: build both alike"
            )
        for name in ours.feature_names:
            if ours.config(name).fingerprint != theirs.config(name).fingerprint:
                different = "; ".join(ours.config(name).differences(theirs.config(name)))
                raise ConfigError(f"{a} and {b} have other features {name!r} ({different}): build both alike")
            if ours.algorithm(name) != theirs.algorithm(name):
                versions = f"{ours.algorithm(name)} in {a}, {theirs.algorithm(name)} in {b}"
                raise ConfigError(f"the algorithm that computed {name!r} has another version ({versions}): build both alike")
            if (kind := ours.features(name).dtype) != (other_kind := theirs.features(name).dtype):
                raise ConfigError(f"{a} has {kind} features, {b} has {other_kind}: build both alike")
        if ours.labels != theirs.labels:
            only = [f"only {path} has {', '.join(names)}" for path, names in _only(ours, theirs) if names]
            raise ConfigError(f"{a} and {b} have other labels ({'; '.join(only) or 'in another order'}): build both with the same --labels")
        if ours.has_audio != theirs.has_audio:
            raise ConfigError(f"only {a if ours.has_audio else b} holds audio: build both with it, or both with --no-audio")


def _only(ours: Reader, theirs: Reader) -> list[tuple[Path, list[str]]]:
    """The labels that just one of the two has."""
    return [(one.path, [label for label in one.labels if label not in other.labels]) for one, other in ((ours, theirs), (theirs, ours))]


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source.resolve(), target)
    except OSError:  # another disk, or one without links
        try:
            shutil.copyfile(source, target)
        except OSError as error:
            raise StoreError(
                f"cannot copy {source} to {target.parent}: {error.strerror}: make room, or choose an output elsewhere"
            ) from None
