"""Tar files in the form of WebDataset, written for the tests."""

from __future__ import annotations

import io
import tarfile


def add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    one = tarfile.TarInfo(name)
    one.size = len(data)
    tar.addfile(one, io.BytesIO(data))
