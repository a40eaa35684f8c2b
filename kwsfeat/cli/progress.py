"""The progress bar of every command that takes long."""

from __future__ import annotations

import sys
from typing import Any

from kwsfeat.cli.interrupt import check


class Bar:
    """A bar on stderr with rate and time left; calling it moves it. A context manager, and nothing at all unless `shown`."""

    def __init__(self, unit: str, *, shown: bool) -> None:
        self.unit = unit
        self._bar: Any = None
        if shown:
            from tqdm import tqdm

            self._bar = tqdm(unit=f" {unit}", file=sys.stderr, dynamic_ncols=True, leave=False)

    def __enter__(self) -> Bar:
        return self

    def __call__(self, done: int, total: int, note: str = "") -> None:
        """Move to `done` of `total`, forwards or back, and write `note` after the rate."""
        check()
        if self._bar is not None:
            self._bar.total = total
            self._bar.update(done - self._bar.n)
            if note:
                self._bar.set_postfix_str(note)

    def clear(self) -> None:
        """Make room for a line of text; the next call draws the bar again."""
        if self._bar is not None:
            self._bar.clear()

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()

    def __exit__(self, *error: object) -> None:
        self.close()
