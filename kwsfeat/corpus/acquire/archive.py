"""Unpack an archive that may be malicious: nothing is ever written outside the target."""

from __future__ import annotations

import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from kwsfeat.errors import CorpusError

_TAR_SUFFIXES = (".tar.gz", ".tgz", ".tar", ".tar.bz2", ".tar.xz")


def is_archive(path: Path) -> bool:
    """Whether the name is that of an archive that :func:`unpack` reads."""
    return path.name.lower().endswith((*_TAR_SUFFIXES, ".zip"))


def unpack(archive: Path, target: Path) -> None:
    """Write the files of a tar or zip archive below `target`, which is made.

    Every name is checked before the first byte is written: absolute names, names with "..", links that point outside,
    devices, and archives larger than the free space are refused.

    Raises
    ------
    CorpusError
        If the archive is damaged, or holds something that does not belong in one of recordings.
    """
    target.mkdir(parents=True, exist_ok=True)
    try:
        if archive.name.lower().endswith(".zip"):
            _unpack_zip(archive, target)
        else:
            _unpack_tar(archive, target)
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, NotImplementedError) as error:
        raise CorpusError(f"{archive}: damaged archive: {error}: fetch it again") from None
    except OSError as error:
        raise CorpusError(f"{archive}: cannot be unpacked into {target}: {error.strerror or error}") from None


def _unpack_tar(archive: Path, target: Path) -> None:
    with tarfile.open(archive) as tar:
        members = tar.getmembers()
        for member in members:
            _check_name(archive, member.name)
            if member.issym() or member.islnk():
                base = PurePosixPath(member.name).parent if member.issym() else PurePosixPath()
                _check_name(archive, os.path.normpath(base / member.linkname), f"the link {member.name} to ")
            elif not (member.isfile() or member.isdir()):
                raise CorpusError(f"{archive}: refused: {member.name} is a device or pipe, not a file")
        _check_space(archive, target, sum(member.size for member in members if member.isfile()))
        tar.extractall(target, members, filter="data")


def _unpack_zip(archive: Path, target: Path) -> None:
    with zipfile.ZipFile(archive) as pack:
        members = pack.infolist()
        for member in members:
            _check_name(archive, member.filename)
            if stat.S_ISLNK(member.external_attr >> 16):
                raise CorpusError(f"{archive}: refused: {member.filename} is a link")
        _check_space(archive, target, sum(member.file_size for member in members))
        pack.extractall(target)


def _check_name(archive: Path, name: str, prefix: str = "") -> None:
    if name.startswith(("/", "\\")) or ".." in PurePosixPath(name.replace("\\", "/")).parts or name[1:2] == ":":
        raise CorpusError(f"{archive}: refused: {prefix}{name} would lie outside the folder it is unpacked into")


def _check_space(archive: Path, target: Path, n_bytes: int) -> None:
    free = shutil.disk_usage(target).free
    if n_bytes > free:
        raise CorpusError(f"{archive}: needs {n_bytes / 1e9:.1f} GB in {target}, which has {free / 1e9:.1f} GB free")
