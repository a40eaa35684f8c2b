"""Progress of a training run on stderr: a bar inside the epoch, a line after it."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any

from kwsfeat.cli.console import Console

if TYPE_CHECKING:
    from kwstrain.training.fit import Tick


class TrainingProgress:
    """A context manager that shows the progress of building and training."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar = console.progress("clips")
        self._seconds: float | None = None  # of the run when its last epoch ended

    def __enter__(self) -> TrainingProgress:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._bar.close()

    def build(self, done: int, total: int) -> None:
        """Show the progress of building the feature file, in clips."""
        self._count("clips")
        self._bar(done, total)

    def __call__(self, tick: Tick) -> None:
        self._count("steps")
        self._bar(tick.step, tick.n_steps, f"loss {tick.loss:.4f}, accuracy {tick.accuracy:.4f}, {tick.examples_per_s:,.0f} examples/s")
        if tick.record is not None:
            self._bar.clear()
            seconds = tick.record["seconds"]
            self._console.note(_line(tick, seconds / tick.record["epoch"] if self._seconds is None else seconds - self._seconds))
            self._seconds = seconds

    def _count(self, unit: str) -> None:
        """Begin a new bar if the last one counted another unit."""
        if self._bar.unit != unit:
            self._bar.close()
            self._bar = self._console.progress(unit)


def _line(tick: Tick, epoch_s: float) -> str:
    """The results of the epoch, the best so far, and how long the remaining epochs take if each takes `epoch_s`."""
    record: dict[str, Any] = tick.record or {}
    text = f"epoch {record['epoch']:>{len(str(tick.n_epochs))}}/{tick.n_epochs}  "
    text += f"loss {record['train_loss']:.4f}  accuracy {record['train_accuracy']:.4f}"
    if record["val_loss"] == record["val_loss"]:
        text += f"  validation loss {record['val_loss']:.4f}  accuracy {record['val_accuracy']:.4f}"
        if tick.best is not None:
            text += f", best {tick.best['val_accuracy']:.4f} in epoch {tick.best['epoch']}"
    text += f"  {record['examples_per_s']:,.0f} examples/s"
    if to_go := tick.n_epochs - record["epoch"]:
        text += f"  {_duration(epoch_s * to_go)} left"
    return text


def _duration(seconds: float) -> str:
    """Seconds, minutes or hours, rounded."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
