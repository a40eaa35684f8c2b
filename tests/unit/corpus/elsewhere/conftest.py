"""The tiny corpus in tar files."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest
from tarred import add


@pytest.fixture(scope="session")
def tars(tiny_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two tar files, whose labels stand in the three places where they may stand."""
    folder = tmp_path_factory.mktemp("tars")
    paths = sorted(tiny_corpus.glob("[!_]*/*.wav"))
    for n in range(2):
        with tarfile.open(folder / f"speech-{n:03}.tar", "w") as tar:
            for i, path in enumerate(paths[n::2]):
                key, label = f"{path.parent.name}_{path.stem}", path.parent.name
                if i % 3 == 0:
                    said = {"label": label, "speaker": path.stem[:8], "split": ("training", "validation", "test")[i % 9 // 3]}
                    add(tar, f"{key}.json", json.dumps(said).encode())
                elif i % 3 == 1:
                    add(tar, f"{key}.cls", f"{label}\n".encode())
                add(tar, f"{key}.wav" if i % 3 < 2 else f"{label}/{key}.wav", path.read_bytes())
    return folder
