"""The cache of what XLA compiled, which JAX keeps on disk between commands: its folder, its size, and the removal of damaged entries.

JAX does not check the entries that it reads and never replaces a damaged one. So every new entry gets a digest when a command ends, and
entries without the right digest are removed before the next command begins.
"""

from __future__ import annotations

import hashlib
import os
import platform
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from kwsfeat.cli.console import remark

_MOST_BYTES = 256 << 20
_ENTRY, _DIGEST = "-cache", "-digest"


@contextmanager
def kept_compiled() -> Iterator[None]:
    """Let JAX keep what it compiles in :func:`folder`, unless the environment names another folder or JAX is already imported.

    ``KWSTRAIN_CACHE`` moves the folder, ``JAX_ENABLE_COMPILATION_CACHE=false`` turns the cache off, and with
    ``JAX_COMPILATION_CACHE_DIR`` JAX manages a folder by itself.
    """
    if "jax" in sys.modules or "JAX_COMPILATION_CACHE_DIR" in os.environ:
        yield
        return
    kept = folder()
    try:
        kept.mkdir(parents=True, exist_ok=True)
        tidy(kept)
    except OSError as error:
        remark(f"networks are compiled again in every process, because {kept} cannot be written ({error.strerror}): set KWSTRAIN_CACHE")
        yield
        return
    chosen = {"JAX_COMPILATION_CACHE_DIR": str(kept), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    os.environ.update(chosen)
    # Another process may be writing the entry that is read, and a full disk should not cause a warning for every program.
    warnings.filterwarnings("ignore", "Error (reading|writing) persistent compilation cache entry")
    try:
        yield
    finally:
        for name in chosen:
            del os.environ[name]
        with suppress(OSError):
            seal(kept)


def folder() -> Path:
    """A folder per kind of processor in ``$KWSTRAIN_CACHE/compiled``, or in ``~/.cache/kwstrain``: compiled code uses its instructions."""
    root = os.environ.get("KWSTRAIN_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "kwstrain")
    kind = platform.machine() + platform.processor()
    with suppress(OSError):  # the file exists only on Linux
        kind += next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith(("flags", "Features"))), "")
    return Path(root, "compiled", hashlib.sha256(kind.encode()).hexdigest()[:16])


def tidy(kept: Path) -> None:
    """Remove damaged entries, and the oldest ones beyond the size limit.

    Raises
    ------
    OSError
        If the folder cannot be changed.
    """
    total = 0
    for entry in sorted(kept.glob(f"*{_ENTRY}"), key=lambda path: -path.stat().st_mtime):
        digest = _digest_file(entry)
        total += entry.stat().st_size
        if total > _MOST_BYTES or not digest.is_file() or digest.read_text() != _digest(entry):
            total -= entry.stat().st_size
            entry.unlink(missing_ok=True)
            digest.unlink(missing_ok=True)


def seal(kept: Path) -> None:
    """Write the digest of every new entry.

    Raises
    ------
    OSError
        If the folder cannot be written.
    """
    for entry in kept.glob(f"*{_ENTRY}"):
        if not (digest := _digest_file(entry)).exists():
            digest.write_text(_digest(entry))


def _digest_file(entry: Path) -> Path:
    return entry.with_name(entry.name.removesuffix(_ENTRY) + _DIGEST)


def _digest(entry: Path) -> str:
    return hashlib.sha256(entry.read_bytes()).hexdigest()
