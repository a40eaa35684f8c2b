"""Parts of recordings to hear on a page, and tables of them."""

from __future__ import annotations

import html
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kwsfeat import AudioError, as_float32, read_blocks

BEFORE_S, AFTER_S = 2.0, 0.5  # of an event that is heard


@dataclass(frozen=True)
class Excerpt:
    """A part of a recording to hear, and what is said of it."""

    recording: str
    start_s: float
    stop_s: float
    cells: tuple[str, ...]

    def cut(self, path: Path) -> bool:
        """Write it as a WAV file; False where the recording cannot be read (any more)."""
        start_s = max(0.0, self.start_s)
        try:
            blocks = list(read_blocks(Path(self.recording), start_s=start_s, stop_s=max(self.stop_s, start_s + 0.1)))
        except AudioError:
            return False
        if not blocks:
            return False
        y = np.concatenate([as_float32(block) for block, _ in blocks])
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(blocks[0][1])
            file.writeframes(np.clip(np.rint(y * 32767), -32768, 32767).astype("<i2").tobytes())
        return True

    def row(self, sound: Path | None) -> str:
        """A row of a table, with a player of `sound`, a path relative to the page; None where there is none to hear."""
        player = f'<audio controls preload="none" src="{html.escape(sound.as_posix())}"></audio>' if sound else "cannot be read"
        return row((self.recording, *self.cells), player)


def row(cells: Sequence[str], last: str = "") -> str:
    """A row of a table: texts, and at the end HTML, perhaps."""
    return f"<tr>{''.join(f'<td>{escaped(cell)}</td>' for cell in cells)}{f'<td>{last}</td>' if last else ''}</tr>"


def table(heads: Sequence[str], rows: Sequence[str]) -> str:
    """Rows under their heads."""
    return f"<table><tr>{''.join(f'<th>{head}</th>' for head in heads)}</tr>{''.join(rows)}</table>" if rows else "<p>None.</p>"


def escaped(text: str) -> str:
    """A text as HTML shows it; names of files need not be Unicode."""
    return html.escape(text.encode("utf-8", "replace").decode())
