"""Unpack an archive that may be malicious or damaged: nothing is ever written outside the target, every checksum is checked."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import shutil
import stat
import tarfile
import zipfile
from pathlib import Path, PurePosixPath
from typing import IO, Any

from kwsfeat.errors import CorpusError, KwsError, MissingExtraError

_TAR_SUFFIXES = (".tar.gz", ".tgz", ".tar", ".tar.bz2", ".tar.xz")
SUFFIXES = (*_TAR_SUFFIXES, ".zip", ".7z")
_COMPRESSIONS = ((b"\x1f\x8b", gzip.open), (b"BZh", bz2.open), (b"\xfd7zXZ\0", lzma.open))
_BLOCK = 1 << 20
_DEEPEST = 100  # parts of a name: libraries make and remove folders by recursion


def is_archive(path: Path) -> bool:
    """Whether the name is that of an archive that :func:`unpack` reads."""
    return path.name.lower().endswith(SUFFIXES)


def unpack(archive: Path, target: Path) -> None:
    """Write the files of a tar, zip or 7z archive below `target`, which is made.

    Every name is checked before the first byte is written: absolute names, names with "..", names of more than a hundred
    parts, links that point outside, devices, and archives larger than the free space are refused. Archives inside, as Kaggle
    packs them, are unpacked too.

    Raises
    ------
    CorpusError
        If the archive is damaged, encrypted, or holds something that does not belong in one of recordings.
    MissingExtraError
        For a 7z archive without py7zr.
    """
    _unpack(archive, target)
    for inner in sorted(path for path in target.iterdir() if path.is_file() and is_archive(path)):
        _unpack(inner, target)
        inner.unlink()


def _unpack(archive: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    name = archive.name.lower()
    how = _unpack_zip if name.endswith(".zip") else _unpack_7z if name.endswith(".7z") else _unpack_tar
    try:
        how(archive, target)
    except KwsError:
        raise
    except OSError as error:
        if isinstance(error, gzip.BadGzipFile) or not error.errno:  # what zlib, bz2 and py7zr call damage
            raise _damaged(archive, error) from None
        raise CorpusError(f"{archive}: cannot be unpacked into {target}: {error.strerror or error}") from None
    except Exception as error:  # the libraries meet damaged bytes with any exception: KeyError, LZMAError, RuntimeError, struct.error
        raise _damaged(archive, error) from None


def _damaged(archive: Path, error: Exception) -> CorpusError:
    what = " ".join(f"{type(error).__name__ if not str(error) else error}".split())[:200]
    return CorpusError(f"{archive}: damaged archive: {what}: fetch it again")


def _unpack_tar(archive: Path, target: Path) -> None:
    with _stream(archive) as raw, tarfile.open(fileobj=raw, mode="r:") as tar:
        members = tar.getmembers()
        while raw.read(_BLOCK):  # to the checksum at its end, which tar itself does not reach
            pass
        for member in members:
            _check_name(archive, member.name)
            if member.issym() or member.islnk():
                base = PurePosixPath(member.name).parent if member.issym() else PurePosixPath()
                _check_name(archive, os.path.normpath(base / member.linkname), f"the link {member.name} to ")
            elif not (member.isfile() or member.isdir()):
                raise CorpusError(f"{archive}: refused: {member.name} is a device or pipe, not a file")
        _check_space(archive, target, sum(member.size for member in members if member.isfile()))
        if hasattr(tarfile, "data_filter"):
            tar.extractall(target, members, filter="data")
        else:  # Python before 3.11.4
            tar.extractall(target, [_plain(member) for member in members])


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """`member` with no rights and no owner but those of what we write ourselves; names and links were checked."""
    member.mode = 0o755 if member.isdir() else 0o644
    member.uid, member.gid, member.uname, member.gname = os.getuid(), os.getgid(), "", ""
    return member


def _stream(archive: Path) -> IO[bytes]:
    """The tar file in an archive, whatever compresses it."""
    with open(archive, "rb") as file:
        head = file.read(8)
    opener: Any = next((opener for magic, opener in _COMPRESSIONS if head.startswith(magic)), open)
    stream: IO[bytes] = opener(archive, "rb")
    return stream


def _unpack_zip(archive: Path, target: Path) -> None:
    with zipfile.ZipFile(archive) as pack:
        members = pack.infolist()
        for member in members:
            member.filename = member.filename.replace("\\", "/")  # what old tools on Windows wrote between folders
            _check_name(archive, member.filename)
            if stat.S_ISLNK(member.external_attr >> 16):
                raise CorpusError(f"{archive}: refused: {member.filename} is a link")
            if member.flag_bits & 1:
                raise _encrypted(archive)
        _check_space(archive, target, sum(member.file_size for member in members))
        pack.extractall(target, members)


def _unpack_7z(archive: Path, target: Path) -> None:
    try:
        import py7zr
    except ImportError:
        raise MissingExtraError(
            f"{archive}: 7z archives need the package py7zr: pip install 'kwsfeat[archives]', or unpack it by hand and give the folder"
        ) from None

    with py7zr.SevenZipFile(archive) as pack:
        if pack.needs_password():
            raise _encrypted(archive)
        members = list(pack.files)
        for member in members:
            _check_name(archive, member.filename)
            if member.is_symlink or member.is_junction or member.is_socket:
                raise CorpusError(f"{archive}: refused: {member.filename} is a link or socket, not a file")
        _check_space(archive, target, sum(member.uncompressed for member in members if not member.is_directory))
        pack.extractall(target)


def _encrypted(archive: Path) -> CorpusError:
    return CorpusError(f"{archive}: encrypted: unpack it by hand and give the folder")


def _check_name(archive: Path, name: str, prefix: str = "") -> None:
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if name.startswith(("/", "\\")) or ".." in parts or name[1:2] == ":":
        raise CorpusError(f"{archive}: refused: {prefix}{name} would lie outside the folder it is unpacked into")
    if len(parts) > _DEEPEST:
        raise CorpusError(f"{archive}: refused: {prefix}{name[:40]}... lies in {len(parts) - 1:,} folders, {_DEEPEST - 1} are the most")


def _check_space(archive: Path, target: Path, n_bytes: int) -> None:
    free = shutil.disk_usage(target).free
    if n_bytes > free:
        raise CorpusError(f"{archive}: needs {n_bytes / 1e9:.1f} GB in {target}, which has {free / 1e9:.1f} GB free")
