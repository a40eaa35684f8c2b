"""Where a measurement leaves its files for a while."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path


def folder(text: str) -> Path:
    """The value of ``--folder``, a folder that is there."""
    path = Path(text)
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"{text} is not a folder: create it, on a disk with room")
    return path


def check_room(parser: argparse.ArgumentParser, path: Path, gb: float) -> None:
    """End the program where the disk of `path` has fewer than `gb` GB free."""
    free = shutil.disk_usage(path).free / 1e9
    if free < gb:
        parser.error(f"{gb:.1f} GB are needed, and {path} has {free:.1f}: name another --folder")
