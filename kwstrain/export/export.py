"""Export of a run folder to a file for another runtime."""

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
    """Write a trained run, front end included, as a file for another runtime.

    Parameters
    ----------
    run : path
        A run folder.
    to : str
        A format that ``kwstrain export --help`` lists, such as ``onnx``.
    out : path
        The file to write; for ``web`` a folder.
    license : str
        Licence of the weights; it is written into the file.
    word : str
        The word to detect, for formats that detect one; by default the only word of the run or of its calibration.
    overwrite : bool
        Replace `out`.
    note : callable, optional
        Called with sentences about the progress.

    Returns
    -------
    dict
        Path, format, size in bytes, and what the format measures.

    Raises
    ------
    StoreError
        If `run` is not a complete run folder, or `out` exists.
    ConfigError
        If the format is unknown, or cannot represent the network or its features.

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
