"""The page: as a folder, to be served, and as one file, to be opened."""

from __future__ import annotations

import base64
import re

from kwsfeat import StoreError
from kwstrain.export.web.runtime import listening, runtime, static, worklet

MODEL = "model.onnx"
SINGLE = "listen.html"  # the whole page as one file


def folder(model: bytes) -> dict[str, bytes]:
    """File name -> content; ``index.html`` comes last, so that what can be opened is whole."""
    scripts = '<script src="kws.js"></script>\n<script src="app.js"></script>'
    texts = {"kws.js": runtime(), "app.js": _app(), "worklet.js": worklet(), "index.html": _page(scripts)}
    return {MODEL: model, SINGLE: single(model), **{name: text.encode() for name, text in texts.items()}}


def single(model: bytes) -> bytes:
    """The page as one file: the network in base64, the worklet as a text of which the page makes an address."""
    scripts = [
        f'<script type="application/octet-stream" id="model">\n{base64.b64encode(model).decode()}\n</script>',
        f'<script type="text/plain" id="worklet">\n{worklet()}</script>',
        f"<script>\n{runtime()}</script>",
        f"<script>\n{_app()}</script>",
    ]
    return _page("\n".join(scripts)).encode()


def model_in(page: bytes, *, where: str) -> bytes:
    """The network in a page that is one file.

    Raises
    ------
    StoreError
        If there is none.
    """
    found = re.search(rb'<script type="application/octet-stream" id="model">\s*([A-Za-z0-9+/=]+)\s*</script>', page)
    if found is None:
        raise StoreError(f"{where} is not a page with a network in it: kwstrain export --to web writes one")
    try:
        return base64.b64decode(found[1], validate=True)
    except ValueError:
        raise StoreError(f"{where} is damaged: its network is not base64; export it again") from None


def _app() -> str:
    return f"{listening()}\n{static('page/app.js')}"


def _page(scripts: str) -> str:
    return static("page/page.html").replace("/*style*/", static("page/style.css").strip()).replace("<!--scripts-->", scripts)
