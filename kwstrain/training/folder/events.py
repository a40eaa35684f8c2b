"""TensorBoard event files, written without TensorFlow.

Its writer and Matplotlib are loaded when something is first written, after the first epoch: a training begins without them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kwstrain.evaluation.evaluate import Mistake
from kwstrain.evaluation.metrics import Scores
from kwstrain.inference.bundle import Bundle

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from tensorboardX import SummaryWriter

_SCALARS = {
    "lr": "learning_rate",
    "train_loss": "loss/train",
    "val_loss": "loss/validation",
    "train_accuracy": "accuracy/train",
    "val_accuracy": "accuracy/validation",
    "val_micro_f1": "micro-F1/validation",
    "val_macro_f1": "macro-F1/validation",
    "examples_per_s": "examples_per_s",
}
_BINS = 64  # TensorBoard's own 1,500 make a run of a small network a hundred times as large as its weights
_LARGEST = 1e12  # where all values are one, NumPy's bins are parts of 1 around it, which must differ


class Events:
    """The event file of one run; a context manager."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @cached_property
    def _writer(self) -> SummaryWriter:
        with _without_torch():
            from tensorboardX import SummaryWriter

        return SummaryWriter(str(self._folder))

    def __enter__(self) -> Events:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if "_writer" in self.__dict__:  # something was written
            self._writer.close()

    def epoch(self, record: dict[str, Any]) -> None:
        """A row of ``metrics.csv`` as scalars."""
        for name, title in _SCALARS.items():
            if record[name] == record[name]:
                self._writer.add_scalar(title, record[name], record["epoch"])
        self._writer.flush()

    def gradients(self, epoch: int, gradients: dict[str, NDArray[Any]]) -> None:
        """One histogram per parameter; a gradient that is not finite has none, and the next step says so."""
        for name, values in gradients.items():
            if np.isfinite(values).all():
                flat = np.clip(values.astype(np.float64).ravel(), -_LARGEST, _LARGEST)
                self._writer.add_histogram(f"gradients/{name}", flat, epoch, bins=_BINS)

    def pictures(self, epoch: int, scores: Scores, mistakes: list[Mistake], bundle: Bundle) -> None:
        """The confusion matrix and the spectrograms of the most confident mistakes of the kept weights."""
        from kwstrain.report import figures as report

        self._image("confusion", report.confusion_figure(scores.confusion, bundle.labels), epoch)
        if mistakes:
            self._image("mistakes", report.mistakes_figure(mistakes, bundle.labels, bundle.feature_config), epoch)

    def _image(self, title: str, figure: Figure, epoch: int) -> None:
        from kwstrain.report import figures as report

        self._writer.add_image(title, report.pixels(figure), epoch, dataformats="HWC")


@contextmanager
def _without_torch() -> Iterator[None]:
    """Inside, there is no PyTorch to import, unless it is already: tensorboardX would load it, for seconds, to annotate its arguments."""
    hidden = {"torch"} - sys.modules.keys()
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None: not there
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
