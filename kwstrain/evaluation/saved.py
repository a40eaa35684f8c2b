"""The files that evaluations leave in a run folder, which are of the weights that it holds."""

from __future__ import annotations

from contextlib import suppress
from itertools import chain, count
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


def free_name(folder: Path, path: Path, split: str) -> str:
    """What the evaluation of the file at `path` is called: what it was before, or a name that no other file has."""
    numbers = chain([""], (f"-{n}" for n in count(2)))
    names = (f"{path.stem}{number}-{split}" for number in numbers)
    return next(name for name in names if not (folder / f"{name}{SCORES}").exists() or _is_of(folder / f"{name}{SCORES}", path))


def _is_of(scores: Path, path: Path) -> bool:
    """Whether they are of the file at `path`."""
    try:
        file = read_json(scores).get("file")
    except StoreError:
        return False
    return isinstance(file, str) and Path(file).resolve() == path.resolve()
