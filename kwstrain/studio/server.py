"""``kwstrain studio``: the server, its address, and the browser."""

from __future__ import annotations

import os
import socket
import sys
import threading
import webbrowser
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from kwsfeat import ConfigError
from kwstrain.inference.exported import needed
from kwstrain.studio.project import Project
from kwstrain.teaching.embeddings.embedding import embedding as embedding_of

PORT = 8765


def serve(
    folder: Path, *, host: str = "127.0.0.1", port: int = PORT, embedding: str = "google", browser: bool = True,
    note: Callable[[str], None] = lambda text: None, say: Callable[[str], None] = lambda address: None,
) -> None:  # fmt: skip
    """Serve the page of a project until Ctrl-C.

    Parameters
    ----------
    folder : Path
        The project's folder; it is made where there is none.
    host, port : str, int
        Where to listen; port 0 is any that is free.
    embedding : str
        As :func:`~kwstrain.teaching.embeddings.embedding.embedding` takes it.
    browser : bool
        Open the page.
    note, say : callable
        Called with remarks, and with the page's address.

    Raises
    ------
    StoreError
        If the folder holds something else.
    ConfigError
        If the address cannot be listened at.
    MissingExtraError
        Without the extra ``studio``, or ``teach``.
    """
    uvicorn = needed("uvicorn", "studio")
    needed("starlette", "studio")
    from kwstrain.studio.app import Studio
    from kwstrain.studio.guard import Guard, is_loopback, new_token

    e = embedding_of(embedding)
    with _bound(host, port) as listening:
        studio, token = Studio(Project.open(folder), embedding, e.features), new_token()
        app = Guard(studio.application(), token, host)
        shown = f"[{host}]" if ":" in host else host
        address = f"http://{shown}:{listening.getsockname()[1]}/{token}/"
        if not is_loopback(host):
            note(f"other machines reach {host}: who has the address can hear, add and remove recordings; browsers give them no microphone")
        say(address)
        if browser and _has_screen():
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False, ws="none", lifespan="off", server_header=False))
        try:
            with suppress(KeyboardInterrupt):  # the usual end
                server.run(sockets=[listening])
        finally:
            studio.teacher.stop()


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise ConfigError(
            f"cannot listen at {host}, port {port} ({os.strerror(error.errno or 0)}): choose another --port; 0 is any that is free"
        ) from None
    except OverflowError:
        raise ConfigError(f"port={port} must be from 0 to 65535") from None


def _has_screen() -> bool:
    """Whether a browser would not take this terminal."""
    return sys.platform == "darwin" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
