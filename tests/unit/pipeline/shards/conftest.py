"""A data set of several files, beside the one file that it is compared with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from builds import CONFIGS, plan

from kwsfeat import Reader, build_file, build_shards

SHARD_CLIPS = 20  # 77 clips: four files


@pytest.fixture(scope="session")
def whole(tiny_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("whole") / "whole.h5"
    build_file(plan(tiny_corpus, synthesise=True), path, CONFIGS)
    return path


@pytest.fixture(scope="session")
def folder(tiny_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sharded") / "set"
    build_shards(plan(tiny_corpus, synthesise=True), path, CONFIGS, shard_clips=SHARD_CLIPS)
    return path


@pytest.fixture
def both(whole: Path, folder: Path) -> Iterator[tuple[Reader, Reader]]:
    with Reader(whole) as one, Reader(folder) as several:
        yield one, several
