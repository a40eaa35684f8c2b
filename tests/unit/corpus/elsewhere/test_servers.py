"""Recordings on servers that are asked over a socket: an object store of S3's kind, and a web server."""

from __future__ import annotations

import csv
import functools
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from builds import CONFIG, CONFIGS, contents, plan
from numpy.testing import assert_array_equal

pytest.importorskip("fsspec")

import fsspec

from kwsfeat import AudioError, CorpusError, Reader, build_file, build_shards, on_cluster
from kwsfeat.cli import main
from kwsfeat.corpus.elsewhere.urls import open_url, read_url, stamp_url


class WholeFiles(SimpleHTTPRequestHandler):
    """Knows no parts of files, as the standard library's server."""

    def log_message(self, format: str, *arguments: Any) -> None:
        pass


class Parts(WholeFiles):
    """Sends the part of a file that is asked for."""

    def do_GET(self) -> None:
        found = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        path = Path(self.translate_path(self.path))
        if found is None or not path.is_file():
            super().do_GET()
            return
        data = path.read_bytes()
        first, last = int(found[1]), min(int(found[2]), len(data) - 1)
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{last}/{len(data)}")
        self.send_header("Content-Length", str(last + 1 - first))
        self.end_headers()
        self.wfile.write(data[first : last + 1])


@contextmanager
def web_server(folder: Path, kind: type[WholeFiles] = Parts) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(kind, directory=os.fspath(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@contextmanager
def object_store(folder: Path) -> Iterator[str]:
    """A bucket with the files of `folder`, under a name of its own: moto remembers those of earlier servers."""
    pytest.importorskip("s3fs", reason="s3:// needs s3fs")
    servers = pytest.importorskip("moto.server", reason="an object store on this machine needs moto")
    server = servers.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "key")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("AWS_MAX_ATTEMPTS", "1")
        fsspec.filesystem("s3").clear_instance_cache()  # it may know another server
        system = fsspec.filesystem("s3")
        bucket = f"speech-{port}"
        system.mkdir(bucket)
        for path in folder.iterdir():
            system.pipe(f"{bucket}/{path.name}", path.read_bytes())
        yield f"s3://{bucket}"
        system.clear_instance_cache()
    server.stop()


@pytest.fixture(scope="module", params=[web_server, object_store])
def place(request: pytest.FixtureRequest, tars: Path) -> Iterator[str]:
    """Where the tar files are."""
    pytest.importorskip("aiohttp", reason="http:// and s3:// need aiohttp")
    with request.param(tars) as url:
        yield url


def test_a_server_gives_what_the_disk_gives(place: str, tars: Path, tmp_path: Path) -> None:
    assert main(["build", f"{place}/speech-{{000..001}}.tar", str(tmp_path / "there.h5"), "-q"]) == 0
    assert main(["build", f"{tars}/speech-{{000..001}}.tar", str(tmp_path / "here.h5"), "-q"]) == 0
    assert (tmp_path / "there.h5").read_bytes() == (tmp_path / "here.h5").read_bytes()


@pytest.mark.slow
def test_the_workers_of_a_cluster_read_from_it(tars: Path, tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    with object_store(tars) as url:
        rows = plan(f"{url}/speech-{{000..001}}.tar")  # type: ignore[arg-type]
        for name, workers in (("here", None), ("there", on_cluster("local:2"))):
            build_shards(rows, tmp_path / name, CONFIGS, shard_clips=30, workers=workers)
    assert contents(tmp_path / "there") == contents(tmp_path / "here")


def test_single_recordings(tiny_corpus: Path, tmp_path: Path, server: Any) -> None:
    """And one that is not there, which is left out."""
    folder = tiny_corpus / "yes"
    names = sorted(path.name for path in folder.iterdir())[:6]
    with server(folder) as url:
        for where in (url, os.fspath(folder)):
            with open(tmp_path / "list.csv", "w", newline="") as file:
                csv.writer(file).writerows([("path", "label"), *((f"{where}/{name}", "yes") for name in [*names, "nowhere.wav"])])
            report = build_file(plan(tmp_path / "list.csv"), tmp_path / f"{where == url}.h5", {"x": CONFIG})
            assert (report.n_clips, len(report.skipped)) == (6, 1)
        for ask, answer in ((read_url, AudioError), (open_url, CorpusError)):
            with pytest.raises(answer, match=r"nowhere\.wav: no such file$"):
                ask(f"{url}/nowhere.wav")
    with Reader(tmp_path / "True.h5") as there, Reader(tmp_path / "False.h5") as here:
        assert_array_equal(there.audio, here.audio)


@pytest.fixture(params=[web_server, object_store])
def server(request: pytest.FixtureRequest) -> Any:
    pytest.importorskip("aiohttp", reason="http:// and s3:// need aiohttp")
    return request.param


def test_a_changed_file_of_the_same_length_is_another(server: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(b"0123456789")
    with server(tmp_path) as url:
        before = stamp_url(f"{url}/a.tar")
        assert stamp_url(f"{url}/a.tar") == before
        if url.startswith("http"):
            os.utime(path, (0, 0))
        else:
            fsspec.filesystem("s3").pipe(f"{url}/a.tar", b"9876543210")
        assert stamp_url(f"{url}/a.tar") != before


def test_a_server_that_is_gone_is_not_a_file_that_is_missing(server: Any, tmp_path: Path) -> None:
    """Else a build would begin anew, or leave recordings out."""
    (tmp_path / "a.tar").write_bytes(b"0123456789")
    with server(tmp_path) as url:
        assert read_url(f"{url}/a.tar", 2, 3).getvalue() == b"234"
        if url.startswith("s3"):
            with socket.create_server(("127.0.0.1", 0)) as free:
                port = free.getsockname()[1]
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
                fsspec.filesystem("s3").clear_instance_cache()
                refuses(f"{url}/a.tar")
                fsspec.filesystem("s3").clear_instance_cache()
    if url.startswith("http"):
        refuses(f"{url}/a.tar")


def refuses(url: str) -> None:
    for ask in (read_url, open_url, stamp_url):
        with pytest.raises(CorpusError, match=r"a\.tar: cannot be reached \(.*(C|c)onnect.*\): repeat the command, it goes on") as caught:
            ask(url)
        assert "\n" not in str(caught.value)


def test_a_server_that_sends_whole_files_only_is_named(tars: Path) -> None:
    pytest.importorskip("aiohttp")
    with web_server(tars, WholeFiles) as url:
        assert read_url(f"{url}/speech-000.tar").getvalue() == (tars / "speech-000.tar").read_bytes()
        with pytest.raises(CorpusError, match=r"speech-000\.tar: its server sends whole files, not parts of one: fetch it first"):
            read_url(f"{url}/speech-000.tar", 512, 100)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("url", "package"), [("s3://x/y", "s3fs"), ("https://127.0.0.1/y", "aiohttp"), ("gs://x/y", "gcsfs"), ("s3://x/y", "fsspec")]
)
def test_without_its_package_a_protocol_names_it(url: str, package: str, tmp_path: Path) -> None:
    code = f"import sys; sys.modules[{package!r}] = None\nfrom kwsfeat.cli import main\nsys.exit(main())"
    command = ["build", f"{url}-{{0..1}}.tar", str(tmp_path / "out.h5")]
    done = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith(f"kwsfeat: {url}-0.tar: ")
    assert package in line
    assert not list(tmp_path.iterdir())
