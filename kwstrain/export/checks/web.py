"""Pages: a folder, or one HTML file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from kwsfeat import StoreError
from kwstrain.export.check import Check, Checked
from kwstrain.export.checks.onnx import look as look_at_graph
from kwstrain.export.web.page import MODEL, SINGLE, model_in


def look(path: Path) -> Checked:
    """What a page is: its network, and how large the whole of it is."""
    if path.is_dir():
        if not (path / MODEL).is_file() or not (path / "index.html").is_file():
            raise StoreError(f"{path} is not a page: it has no index.html and {MODEL}; kwstrain export --to web writes them")
        found = look_at_graph(path / MODEL)
        size = sum(one.stat().st_size for one in path.iterdir() if one.is_file() and one.name != SINGLE)
    else:
        page = path.read_bytes()
        found, size = look_at_graph(path, model_in(page, where=str(path))), len(page)
    refused = {
        "addresses without https": "browsers give the microphone to https and http://localhost only",
        "Safari, from a file": "it gives no microphone to files: serve the folder",
    }
    return replace(found, path=str(path), format=f"web page, {found.format} inside", bytes=size, not_on=refused)


CHECK = Check(("", ".html"), look)
