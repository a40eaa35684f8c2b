"""Export: a run folder in, a file for another runtime out."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kwsfeat import StoreError, UnknownNameError, check_algorithm
from kwstrain.export.target import Job, target, targets
from kwstrain.inference.bundle import Bundle

NO_LICENSE = "not stated: ask whoever trained it, and see the licences of the recordings"


def export(
    run: str | os.PathLike[str],
    to: str,
    out: str | os.PathLike[str],
    *,
    license: str = NO_LICENSE,
    word: str = "",
    overwrite: bool = False,
    note: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Write a trained run as a file for another runtime, front end and all.

    Parameters
    ----------
    run : path
        A run folder.
    to : str
        A format that ``kwstrain export --help`` lists, as ``onnx``.
    out : path
        The file to write; for ``web`` a folder.
    license : str
        Of the weights, to stand in the file.
    word : str
        The word to hear, for formats that hear one; without it the only one that the run knows or that is calibrated.
    overwrite : bool
        Replace `out`.
    note : callable, optional
        Called with a sentence about the work now and then.

    Returns
    -------
    dict
        What is to be said of the file: its path, size in bytes, and what the format measures.

    Raises
    ------
    StoreError
        If `run` is not a complete run folder, or `out` exists.
    ConfigError
        If there is no such format, or the network or its features cannot go there.

    Examples
    --------
    >>> export("runs/words", "onnx", "words.onnx")["inputs"]
    ['waveform', 'length']
    """
    chosen = target(to)
    if word and not chosen.takes_word:
        hear = [name for name, one in targets().items() if one.takes_word]
        raise UnknownNameError(f"a file for {to} hears every word of the run: a word is chosen for {' and '.join(hear)} only")
    bundle, out = Bundle.load(run), Path(out)
    check_algorithm(bundle.feature_config, bundle.algorithm, where=str(bundle.folder))
    if out.is_dir() and chosen.suffix:
        raise StoreError(f"{out} is a folder: give the name of a {chosen.suffix} file")
    if out.is_file() and not chosen.suffix:
        raise StoreError(f"{out} is a file: {to} writes a folder, give the name of one")
    if chosen.beside and out.suffix != chosen.suffix:
        raise StoreError(f"{out} must end in {chosen.suffix}: files of the same name that end in {', '.join(chosen.beside)} go with it")
    for path in (out, *map(out.with_suffix, chosen.beside)):
        if path.exists() and not overwrite:
            raise StoreError(f"{path} exists: choose another name or use --overwrite")
    said = chosen.write(Job(bundle, out, license, note, word))
    return {"path": str(out), "format": to, "bytes": out.stat().st_size, **said}
