"""What XLA compiled, kept on disk by JAX from one command to the next: where, how much, and only what is whole.

JAX reads an entry as it finds it and never replaces one that is damaged, so what a command leaves is given a digest when it ends,
and what has none or another is removed before the next begins.
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
    """Let JAX keep what it compiles in `folder`, unless the environment names another place or JAX has been imported already.

    ``KWSTRAIN_CACHE`` moves the folder, ``JAX_ENABLE_COMPILATION_CACHE=false`` turns it off, and ``JAX_COMPILATION_CACHE_DIR`` is a
    folder that JAX alone looks after.
    """
    if "jax" in sys.modules or "JAX_COMPILATION_CACHE_DIR" in os.environ:
        yield
        return
    kept = folder()
    try:
        kept.mkdir(parents=True, exist_ok=True)
        tidy(kept)
    except OSError as error:
        remark(f"networks are compiled anew in every process, because {kept} cannot be written ({error.strerror}): set KWSTRAIN_CACHE")
        yield
        return
    chosen = {"JAX_COMPILATION_CACHE_DIR": str(kept), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    os.environ.update(chosen)
    # Another process may be writing the entry that is read, and a full disk is no reason to speak at every program.
    warnings.filterwarnings("ignore", "Error (reading|writing) persistent compilation cache entry")
    try:
        yield
    finally:
        for name in chosen:
            del os.environ[name]
        with suppress(OSError):
            seal(kept)


def folder() -> Path:
    """``$KWSTRAIN_CACHE/compiled``, else in ``~/.cache/kwstrain``; a folder for each kind of processor, whose instructions code may use."""
    root = os.environ.get("KWSTRAIN_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "kwstrain")
    kind = platform.machine() + platform.processor()
    with suppress(OSError):  # no such file but on Linux
        kind += next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith(("flags", "Features"))), "")
    return Path(root, "compiled", hashlib.sha256(kind.encode()).hexdigest()[:16])


def tidy(kept: Path) -> None:
    """Remove what is not whole, and the oldest of what is more than may stay."""
    total = 0
    for entry in sorted(kept.glob(f"*{_ENTRY}"), key=lambda path: -path.stat().st_mtime):
        digest = _digest_file(entry)
        total += entry.stat().st_size
        if total > _MOST_BYTES or not digest.is_file() or digest.read_text() != _digest(entry):
            total -= entry.stat().st_size
            entry.unlink(missing_ok=True)
            digest.unlink(missing_ok=True)


def seal(kept: Path) -> None:
    """Give every new entry its digest."""
    for entry in kept.glob(f"*{_ENTRY}"):
        if not (digest := _digest_file(entry)).exists():
            digest.write_text(_digest(entry))


def _digest_file(entry: Path) -> Path:
    return entry.with_name(entry.name.removesuffix(_ENTRY) + _DIGEST)


def _digest(entry: Path) -> str:
    return hashlib.sha256(entry.read_bytes()).hexdigest()
