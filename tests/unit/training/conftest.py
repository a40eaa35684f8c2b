"""The file that most trainings here are made on, and a network that trains on it in no time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from toy_features import write_toy


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """72 training clips: with as many in a batch, what is collected is what the split gives as a whole."""
    return write_toy(tmp_path_factory.mktemp("toy") / "toy.h5")


@pytest.fixture(scope="module")
def arch_toy() -> Iterator[None]:
    """``arch="toy"`` is known."""
    from toy_network import toy_network

    with toy_network():
        yield
