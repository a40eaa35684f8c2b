"""The JavaScript of a page, put together from its parts, which are plain scripts: no build step, and no module, which file:// refuses."""

from __future__ import annotations

from functools import cache
from pathlib import Path

_STATIC = Path(__file__).parent / "static"
_RUNTIME = ("onnx.js", "operations.js", "products.js", "graph.js", "recognizer.js", "detector.js", "resampler.js")
_LISTENS = ("microphone.js", "listening.js")
_PUBLIC = ("Model", "Recognizer", "Detector", "Resampler", "Graph", "asRecorded", "readOnnx", "OPERATIONS")

_RUNTIME_FILE = """\
// Runs what kwstrain exports to ONNX; needs nothing else.
const kws = (() => {
"use strict";
PARTS
return {PUBLIC};
})();
if (typeof module === "object") module.exports = kws;
"""


@cache
def static(name: str) -> str:
    """A file of the page as it lies in the package."""
    return (_STATIC / name).read_text(encoding="utf-8")


def runtime() -> str:
    """``kws.js``: the global `kws` in a page, a module in node."""
    parts, public = "\n".join(map(static, _RUNTIME)), ", ".join(_PUBLIC)
    return _RUNTIME_FILE.replace("PARTS", parts).replace("PUBLIC", public)


def listening() -> str:
    """What a page that listens consists of, after :func:`runtime`: the microphone, bars, a level meter."""
    return "\n".join(static(f"page/{name}") for name in _LISTENS)


def worklet() -> str:
    """``worklet.js``: what runs beside the microphone."""
    return static("resampler.js") + "\n" + static("page/worklet.js")
