"""Recordings, or an earlier data set, to a folder of files.

Labels, splits and everything that is drawn are decided for the whole table before the first file is begun, so what a row holds
depends neither on where the files are cut nor on who makes them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from kwsfeat.config.clip import check_same_clip, common_clip
from kwsfeat.config.features import FeatureConfig
from kwsfeat.dataset.format import block_slices
from kwsfeat.dataset.reader import Reader
from kwsfeat.dataset.storage.facts import index_of
from kwsfeat.dataset.storage.file import File
from kwsfeat.errors import AudioError, ConfigError
from kwsfeat.pipeline.build import BuildReport, Settings
from kwsfeat.pipeline.copies import copies_across
from kwsfeat.pipeline.shards.folder import Making
from kwsfeat.pipeline.shards.shard import Made, Progress, Task, find, make
from kwsfeat.pipeline.sources import ClipSource

SHARD_CLIPS = 100_000

# Makes the files of `tasks` in a folder, each from its part of the source; gives their numbers in any order.
Workers = Callable[[Path, ClipSource, Sequence[Task], Progress], Iterator[tuple[int, Made]]]


def build_shards(
    source: ClipSource,
    output: str | os.PathLike[str],
    configs: Mapping[str, FeatureConfig],
    *,
    shard_clips: int = SHARD_CLIPS,
    seed: int = 0,
    threads: int = 1,
    audio: bool = True,
    dtype: str = "float32",
    strict: bool = False,
    overwrite: bool = False,
    lock: bool = True,
    workers: Workers | None = None,
    progress: Progress | None = None,
) -> BuildReport:
    """Write the folder `output`: ordinary files of `shard_clips` rows, and a table of them.

    A run that was interrupted goes on: a file that is there and intact is not made again.

    Parameters
    ----------
    source : ClipSource
        The clips, as from :func:`kwsfeat.plan_recordings`.
    output : path
        Written as ``<output>.partial`` and renamed when complete.
    configs : mapping of str to FeatureConfig
        Feature sets by name; the first is the default of readers.
    shard_clips : int, >= 1
        Rows of a file; fewer in the last one, and where recordings cannot be read.
    seed : int
        For dither.
    threads : int, >= 1
        Does not change the files.
    audio : bool
        Whether to store the samples.
    dtype : {"float32", "float16"}
        Type of the stored features.
    strict : bool
        Make a recording that cannot be read an error instead of leaving it out.
    overwrite : bool
        Replace a data set that is called `output`, at the end.
    lock : bool
        Whether to hold a lock on the folder; without it, on a file system that has none.
    workers : callable, optional
        Who makes the files, such as :func:`kwsfeat.on_cluster` gives; this process without it.
    progress : callable, optional
        Called with (clips done, clips in all) from the calling thread.

    Returns
    -------
    BuildReport
        Where the folder is, how many clips it has, what was left out, and how long it took.

    Raises
    ------
    AudioError
        If no recording can be read or, with `strict`, one cannot.
    CorpusError
        If the recordings went away.
    StoreError, ConfigError
        If something cannot be written, or a choice does not fit.

    Examples
    --------
    >>> from kwsfeat import Reader, plan_recordings, preset
    >>> config = preset("logmel")
    >>> report = build_shards(plan_recordings("recordings", config), "new", {"logmel": config}, shard_clips=3)
    >>> Reader("new").n_clips, [path.name for path in Reader("new").files]
    (8, ['00000.h5', '00001.h5', '00002.h5', 'dataset.json'])
    """
    began = time.monotonic()
    if shard_clips < 1:
        raise ConfigError(f"shard_clips={shard_clips} must be >= 1")
    check_same_clip(source.clip, common_clip(configs), names=("the recordings", "the features"), cure="give one to both")
    settings, columns = Settings(configs, seed, audio, dtype, strict), source.columns()
    n_clips = len(columns.label)
    key = settings.key(source, columns) + shard_clips.to_bytes(8, "little")
    tasks = [Task(number, rows, settings, key) for number, rows in enumerate(block_slices(n_clips, shard_clips))]
    workers = workers or in_this_process(threads)
    with Making(output, key, overwrite=overwrite, lock=lock) as folder:
        made = dict(workers(folder.partial, source, tasks, progress or (lambda done, total: None)))
        kept = {task.name: facts for task in tasks if (facts := made[task.number].facts) is not None}
        skipped = tuple(dict.fromkeys(one for task in tasks for one in made[task.number].skipped))
        if not kept:
            folder.clear(keep=())
            raise AudioError(f"none of the {len(skipped)} recordings can be read; the first: {skipped[0][1]}")
        first = File(folder.partial / next(iter(kept)))
        folder.finish(index_of(first, list(kept), list(kept.values())))
        first.close()
    with Reader(output) as reader:
        copies = copies_across(reader, np.concatenate([facts.prints for facts in kept.values()]))
    remarks = tuple(one for task in tasks for one in made[task.number].remarks)
    n_resumed = sum(one.n_resumed for one in made.values())
    n_rows = sum(facts.rows for facts in kept.values())
    return BuildReport(Path(output), n_rows, n_resumed, skipped, time.monotonic() - began, copies, remarks)


def in_this_process(threads: int) -> Workers:
    """Files one after the other, each by all threads."""

    def work(folder: Path, source: ClipSource, tasks: Sequence[Task], progress: Progress) -> Iterator[tuple[int, Made]]:
        total = tasks[-1].rows.stop
        for task in tasks:

            def advance(done: int, of: int, before: int = task.rows.start) -> None:
                progress(before + done, total)

            path = folder / task.name
            made = find(path, task, advance) or make(path, task, source.part(task.rows), threads=threads, progress=advance)
            progress(task.rows.stop, total)
            yield task.number, made

    return work
