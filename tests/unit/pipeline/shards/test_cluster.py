"""A data set that the workers of a Dask cluster make is the one that this process makes, whatever happens to them."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from builds import CONFIG, CONFIGS, contents, plan

pytest.importorskip("distributed")

from clusters import changed, local_cluster
from distributed import Client

from kwsfeat import (
    AudioError,
    ConfigError,
    CorpusError,
    Reader,
    StoreError,
    augment_source,
    build_shards,
    load_policy,
    on_cluster,
)
from kwsfeat.cli import main

SHARD_CLIPS = 20


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with local_cluster(2) as client:
        yield client


def build(corpus: Path, output: Path, client: Client, **options: Any) -> Any:
    return build_shards(plan(corpus, synthesise=True), output, CONFIGS, shard_clips=SHARD_CLIPS, workers=on_cluster(client), **options)


def test_the_bytes_are_those_of_a_local_build(tiny_corpus: Path, folder: Path, tmp_path: Path, client: Client) -> None:
    calls: list[tuple[int, int]] = []
    report = build(tiny_corpus, tmp_path / "set", client, progress=lambda done, total: calls.append((done, total)))
    assert contents(tmp_path / "set") == contents(folder)
    assert (report.n_clips, report.n_resumed) == (77, 0)
    assert calls[-1] == (77, 77)
    assert sorted(calls) == calls
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_variants_and_noise_are_the_same(tiny_corpus: Path, tmp_path: Path, client: Client) -> None:
    source = augment_source(plan(tiny_corpus), load_policy("kws-streaming"), CONFIG, seed=5)
    for name, workers in (("here", None), ("there", on_cluster(client))):
        build_shards(source, tmp_path / name, {"x": CONFIG}, seed=5, shard_clips=70, workers=workers)
    assert contents(tmp_path / "here") == contents(tmp_path / "there")


@pytest.mark.slow
def test_new_features_of_a_folder(folder: Path, tmp_path: Path, client: Client) -> None:
    from kwsfeat.pipeline.sources import FromDataset

    with Reader(folder) as reader:
        for name, workers in (("here", None), ("there", on_cluster(client))):
            build_shards(FromDataset(reader, CONFIG), tmp_path / name, {"x": CONFIG}, shard_clips=33, workers=workers)
    assert contents(tmp_path / "here") == contents(tmp_path / "there")


def killing(after: int, marker: Path) -> Callable[[Any], Any]:
    """Makes a function that ends its process the first time that it is called so often in one."""

    def change(function: Any) -> Any:
        n = 0

        def dying(*args: Any, **options: Any) -> Any:
            nonlocal n
            n += 1
            if n == after and not marker.exists():
                marker.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*args, **options)

        return dying

    return change


def test_a_worker_that_is_killed_loses_nothing(tiny_corpus: Path, folder: Path, tmp_path: Path, client: Client) -> None:
    with changed(client, "kwsfeat.pipeline.sources", "load_clip", killing(15, tmp_path / "killed")):
        build(tiny_corpus, tmp_path / "set", client)
    assert (tmp_path / "killed").exists()
    assert contents(tmp_path / "set") == contents(folder)


@pytest.mark.slow
def test_a_file_that_kills_its_workers_is_named(tiny_corpus: Path, tmp_path: Path, client: Client) -> None:
    client.run_on_scheduler(lambda dask_scheduler: setattr(dask_scheduler, "allowed_failures", 0))
    with changed(client, "kwsfeat.pipeline.sources", "load_clip", killing(15, tmp_path / "killed")):
        with pytest.raises(StoreError, match=r"^0000\d\.h5: the workers died 1 times on it, the last was tcp://127\.0\.0\.1:\d+: see"):
            build(tiny_corpus, tmp_path / "set", client)
        client.run_on_scheduler(lambda dask_scheduler: setattr(dask_scheduler, "allowed_failures", 3))


def test_a_recording_that_vanishes_is_named_with_the_worker(tiny_corpus: Path, tmp_path: Path, client: Client) -> None:
    corpus = tmp_path / "corpus"
    shutil.copytree(tiny_corpus, corpus)
    source = plan(corpus)
    (corpus / "yes" / "00abc003_nohash_1.wav").unlink()
    with pytest.raises(AudioError, match=r"^worker tcp://127\.0\.0\.1:\d+: .*yes/00abc003_nohash_1\.wav"):
        build_shards(source, tmp_path / "set", CONFIGS, shard_clips=20, strict=True, workers=on_cluster(client))
    shutil.rmtree(corpus / "yes")
    with pytest.raises(CorpusError, match=r"^worker tcp://127\.0\.0\.1:\d+: .*corpus/yes is not there \(any more\)"):
        build_shards(source, tmp_path / "other", CONFIGS, shard_clips=20, workers=on_cluster(client))


def test_a_build_that_was_begun_here_is_finished_there(tiny_corpus: Path, folder: Path, tmp_path: Path, client: Client) -> None:
    """Two files that are there already are not made again."""

    def two(partial: Path, *args: Any) -> Any:
        for name in ("00000.h5", "00002.h5"):
            shutil.copy(folder / name, partial / name)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_shards(plan(tiny_corpus, synthesise=True), tmp_path / "set", CONFIGS, shard_clips=SHARD_CLIPS, workers=two)
    assert build(tiny_corpus, tmp_path / "set", client).n_resumed == 40
    assert contents(tmp_path / "set") == contents(folder)


def test_another_version_is_refused(tiny_corpus: Path, tmp_path: Path, client: Client) -> None:
    with (
        changed(client, "kwsfeat.pipeline.shards.cluster", "__version__", lambda version: "9.9"),
        pytest.raises(ConfigError, match=r"worker tcp://127\.0\.0\.1:\d+ has kwsfeat 9\.9, this is .*: install the same on both"),
    ):
        build(tiny_corpus, tmp_path / "set", client)


def test_a_disk_that_workers_do_not_see_is_refused(tiny_corpus: Path, tmp_path: Path, client: Client) -> None:
    with (
        changed(client, "kwsfeat.pipeline.shards.cluster", "Path", lambda path: lambda *parts: path("/elsewhere", *parts[1:])),
        pytest.raises(CorpusError, match=r"worker tcp://127\.0\.0\.1:\d+ does not see .*set\.partial: the output must lie on a disk"),
    ):
        build(tiny_corpus, tmp_path / "set", client)


def test_no_scheduler_is_said_in_one_line(tiny_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any) -> None:
    monkeypatch.setattr("kwsfeat.pipeline.shards.cluster._CONNECT_S", 0.5)
    assert main(["build", str(tiny_corpus), str(tmp_path / "set"), "--dask", "tcp://127.0.0.1:9", "-q"]) == 1
    lines = capfd.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("kwsfeat: no Dask scheduler answers at tcp://127.0.0.1:9 (")


def test_a_wrong_address_is_wrong_usage(tiny_corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for address in ("localhost", "local:0", "local:x", "local:"):
        assert main(["build", str(tiny_corpus), str(tmp_path / "set"), "--dask", address]) == 2
        assert "must be local:N with N >= 1, or the address of a scheduler" in capsys.readouterr().err


@pytest.mark.slow
def test_the_command_starts_its_own_workers(tiny_corpus: Path, folder: Path, tmp_path: Path) -> None:
    script = tmp_path / "run.py"
    script.write_text("import sys\nfrom kwsfeat.cli import main\nif __name__ == '__main__':\n    sys.exit(main())\n")
    arguments = ["build", str(tiny_corpus), str(tmp_path / "set"), "--shard-clips", "30", "--dask", "local:2", "-q"]
    done = subprocess.run([sys.executable, str(script), *arguments], capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    assert main(["build", str(tiny_corpus), str(tmp_path / "here"), "--shard-clips", "30", "-q"]) == 0
    assert contents(tmp_path / "set") == contents(tmp_path / "here")
