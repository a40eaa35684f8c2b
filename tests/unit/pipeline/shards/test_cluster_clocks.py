"""Machines whose clocks differ: nothing here compares the times of two, so the files are the same and none is taken for stale."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from builds import CONFIGS, contents, plan

pytest.importorskip("distributed")

from clusters import scheduler_and_workers
from distributed import Client

from kwsfeat import StoreError, build_shards, on_cluster

SHARD_CLIPS = 20
YEAR_S = 365.25 * 86400
pytestmark = pytest.mark.slow

# The clock of a process, and of the times that it gives to its files.
CLOCK = """
import os, time
right, replace, shift_s = time.time, os.replace, {shift_s}
time.time = lambda: right() + shift_s
time.time_ns = lambda: int(1e9 * time.time())
def replaced(old, new):
    replace(old, new)
    if str(new).endswith(".h5"):
        os.utime(new, (time.time(), time.time()))
os.replace = replaced
"""


@contextmanager
def workers(folder: Path, *shifts_s: float) -> Iterator[Client]:
    """A scheduler whose clock is right, and a worker of each of these clocks."""
    clocks = [CLOCK.format(shift_s=shift_s) for shift_s in shifts_s]
    with scheduler_and_workers(folder, workers=clocks) as (address, _), Client(address, set_as_default=False) as client:
        yield client


def build(corpus: Path, output: Path, client: Client, **options: object) -> int:
    rows = plan(corpus, synthesise=True)
    return build_shards(rows, output, CONFIGS, shard_clips=SHARD_CLIPS, workers=on_cluster(client), **options).n_resumed  # type: ignore[arg-type]


def test_the_bytes_are_those_of_one_clock(tiny_corpus: Path, folder: Path, tmp_path: Path) -> None:
    """One worker is twenty years late, the other one ten minutes early."""
    with workers(tmp_path, -20 * YEAR_S, 600.0) as client:
        late, early = (clock - time.time() for clock in sorted(client.run(time.time).values()))
        assert (late, early) == (pytest.approx(-20 * YEAR_S, abs=300), pytest.approx(600, abs=300))
        assert build(tiny_corpus, tmp_path / "set", client) == 0
    assert contents(tmp_path / "set") == contents(folder)
    dates = [os.stat(path).st_mtime - time.time() for path in (tmp_path / "set").glob("0*.h5")]
    assert len(dates) == 4
    assert all(date < -10 * YEAR_S or date > 0 for date in dates)


def test_a_build_goes_on_with_files_from_the_future_and_the_past(tiny_corpus: Path, folder: Path, tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        if len(list((tmp_path / "set.partial").glob("*.h5"))) >= 2:
            raise StoreError("enough")

    with workers(tmp_path, 20 * YEAR_S, -20 * YEAR_S) as client:
        with pytest.raises(StoreError, match="enough"):
            build(tiny_corpus, tmp_path / "set", client, progress=stop)
        for path, year in zip(sorted((tmp_path / "set.partial").glob("*.h5")), (1999, 2099), strict=False):
            os.utime(path, (0, (year - 1970) * YEAR_S))
        assert build(tiny_corpus, tmp_path / "set", client) >= 2 * SHARD_CLIPS - 3
    assert contents(tmp_path / "set") == contents(folder)
