"""Corpora for builds, what they must give, and blocks so small that a few clips make many."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from builds import run

import kwsfeat.dataset.writer


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """77 clips make 10 blocks."""
    monkeypatch.setattr(kwsfeat.dataset.writer, "_BLOCK_ROWS", 8)


@pytest.fixture
def reference(small_blocks: None, tiny_corpus: Path, tmp_path: Path) -> bytes:
    """The bytes that every way of building the corpus must give."""
    run(tiny_corpus, tmp_path / "reference.h5")
    return (tmp_path / "reference.h5").read_bytes()


@pytest.fixture
def spoiled_corpus(tiny_corpus: Path, tmp_path: Path) -> Path:
    """The corpus with three more files, none of which is a recording; sorted, they come first, in the middle and last."""
    shutil.copytree(tiny_corpus, tmp_path / "spoiled")
    (tmp_path / "spoiled" / "no" / "0_text.wav").write_text("this is not a recording")
    (tmp_path / "spoiled" / "up" / "empty.wav").write_bytes(b"")
    soundfile.write(tmp_path / "spoiled" / "yes" / "zz_nan.wav", np.full(16000, np.nan), 16000, subtype="FLOAT")
    return tmp_path / "spoiled"
