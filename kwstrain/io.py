"""Files of a run folder: written whole or not at all, and read with suspicion."""

from __future__ import annotations

import io
import json
import os
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kwsfeat import StoreError

# What a ZIP file that was cut or changed makes the standard library and NumPy raise.
_DAMAGE = (ValueError, TypeError, KeyError, EOFError, SyntaxError, OSError, RuntimeError, MemoryError, zipfile.BadZipFile, zlib.error)


def write_atomic(path: Path, content: bytes) -> None:
    """Write `content` beside `path` and rename it."""
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(content)
    partial.replace(path)


def save_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write an ``.npz`` beside `path` and rename it when it is complete."""
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]  # its stub takes allow_pickle for one of the arrays
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def load_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Name -> read-only array of a file of :func:`save_arrays`; nothing larger than the file is allocated.

    Raises
    ------
    FileNotFoundError
    StoreError
        If the file is cut, damaged, or not written by kwstrain.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return {info.filename.removesuffix(".npy"): _array(archive, info) for info in archive.infolist()}
    except FileNotFoundError:
        raise
    except _DAMAGE as error:
        raise StoreError(f"{path} is damaged ({_first_line(error)}): copy it again, or train again") from None


def _array(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> NDArray[Any]:
    """One array. `numpy.load` would allocate whatever the header of the array claims."""
    if info.compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"{info.filename} is compressed")
    raw = archive.read(info)
    header = io.BytesIO(raw)
    read_header = np.lib.format.read_array_header_1_0 if np.lib.format.read_magic(header) == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read_header(header)
    if dtype.kind not in "biuf":
        raise ValueError(f"{info.filename} holds {dtype}, not numbers")
    return np.frombuffer(raw, dtype, offset=header.tell()).reshape(shape, order="F" if fortran else "C")


def read_json(path: Path) -> dict[str, Any]:
    """The object that a JSON file holds.

    Raises
    ------
    FileNotFoundError
    StoreError
        If it is not JSON in UTF-8, or no object.
    """
    try:
        values = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{path} is damaged ({_first_line(error)}): copy it again, or train again") from None
    if not isinstance(values, dict):
        raise StoreError(f"{path} is damaged: it holds a {type(values).__name__}, not an object")
    return values


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
