"""The files that evaluations leave in a run folder, which are of the weights that it holds."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from kwsfeat import StoreError
from kwstrain.io import read_json

SCORES, PICTURE, PAGE = ".json", "-confusion.png", "-mistakes.html"  # after the name of an evaluation


def forget(folder: Path) -> None:
    """Remove them, before other weights take the place of those that they are of."""
    for path in folder.glob(f"*{SCORES}"):
        with suppress(StoreError):  # no JSON: it is not known whose it is
            values = read_json(path)
            if {"run", "file", "split"} <= values.keys() and path.stem.endswith(str(values["split"])):
                for kind in (PICTURE, PAGE, SCORES):
                    path.with_name(path.stem + kind).unlink(missing_ok=True)
