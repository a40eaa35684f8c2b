"""Who does not get in, and what is not let in: every route, attack by attack; nothing is read or written that should not be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from door import HOST, TOKEN, Door, snapshot, write_take
from starlette.routing import Match, Route

from kwstrain.studio.guard import Guard
from kwstrain.studio.project import Kind
from kwstrain.studio.uploads import MOST_BYTES

Unchanged = Callable[[], None]
OURS = {"host": HOST, "origin": f"http://{HOST}"}
ROUTES = [
    ("GET", "/"), ("GET", "/kws.js"), ("GET", "/state"), ("GET", "/front-end.onnx"), ("PUT", "/word"), ("POST", "/teaching"),
    ("DELETE", "/teaching"), *((method, f"/{kind}{name}") for kind in ("takes", "negatives")
                               for method, name in (("POST", ""), ("GET", "/001.wav"), ("DELETE", "/001.wav"))),
    ("GET", "/runs/001/run.zip"), ("GET", "/runs/001/false-alarms/001.wav"),
]  # fmt: skip
NAMES = [
    "..", "../secret.wav", "../../secret.wav", "..%2f..%2fsecret.wav", "%2e%2e/%2e%2e/secret.wav", "....//secret.wav", "/etc/passwd",
    "..\\secret.wav", "..%5csecret.wav", "C:secret.wav", ".hidden.wav", "a/b.wav", "x%00.wav", "x%0a.wav", "x.txt", "x.wav.partial",
    "x" * 200 + ".wav",
    "studio.json",
]  # fmt: skip


def test_every_route_is_attacked(door: Door) -> None:
    for route in door.studio.application().routes:
        assert isinstance(route, Route)
        for method in (route.methods or set()) - {"HEAD"}:
            scopes = [
                {"type": "http", "path": path, "method": one, "headers": [], "root_path": ""} for one, path in ROUTES if one == method
            ]
            assert any(route.matches(scope)[0] is Match.FULL for scope in scopes), f"{method} {route.path}"


@pytest.mark.parametrize(
    ("token", "headers"),
    [
        pytest.param(TOKEN, {"host": HOST, "origin": "http://evil.example"}, id="another origin"),
        pytest.param(TOKEN, {"host": HOST, "origin": "null"}, id="no origin of its own"),
        pytest.param(TOKEN, {"host": HOST, "origin": "http://127.0.0.1:9999"}, id="another port of this machine"),
        pytest.param(TOKEN, {"host": HOST, "origin": "http://[bad"}, id="an origin that is none"),
        pytest.param(TOKEN, [("host", HOST), ("origin", f"http://{HOST}"), ("origin", "http://evil.example")], id="two origins"),
        pytest.param(TOKEN, {"host": "evil.example:8765", "origin": "http://evil.example:8765"}, id="a name that was made to point here"),
        pytest.param(TOKEN, {"host": "127.0.0.1.evil.example"}, id="a name that begins as ours"),
        pytest.param(TOKEN, {"host": "10.1.2.3:8765"}, id="an address where it does not listen"),
        pytest.param(TOKEN, {"host": "[bad"}, id="a host that is none"),
        pytest.param(TOKEN, {}, id="no host"),
        pytest.param(TOKEN, [("host", HOST), ("host", "evil.example")], id="two hosts"),
        pytest.param("another", OURS, id="another token"),
        pytest.param("", OURS, id="an empty token"),
        pytest.param(TOKEN[:-1], OURS, id="the beginning of the token"),
        pytest.param("tökén", OURS, id="a token that is not ASCII"),
    ],
)
@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_strangers_are_refused_before_anything_is_read(
    method: str, path: str, token: str, headers: Any, door: Door, unchanged: Unchanged
) -> None:
    unchanged()
    answer = door.ask(method, path, token=token, headers=headers)
    assert (answer.status, answer.read) == (403, 0)
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert "access-control-allow-origin" not in answer.headers


def test_the_page_itself_gets_in(door: Door) -> None:
    """Also through a tunnel with another port, and by the other names of this machine."""
    for host in (HOST, "localhost:8765", "localhost:9000", "127.0.0.1", "[::1]:8765"):
        assert door.ask("GET", "/state", headers={"host": host}).status == 200
        assert door.ask("GET", "/state", headers={"host": host, "origin": f"http://{host}"}).status == 200
    answer = door.ask("GET", "/")
    assert answer.status == 200
    assert answer.headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'")
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "access-control-allow-origin" not in answer.headers


def test_where_other_machines_reach_it_numbers_are_names_too(door: Door) -> None:
    open_door = Door(door.studio, Guard(door.studio.application(), TOKEN, "0.0.0.0"))
    assert open_door.ask("GET", "/state", headers={"host": "10.1.2.3:8765"}).status == 200
    assert open_door.ask("GET", "/state", headers={"host": "evil.example:8765"}).status == 403


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("method", "path"),
    [(method, f"/{kind}/") for kind in ("takes", "negatives") for method in ("GET", "DELETE")]
    + [("GET", "/runs/"), ("GET", "/runs/001/"), ("GET", "/runs/001/false-alarms/"), ("GET", "/")],
)
def test_names_that_lead_elsewhere_are_refused(method: str, path: str, name: str, door: Door, unchanged: Unchanged) -> None:
    (door.folder / "runs" / "001").mkdir()
    (door.folder / "runs" / "001" / "teaching.json").write_text("{}")
    unchanged()
    answer = door.ask(method, path + name)
    assert answer.status in (400, 404, 405)
    assert b"RIFF" not in answer.body
    assert b"root:" not in answer.body


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["takes", "negatives"])
def test_recordings_with_such_names_are_not_taken_in(kind: str, name: str, door: Door, unchanged: Unchanged) -> None:
    content = (door.folder / "takes" / "001.wav").read_bytes()
    unchanged()
    answer = door.ask("POST", f"/{kind}", query=f"name={name}", body=iter([{"type": "http.request", "body": content}]))
    assert answer.status == 400
    assert b"is not the name of a recording" in answer.body


def test_links_out_of_the_folder_are_not_followed(door: Door, tmp_path: Path, unchanged: Unchanged) -> None:
    (door.folder / "takes" / "link.wav").symlink_to(tmp_path / "secret.wav")
    (door.folder / "negatives" / "folder").symlink_to(tmp_path)
    assert door.ask("PUT", "/word", body=iter([{"type": "http.request", "body": b'{"word": "x"}'}])).status == 200
    unchanged()
    assert door.ask("GET", "/takes/link.wav").status == 404
    assert door.ask("DELETE", "/takes/link.wav").status == 404
    assert b"link.wav" not in door.ask("GET", "/state").body
    answer = door.ask("POST", "/teaching")
    assert answer.status == 400
    assert b"leads out of the project's folder" in answer.body


@pytest.mark.parametrize("kind", ["takes", "negatives"])
def test_two_gigabytes_are_refused_unread_where_that_is_said(kind: Kind, door: Door, unchanged: Unchanged) -> None:
    unchanged()
    for length in (2 << 30, MOST_BYTES[kind] + 1, -1, "1e3", "much"):
        answer = door.ask("POST", f"/{kind}", headers=OURS | {"content-length": str(length)})
        assert (answer.status, answer.read) == (413, 0)
        assert answer.headers["connection"] == "close"


def test_two_gigabytes_in_pieces_are_refused_when_there_are_too_many(door: Door, unchanged: Unchanged) -> None:
    piece, largest = {"type": "http.request", "body": bytes(1 << 20), "more_body": True}, 0

    def pieces() -> Iterator[dict[str, Any]]:
        nonlocal largest
        for _ in range(2048):
            largest = max([largest, *(path.stat().st_size for path in (door.folder / "takes").iterdir())])
            yield piece

    unchanged()
    answer = door.ask("POST", "/takes", body=pieces())
    assert (answer.status, answer.read) == (413, MOST_BYTES["takes"] // (1 << 20) + 1)
    assert largest <= MOST_BYTES["takes"]
    answer = door.ask("PUT", "/word", body=iter([piece] * 3))
    assert (answer.status, answer.read) == (413, 1)


def test_a_connection_that_breaks_leaves_nothing_and_takes_nothing(door: Door, tmp_path: Path) -> None:
    content = write_take(tmp_path / "new.wav", 1).read_bytes()
    before = snapshot(door.folder)
    half = {"type": "http.request", "body": content[: len(content) // 2], "more_body": True}
    door.ask("POST", "/takes", query="name=new.wav", body=iter([half, {"type": "http.disconnect"}]))
    assert snapshot(door.folder) == before
    whole = [half, {"type": "http.request", "body": content[len(content) // 2 :]}]
    assert door.ask("POST", "/takes", query="name=new.wav", body=iter(whole)).status == 201
    assert snapshot(door.folder) == before | {"takes/new.wav": content}


@pytest.mark.parametrize("kind", ["takes", "negatives"])
@pytest.mark.parametrize(
    ("what", "said"),
    [("nothing", ""), ("text", ""), ("picture", ""), ("zeros", ""), ("header", ""), ("hour", "is longer than")],
)
def test_what_is_no_recording_is_not_kept(kind: str, what: str, said: str, door: Door, tmp_path: Path, unchanged: Unchanged) -> None:
    sound = (door.folder / "takes" / "001.wav").read_bytes()
    content = {
        "nothing": b"", "text": b"Dear John, " * 100, "picture": b"\x89PNG\r\n\x1a\n" + bytes(500), "zeros": bytes(10_000),
        "header": sound[:44],
    }  # fmt: skip
    if what == "hour":
        soundfile.write(tmp_path / "hour.flac", np.zeros(3600 * 16000, np.int16), 16000)
        content["hour"] = (tmp_path / "hour.flac").read_bytes()
        assert len(content["hour"]) < 1e6
    unchanged()
    answer = door.ask("POST", f"/{kind}", query="name=x.wav", body=iter([{"type": "http.request", "body": content[what]}]))
    assert answer.status == 415
    assert answer.body.startswith(b'{"error":"x.wav: ')
    assert said in answer.body.decode()
    assert str(tmp_path) not in answer.body.decode()


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[1]", b'"word"', b"\xff", b'{"other": 1}', b'{"word": 5}', b'{"word": ["x"]}', b'{"voices": -1}', b'{"voices": 1e99}',
        b'{"voices": true}', b'{"per_hour": 0}', b'{"per_hour": NaN}', b'{"per_hour": Infinity}', b'{"keep_all": "yes"}',
        b'{"word": "two\\nlines"}', b'{"word": "\\ud800"}', b'{"word": "' + b"x" * 61 + b'"}', b"[" * 5000,
    ],
)  # fmt: skip
def test_a_word_that_cannot_be_is_refused(body: bytes, door: Door, unchanged: Unchanged) -> None:
    unchanged()
    assert door.ask("PUT", "/word", body=iter([{"type": "http.request", "body": body}])).status == 400
