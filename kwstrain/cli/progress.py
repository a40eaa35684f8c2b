"""Progress of a training run on stderr: a bar inside the epoch, a line after it."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING, Any

import click
from tqdm import tqdm

if TYPE_CHECKING:
    from kwstrain.training.fit import Tick


class TrainingProgress:
    """Shows ticks; the bar only where stderr is a terminal. A context manager."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._bar = tqdm(unit=" steps", file=sys.stderr, dynamic_ncols=True, leave=False, disable=quiet or not sys.stderr.isatty())

    def __enter__(self) -> TrainingProgress:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._bar.close()

    def build(self, done: int, total: int) -> None:
        """Show how far building the feature file is."""
        self._bar.total, self._bar.unit = total, " clips"
        self._bar.update(done - self._bar.n)
        if done == total:
            self._bar.reset()
            self._bar.unit = " steps"

    def __call__(self, tick: Tick) -> None:
        self._bar.total = tick.n_steps
        self._bar.update(tick.step - self._bar.n)
        self._bar.set_postfix_str(f"loss {tick.loss:.4f}, accuracy {tick.accuracy:.4f}, {tick.examples_per_s:,.0f} examples/s")
        if tick.record is not None and not self._quiet:
            self._bar.clear()
            click.echo(_line(tick.n_epochs, tick.record), err=True)


def _line(n_epochs: int, record: dict[str, Any]) -> str:
    text = f"epoch {record['epoch']:>{len(str(n_epochs))}}/{n_epochs}  "
    text += f"loss {record['train_loss']:.4f}  accuracy {record['train_accuracy']:.4f}"
    if record["val_loss"] == record["val_loss"]:
        text += f"  validation loss {record['val_loss']:.4f}  accuracy {record['val_accuracy']:.4f}"
    return f"{text}  {record['examples_per_s']:,.0f} examples/s"
