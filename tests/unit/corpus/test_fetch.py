"""Downloads, from a server on this machine that breaks connections, lies and serves malicious archives."""

from __future__ import annotations

import base64
import hashlib
import io
import re
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from kwsfeat.cli import cli
from kwsfeat.corpus.acquire.fetch import CORPORA, fetch
from kwsfeat.corpus.acquire.kaggle import authorization
from kwsfeat.corpus.find import find_corpus
from kwsfeat.errors import ConfigError, CorpusError


class Server(ThreadingHTTPServer):
    """Serves `content` at every path; `break_after` bytes into each of the next `n_breaks` answers the connection ends."""

    content = b""
    n_breaks = 0
    break_after = 0
    status = 200
    ranges = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.starts: list[int] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/corpus-1.0.tar.gz"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        server = self.server
        match = re.match(r"bytes=(\d+)-", self.headers.get("Range", "")) if server.ranges else None
        start = int(match[1]) if match else 0
        server.starts.append(start)
        if server.status != 200:
            self.send_error(server.status)
            return
        size = len(server.content)
        if match and start >= size:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{size}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = server.content[start:]
        self.send_response(206 if match else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if server.n_breaks:
            server.n_breaks -= 1
            body = body[: server.break_after]
            self.close_connection = True
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        server.content = archive()
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server
        server.shutdown()


def archive(*extra: tarfile.TarInfo) -> bytes:
    """A folder per word with two recordings, in a folder of its own; then `extra`."""
    file = io.BytesIO()
    noise = np.random.default_rng(0).integers(-9000, 9000, 16000).astype(np.int16)
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        for name in ("yes/a_nohash_0.wav", "no/b_nohash_0.wav"):
            recording = io.BytesIO()
            soundfile.write(recording, noise, 16000, format="WAV")
            member = tarfile.TarInfo(f"corpus-1.0/{name}")
            member.size = recording.tell()
            recording.seek(0)
            tar.addfile(member, recording)
        for member in extra:
            tar.addfile(member)
    return file.getvalue()


def get(server: Server, folder: Path, sha256: str | None = None) -> Path:
    return fetch("fsdd", folder, url=server.url, sha256=sha256 or hashlib.sha256(server.content).hexdigest(), retry_s=0.001)


def test_a_corpus_is_fetched_checked_and_unpacked(server: Server, tmp_path: Path) -> None:
    folder = get(server, tmp_path / "new" / "fsdd")
    assert find_corpus(folder).words == ["no", "yes"]
    assert [path.name for path in folder.iterdir()] == ["corpus-1.0"]


def test_a_broken_connection_goes_on_where_it_broke(server: Server, tmp_path: Path) -> None:
    server.n_breaks, server.break_after = 3, 10_000
    assert find_corpus(get(server, tmp_path / "fsdd")).words == ["no", "yes"]
    assert server.starts == [0, 10_000, 20_000, 30_000]


def test_a_server_without_ranges_starts_again(server: Server, tmp_path: Path) -> None:
    server.n_breaks, server.break_after, server.ranges = 2, 10_000, False
    assert find_corpus(get(server, tmp_path / "fsdd")).words == ["no", "yes"]


def test_a_connection_that_stays_broken_keeps_its_part_for_the_next_call(server: Server, tmp_path: Path) -> None:
    server.n_breaks, server.break_after = 1, 10_000
    server_content, handler_break = server.content, server.break_after
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kwsfeat.corpus.acquire.fetch._TRIES", 1)
        with pytest.raises(CorpusError, match=r"broke after 10,000 bytes: repeat the command"):
            get(server, tmp_path / "fsdd")
    assert (tmp_path / "fsdd" / "corpus-1.0.tar.gz.part").read_bytes() == server_content[:handler_break]
    assert find_corpus(get(server, tmp_path / "fsdd")).words == ["no", "yes"]
    assert server.starts == [0, 10_000]


def test_a_server_that_never_gives_a_byte_is_given_up(server: Server, tmp_path: Path) -> None:
    server.n_breaks, server.break_after = 100, 0
    with pytest.raises(CorpusError, match="the connection broke after 0 bytes"):
        get(server, tmp_path / "fsdd")
    assert len(server.starts) == 5


def test_a_part_that_is_complete_is_not_fetched_again(server: Server, tmp_path: Path) -> None:
    (tmp_path / "corpus-1.0.tar.gz.part").write_bytes(server.content)
    assert find_corpus(get(server, tmp_path)).words == ["no", "yes"]
    assert server.starts == [len(server.content)]


def test_a_part_of_something_else_is_thrown_away(server: Server, tmp_path: Path) -> None:
    (tmp_path / "corpus-1.0.tar.gz.part").write_bytes(server.content + b"more")
    assert find_corpus(get(server, tmp_path)).words == ["no", "yes"]


def test_a_wrong_checksum_leaves_nothing(server: Server, tmp_path: Path) -> None:
    with pytest.raises(
        CorpusError, match=f"the checksum is {hashlib.sha256(server.content).hexdigest()} and should be {CORPORA['fsdd'].sha256}"
    ):
        fetch("fsdd", tmp_path / "fsdd", url=server.url)
    assert list((tmp_path / "fsdd").iterdir()) == []


@pytest.mark.parametrize("name", ["../evil.wav", "/tmp/evil.wav"])
def test_a_malicious_archive_writes_nothing(server: Server, tmp_path: Path, name: str) -> None:
    server.content = archive(tarfile.TarInfo(name))
    with pytest.raises(CorpusError, match="refused"):
        get(server, tmp_path / "fsdd")
    assert list(tmp_path.rglob("*")) == [tmp_path / "fsdd"]


def test_errors_of_the_server_are_said(server: Server, tmp_path: Path) -> None:
    server.status = 404
    with pytest.raises(CorpusError, match="the server says 404 Not Found"):
        get(server, tmp_path)
    assert len(server.starts) == 1
    server.status = 503
    with pytest.raises(CorpusError, match="the server says 503"):
        get(server, tmp_path)
    assert len(server.starts) == 6


def test_no_server(tmp_path: Path) -> None:
    with Server() as server:
        url = server.url
    with pytest.raises(CorpusError, match="refused"):
        fetch("fsdd", tmp_path, url=url, retry_s=0.001)


def test_what_is_asked_for_is_checked(server: Server, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'speech-commands' is not a corpus that can be fetched: did you mean speech-commands-v"):
        fetch("speech-commands", tmp_path)
    with pytest.raises(CorpusError, match="must be an http or https address"):
        fetch("fsdd", tmp_path, url="file:///etc/passwd.tar.gz")
    with pytest.raises(CorpusError, match=r"must end in the name of a \.tar\.gz"):
        fetch("fsdd", tmp_path, url="http://127.0.0.1/page.html")
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(CorpusError, match=r"already holds mine\.txt"):
        get(server, tmp_path)
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_progress_counts_bytes(server: Server, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    sha256 = hashlib.sha256(server.content).hexdigest()
    fetch("fsdd", tmp_path, url=server.url, sha256=sha256, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (len(server.content), len(server.content))


def test_the_command(server: Server, tmp_path: Path) -> None:
    sha256 = hashlib.sha256(server.content).hexdigest()
    result = CliRunner().invoke(cli, ["fetch", "fsdd", str(tmp_path / "fsdd"), "--url", server.url, "--sha256", sha256])
    assert result.exit_code == 0
    assert result.stdout == f"{tmp_path / 'fsdd'}: fsdd, checked and unpacked\n"
    assert find_corpus(tmp_path / "fsdd").words == ["no", "yes"]


class KaggleHandler(BaseHTTPRequestHandler):
    """Kaggle: asks for credentials and sends on to a storage server, which must not see them."""

    server: Kaggle

    def do_GET(self) -> None:
        kaggle = self.server
        kaggle.seen.append((self.path, self.headers.get("Authorization"), self.headers.get("Range")))
        name = self.path.rsplit("/", 1)[1]
        if self.path.startswith("/api/"):
            if self.headers.get("Authorization") != "Basic " + base64.b64encode(b"me:s3cret").decode():
                self.send_error(403)
                return
            self.send_response(302)
            self.send_header("Location", f"http://localhost:{kaggle.server_port}/storage/{name}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        start = int((self.headers.get("Range") or "bytes=0-")[6:-1])
        body = kaggle.files[name][start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if kaggle.n_breaks:
            kaggle.n_breaks -= 1
            body = body[: len(body) // 2]
            self.close_connection = True
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


class Kaggle(ThreadingHTTPServer):
    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), KaggleHandler)
        self.files, self.n_breaks = files, 0
        self.seen: list[tuple[str, str | None, str | None]] = []
        self.url = f"http://127.0.0.1:{self.server_port}/api/v1/competitions/data/download/speech"


@pytest.fixture
def kaggle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kaggle]:
    py7zr = pytest.importorskip("py7zr")
    files = {}
    for part, names in (("train", ("yes/a_nohash_0.wav", "no/b_nohash_0.wav", "_background_noise_/hum.wav")), ("test", ("clip_1.wav",))):
        for name in names:
            (path := tmp_path / "src" / part / "audio" / name).parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, np.random.default_rng(0).integers(-9000, 9000, 4000).astype(np.int16), 16000)
        with py7zr.SevenZipFile(packed := io.BytesIO(), "w") as pack:
            pack.writeall(tmp_path / "src" / part, part)
        files[f"{part}.7z"] = packed.getvalue()
    for name in ("KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_CONFIG_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home" / ".kaggle").mkdir(parents=True)
    with Kaggle(files) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server
        server.shutdown()


@pytest.mark.parametrize("where", ["file", "environment"])
def test_the_challenge_is_fetched_with_credentials(kaggle: Kaggle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    """They go to Kaggle and not to the storage behind it, and nothing that is printed or stored holds them."""
    if where == "file":
        (tmp_path / "home" / ".kaggle" / "kaggle.json").write_text('{"username": "me", "key": "s3cret"}')
    else:
        monkeypatch.setenv("KAGGLE_USERNAME", "me")
        monkeypatch.setenv("KAGGLE_KEY", "s3cret")
    kaggle.n_breaks = 1
    result = CliRunner().invoke(cli, ["fetch", "kaggle-speech", str(tmp_path / "sc"), "--url", kaggle.url])
    assert result.exit_code == 0, result.output
    assert "s3cret" not in result.output
    corpus = find_corpus(tmp_path / "sc")
    assert (corpus.layout, corpus.words) == ("kaggle", ["no", "yes"])
    assert sorted(path.name for path in (tmp_path / "sc").iterdir()) == ["test", "train"]
    assert all(sent is None for path, sent, _ in kaggle.seen if path.startswith("/storage/"))
    assert any(first for path, _, first in kaggle.seen if path == "/storage/train.7z")
    assert not any(b"s3cret" in path.read_bytes() for path in (tmp_path / "sc").rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("token", "message"),
    [
        (None, r"there is no .*kaggle.json: make a token at .* or set KAGGLE_USERNAME and KAGGLE_KEY"),
        ('{"username": "me", "kee": "s3cret"}', "kaggle.json: is not a Kaggle token"),
        ('{"username": "me", "key": "s3cret"', "kaggle.json: is not a Kaggle token"),
        ('{"username": "me", "key": "wr0ng"}', "Kaggle says 403: accept the rules at https://www.kaggle.com/c/"),
    ],
)
def test_what_is_wrong_with_the_credentials_is_said_without_them(kaggle: Kaggle, tmp_path: Path, token: str | None, message: str) -> None:
    if token:
        (tmp_path / "home" / ".kaggle" / "kaggle.json").write_text(token)
    with pytest.raises(CorpusError, match=message) as caught:
        fetch("kaggle-speech", tmp_path / "sc", url=kaggle.url, retry_s=0.001)
    assert "s3cret" not in str(caught.value)
    assert "wr0ng" not in str(caught.value)


def test_credentials_are_not_sent_to_strangers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAGGLE_USERNAME", "me")
    monkeypatch.setenv("KAGGLE_KEY", "s3cret")
    assert authorization("https://www.kaggle.com/api/v1/x") is not None
    strangers = (
        "https://mirror.example/x",
        "http://www.kaggle.com/x",
        "https://www.kaggle.com.evil.example/x",
        "https://www.kaggle.com@x.example/",
    )
    for url in strangers:
        assert authorization(url) is None


def test_a_damaged_challenge_is_removed_and_the_rest_is_not_fetched_twice(
    kaggle: Kaggle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAGGLE_USERNAME", "me")
    monkeypatch.setenv("KAGGLE_KEY", "s3cret")
    good = kaggle.files["test.7z"]
    del kaggle.files["test.7z"]  # the storage breaks off: train.7z stays
    with pytest.raises(CorpusError, match="repeat the command"):
        fetch("kaggle-speech", tmp_path / "sc", url=kaggle.url, retry_s=0.001)
    assert [path.name for path in (tmp_path / "sc").iterdir()] == ["train.7z"]
    kaggle.files["test.7z"] = good[:-1] + bytes([good[-1] ^ 1])
    kaggle.seen.clear()
    with pytest.raises(CorpusError, match="damaged archive"):
        fetch("kaggle-speech", tmp_path / "sc", url=kaggle.url, retry_s=0.001)
    assert not any(path.endswith("train.7z") for path, _, _ in kaggle.seen)
    assert list((tmp_path / "sc").iterdir()) == []
