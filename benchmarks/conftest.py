"""The table that a benchmark file prints when it is done."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from harness.race import Table


@pytest.fixture(scope="module")
def table() -> Iterator[Table]:
    made = Table()
    yield made
    if made.lines:
        print(f"\n\n{made}\n")
