"""Download a public corpus: resumes, checks the checksum, unpacks safely."""

from __future__ import annotations

import hashlib
import http.client
import os
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

from kwsfeat.corpus.acquire import kaggle
from kwsfeat.corpus.acquire.archive import is_archive, unpack
from kwsfeat.errors import CorpusError, unknown_name

_BLOCK = 1 << 20
_TIMEOUT_S = 30.0
_TRIES = 5  # in a row without a new byte
_UNPACKING = ".unpacking"


@dataclass(frozen=True)
class Download:
    """Where a corpus is, the SHA-256 of its archive ("" where only the archive's own checksums are known), and what it is.

    With `files`, `url` is the folder of several archives, and Kaggle's credentials go with it.
    """

    url: str
    sha256: str
    about: str
    files: tuple[str, ...] = ()


# Checksums: torchaudio's (Speech Commands) and TensorFlow Datasets' (FSDD).
CORPORA = {
    "speech-commands-v1": Download(
        "http://download.tensorflow.org/data/speech_commands_v0.01.tar.gz",
        "743935421bb51cccdb6bdd152e04c5c70274e935c82119ad7faeec31780d811d",
        "Google Speech Commands v0.01: 64,727 clips of 30 words, 1.5 GB, CC BY 4.0",
    ),
    "speech-commands-v2": Download(
        "http://download.tensorflow.org/data/speech_commands_v0.02.tar.gz",
        "af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58",
        "Google Speech Commands v0.02: 105,829 clips of 35 words, 2.4 GB, CC BY 4.0",
    ),
    "fsdd": Download(
        "https://github.com/Jakobovski/free-spoken-digit-dataset/archive/v1.0.9.tar.gz",
        "8bc44cde129d505cbbb6b365c09f80c663f2aa77578afc634e6141a2f87100c0",
        "Free Spoken Digit Dataset 1.0.9: 2,500 recordings of 10 digits by 5 speakers, 12 MB, CC BY-SA 4.0",
    ),
    "kaggle-speech": Download(
        kaggle.API,
        "",
        "TensorFlow Speech Recognition Challenge: 64,727 labelled and 158,538 unlabelled clips, 3.5 GB; needs a Kaggle account",
        ("train.7z", "test.7z"),
    ),
}


def fetch(
    name: str,
    folder: str | os.PathLike[str],
    *,
    url: str | None = None,
    sha256: str | None = None,
    retry_s: float = 1.0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Path:
    """Download a corpus of CORPORA and unpack it into `folder`.

    The archive grows in ``folder/<archive>.part``. A connection that breaks is opened again where it broke; when that fails
    five times in a row the part stays and the next call goes on from it. Recordings appear in `folder` only after the
    checksum of the whole archive was right.

    Parameters
    ----------
    name : str
        A key of CORPORA.
    folder : path
        Made when it is missing. It must be empty, but for what an earlier call left.
    url : str, optional
        A mirror, http or https: of the archive, or of the folder that holds them where a corpus comes in several.
    sha256 : str, optional
        The mirror's checksum, where it serves another archive than the original.
    retry_s : float, seconds
        First pause after a broken connection; it doubles each time.
    progress : callable
        Called with (bytes so far, bytes in all; 0 where the server does not say).

    Raises
    ------
    ConfigError
        For an unknown name.
    CorpusError
        For a folder with something in it, a server that cannot be reached, a wrong checksum, an archive that
        is damaged or would write outside `folder`.
    """
    if name not in CORPORA:
        raise unknown_name("corpus that can be fetched", name, CORPORA)
    source = CORPORA[name]
    url = url or source.url
    if urlsplit(url).scheme not in ("http", "https"):
        raise CorpusError(f"{url}: must be an http or https address")
    folder = Path(folder)
    addresses = [url] if is_archive(Path(urlsplit(url).path)) else [f"{url.rstrip('/')}/{file}" for file in source.files]
    if not addresses:
        raise CorpusError(f"{url}: must end in the name of a .tar.gz, .zip or .7z archive")
    archives = [folder / Path(urlsplit(address).path).name for address in addresses]
    _check_folder(folder, archives)
    folder.mkdir(parents=True, exist_ok=True)
    for address, archive in zip(addresses, archives, strict=True):
        if not archive.exists():  # of an earlier call that got no further
            authorization = kaggle.authorization(address) if source.files else None
            _download(address, part := _part(archive), retry_s, progress, authorization)
            _check_sum(address, part, (sha256 or ("" if source.files else source.sha256)).lower())
            part.rename(archive)
    try:
        for archive in archives:
            unpack(archive, folder / _UNPACKING)
        for path in list((folder / _UNPACKING).iterdir()):
            path.rename(folder / path.name)
    except CorpusError:  # after Ctrl-C, or without py7zr, the archives stay
        _remove(archives)
        raise
    finally:
        shutil.rmtree(folder / _UNPACKING, ignore_errors=True)
    _remove(archives)
    return folder


def _part(archive: Path) -> Path:
    return archive.with_name(archive.name + ".part")


def _remove(archives: list[Path]) -> None:
    for archive in archives:
        archive.unlink(missing_ok=True)


def _check_sum(url: str, part: Path, wanted: str) -> None:
    if wanted and (found := _sha256(part)) != wanted:
        part.unlink()
        raise CorpusError(f"{url}: the checksum is {found} and should be {wanted}: the archive is damaged or another one, and was removed")


def _check_folder(folder: Path, archives: list[Path]) -> None:
    if folder.exists() and not folder.is_dir():
        raise CorpusError(f"{folder}: is not a folder: choose another")
    if folder.is_dir():
        shutil.rmtree(folder / _UNPACKING, ignore_errors=True)
        ours = {*archives, *map(_part, archives)}
        if others := sorted(path.name for path in folder.iterdir() if path not in ours):
            raise CorpusError(f"{folder}: already holds {others[0]}: choose an empty folder, or remove what is in it")


def _download(url: str, part: Path, retry_s: float, progress: Callable[[int, int], None], authorization: str | None) -> None:
    """Fill `part` until it has as many bytes as the server says."""
    failures = 0
    while True:
        before = part.stat().st_size if part.exists() else 0
        try:
            if _receive(url, part, before, progress, authorization):
                return
            reason = "the connection broke"
        except urllib.error.HTTPError as error:
            if authorization and error.code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
                raise CorpusError(
                    f"{url}: Kaggle says {error.code}: accept the rules at {kaggle.RULES} once, and see that the token is a new one"
                ) from None
            if error.code < 500:
                raise CorpusError(
                    f"{url}: the server says {error.code} {error.reason}: check the address, or name a mirror with --url"
                ) from None
            reason = f"the server says {error.code} {error.reason}"
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, OSError) and error.filename is not None:
                raise  # the disk, not the network
            reason = str(getattr(error, "reason", error)) or type(error).__name__
        have = part.stat().st_size if part.exists() else 0
        failures = 1 if have > before else failures + 1
        if failures == _TRIES:
            raise CorpusError(
                f"{url}: {reason} after {have:,} bytes: repeat the command, it goes on from there, or name a mirror with --url"
            )
        time.sleep(retry_s * 2 ** (failures - 1))


def _receive(url: str, part: Path, start: int, progress: Callable[[int, int], None], authorization: str | None) -> bool:
    """Append what one connection gives to `part`, which has `start` bytes; whether it is complete now."""
    request = urllib.request.Request(url, headers={"User-Agent": "kwsfeat", **({"Range": f"bytes={start}-"} if start else {})})
    if authorization:
        request.add_unredirected_header("Authorization", authorization)  # not to the servers that Kaggle sends us on to
    try:
        response = urllib.request.urlopen(request, timeout=_TIMEOUT_S)
    except urllib.error.HTTPError as error:
        if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:  # complete already, or not a part of this archive
            if error.headers.get("Content-Range", "").rpartition("/")[2] == str(start):
                return True
            part.unlink()
            return False
        raise
    with response:
        if response.status != HTTPStatus.PARTIAL_CONTENT:
            start = 0  # the server sends all of it again
        length = response.headers.get("Content-Length")
        total = start + int(length) if length is not None else 0
        free = shutil.disk_usage(part.parent).free
        if total - start > free:
            raise CorpusError(f"{url}: needs {(total - start) / 1e9:.1f} GB in {part.parent}, which has {free / 1e9:.1f} GB free")
        with open(part, "r+b" if start else "wb") as file:
            file.seek(start)
            done = start
            while block := response.read(_BLOCK):
                file.write(block)
                done += len(block)
                progress(done, total)
    return length is None or done == total


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
