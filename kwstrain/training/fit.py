"""Training: a feature file and a TrainConfig in, a run folder out."""

from __future__ import annotations

import csv
import io
import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax import nnx
from numpy.typing import NDArray

from kwsfeat import KwsError, Reader, StoreError
from kwstrain.config import TrainConfig
from kwstrain.data.batches import Batches, Block, plan
from kwstrain.data.clips import Clips, select
from kwstrain.data.source import Source, source
from kwstrain.devices import one_per_core, replicated
from kwstrain.evaluation.evaluate import mistakes
from kwstrain.evaluation.metrics import score
from kwstrain.inference.bundle import Bundle, weights_of
from kwstrain.inference.classifier import Classifier, probabilities
from kwstrain.inference.rejection import rejection_threshold
from kwstrain.io import save_arrays, write_atomic
from kwstrain.models import create, spec, trainable
from kwstrain.models.imagenet.pretrained import load_weights
from kwstrain.report import figures as report
from kwstrain.training import checkpoint
from kwstrain.training.events import Events
from kwstrain.training.optim import optimizer, schedule
from kwstrain.training.run_folder import RunFolder
from kwstrain.training.step import State, StepSums, TrainStep

_STATISTICS_CLIPS = 1024  # at most, for the statistics of BatchNorm after an epoch
_STATISTICS_BYTES = 64 << 20


class DivergedError(KwsError):
    """The loss is not a number any more."""


@dataclass(frozen=True)
class Tick:
    """What a progress display shows: after every compiled call, and after each epoch with its `record`."""

    epoch: int
    n_epochs: int
    step: int
    n_steps: int
    loss: float
    accuracy: float
    examples_per_s: float
    record: dict[str, Any] | None = None


@dataclass(frozen=True)
class FitResult:
    """`records`: one row of ``metrics.csv`` per epoch. `ended`: by ``epochs`` or by ``patience``."""

    bundle: Bundle
    records: list[dict[str, Any]]
    best_epoch: int
    ended: str

    @property
    def best(self) -> dict[str, Any]:
        """The record of the epoch whose weights were kept."""
        return self.records[self.best_epoch - 1]


def fit(
    path: str | Path,
    config: TrainConfig,
    out: str | Path,
    *,
    overwrite: bool = False,
    resume: bool = False,
    rows: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None,
    progress: Callable[[Tick], None] | None = None,
) -> FitResult:
    """Train a network and write its run folder.

    Parameters
    ----------
    path : path
        A file of ``kwsfeat build``.
    config : TrainConfig
        How to train.
    out : path
        The run folder.
    overwrite, resume : bool
        What to do when `out` is there: replace it, or go on after its last complete epoch.
    rows : two int64 arrays, optional
        Training and validation rows instead of the file's own splits.
    progress : callable, optional
        Called with a :class:`Tick` after every compiled call.

    Returns
    -------
    FitResult
        The run, a record of each epoch, and which epoch's weights were kept.

    Raises
    ------
    StoreError, ConfigError
        If the file or a choice does not fit.
    DivergedError
        When the loss becomes NaN or infinite, with step, batch and the likely cause.
    KeyboardInterrupt
        After the best weights and the pictures were saved.

    Examples
    --------
    >>> from kwstrain import TrainConfig
    >>> result = fit("words.h5", TrainConfig(arch="lstm", options={"units": 4}, epochs=1), "runs/new")
    >>> len(result.records), result.best_epoch
    (1, 1)
    """
    if spec(config.arch).sequential:
        one_per_core(at_most=config.batch // 8)
    with Reader(path) as reader:
        run = _Run(reader, config, Path(out), rows)
        with run.folder.opened(run.bundle, overwrite=overwrite, resume=resume):
            if resume:
                run.resume()
            run.bundle.save()
            return run.go(progress or (lambda tick: None))


class _Run:
    """One training run: its data, its compiled functions and its folder."""

    def __init__(self, reader: Reader, config: TrainConfig, out: Path, rows: tuple[NDArray[np.int64], NDArray[np.int64]] | None) -> None:
        name = config.features or reader.feature_names[0]
        mean, std = reader.statistics(name)
        if not config.standardize:
            mean, std = np.zeros_like(mean), np.ones_like(std)
        std = np.where(std > 1e-6, std, 1.0).astype(np.float32)  # a constant feature stays constant
        train_rows, val_rows = rows or (reader.rows("train"), reader.rows("validation"))
        self.config, self.out, self.folder = config, out, RunFolder(out)
        self.train, self.val = select(reader, name, train_rows), select(reader, name, val_rows)
        if len(self.train) == 0:
            raise StoreError(f"{reader.path} has no labelled training clips: build it with another --split")
        if len(reader.labels) == 1:
            raise StoreError(
                f"{reader.path} has one class, {reader.labels[0]!r}, which nothing can be told from: build it with --unknown other, "
                "or with noise as silence"
            )
        self.steps_per_epoch = -(-len(self.train) // config.batch)
        self.n_steps = config.steps or config.epochs * self.steps_per_epoch
        self.n_epochs = -(-self.n_steps // self.steps_per_epoch)
        self.rate = schedule(config, n_steps=self.n_steps, steps_per_epoch=self.steps_per_epoch)
        model = create(
            config.arch, input_shape=reader.config(name).shape, n_classes=len(reader.labels), seed=config.seed,
            **{"dtype": config.dtype, **config.options},
        )  # fmt: skip
        model.input_norm.set(mean, std)
        if config.weights:
            load_weights(model, config.weights)
        learns = trainable(model, config.freeze)
        self.step = TrainStep(
            model, trainable=learns, config=config, tx=optimizer(config, self.rate),
            class_weight=_class_weight(config, self.train, len(reader.labels)), sequential=spec(config.arch).sequential,
        )  # fmt: skip
        self.state: State = self.step.first_state
        self.progress = checkpoint.Progress()
        self.bundle = Bundle(
            folder=out, config=config, feature_name=name, feature_config=reader.config(name), labels=reader.labels, mean=mean, std=std,
            data=str(reader.path.resolve()), parameters=_parameters(model, learns), algorithm=reader.algorithm(name),
        )  # fmt: skip
        self.classifier = Classifier(self.bundle, model)
        self.logits: NDArray[np.float32] | None = None  # of the validation clips, after the last epoch
        self.best_logits: NDArray[np.float32] | None = None

    def resume(self) -> None:
        """Take up the run after its last complete epoch."""
        self.state, self.progress = checkpoint.load(self.out / "checkpoint.npz", self.state, self.config)

    def go(self, progress: Callable[[Tick], None]) -> FitResult:
        """All remaining epochs, then the pictures."""
        config = self.config
        train = source(self.train, config, batch=config.batch, augment=config.augment)
        val = self.classifier.source(self.val) if len(self.val) else None
        ended = "epochs"
        with Events(self.out) as events:
            try:
                for epoch in range(self.progress.epoch, self.n_epochs):
                    if config.patience and epoch - self.progress.best_epoch >= config.patience:
                        ended = "patience"
                        break
                    record = self._epoch(epoch, train, val, progress)
                    self._keep(record)
                    sums = (record["train_loss"], record["train_accuracy"], record["examples_per_s"])
                    progress(Tick(record["epoch"], self.n_epochs, record["step"], self.n_steps, *sums, record))
                    events.epoch(record)
                    if config.gradient_histograms:
                        events.gradients(epoch + 1, weights_of([self._gradients()]))
            except BaseException as error:
                ended = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
                raise
            finally:
                if self.progress.best_epoch:
                    self._finish(ended, events)
        return FitResult(self.bundle, self.progress.records, self.progress.best_epoch, ended)

    def _epoch(self, epoch: int, train: Source, val: Source | None, progress: Callable[[Tick], None]) -> dict[str, Any]:
        """One pass over the training clips, and one over the validation clips."""
        first_step = epoch * self.steps_per_epoch
        batches = plan(len(self.train), self.config.batch, rng=np.random.default_rng((self.config.seed, epoch)))
        batches = Batches(*(part[: self.n_steps - first_step] for part in batches))
        clock = _Clock(time.perf_counter())
        loss = correct = count = 0.0
        for step, sums in self._launch(clock.timed(train.chunks(batches, epoch)), first_step):
            self._check_finite(step, sums, batches.rows[step - first_step :])
            loss, correct, count = loss + sums.loss.sum(), correct + sums.correct.sum(), count + sums.count.sum()
            progress(Tick(epoch + 1, self.n_epochs, step, self.n_steps, float(loss / count), float(correct / count), count / clock.seconds))
        rate, wait_share = count / clock.seconds, clock.waited / clock.seconds
        if self.step.collects:
            self.state = self.step.collect(self.state, *self._statistics_batches)
        scores = None
        if val is not None:
            self.logits = self.classifier.run(val, len(self.val), self._variables)
            scores = score(self.logits, self.val.label, self.config.loss)
        step = first_step + len(batches.rows)
        return {
            "epoch": epoch + 1,
            "step": step,
            "lr": float(self.rate(step - 1)),
            "train_loss": float(loss / count),
            "train_accuracy": float(correct / count),
            "val_loss": scores.loss if scores else math.nan,
            "val_accuracy": scores.accuracy if scores else math.nan,
            "val_micro_f1": scores.micro_f1 if scores else math.nan,
            "val_macro_f1": scores.macro_f1 if scores else math.nan,
            "examples_per_s": float(rate),
            "wait_share": wait_share,
            "seconds": self.progress.seconds + clock.seconds,
        }

    def _launch(self, chunks: Iterator[tuple[Block, Batches]], step: int) -> Iterator[tuple[int, StepSums]]:
        """Run the compiled calls; give each one's first step and sums when the next call is already on its way."""
        behind: tuple[int, StepSums] | None = None
        for block, batches in chunks:
            self.state, sums = self.step.train(self.state, block, batches)
            if behind is not None:
                yield behind[0], jax.device_get(behind[1])
            behind, step = (step, sums), step + len(batches.rows)
        if behind is not None:
            yield behind[0], jax.device_get(behind[1])

    def _keep(self, record: dict[str, Any]) -> None:
        """Write what the epoch gave: its weights when they are the best yet, the table, the checkpoint."""
        progress = self.progress
        progress.records.append(record)
        progress.epoch, progress.seconds = record["epoch"], record["seconds"]
        kind = "val" if len(self.val) else "train"
        value = record[f"{kind}_loss"] if self.config.monitor == "loss" else -record[f"{kind}_accuracy"]
        if value < progress.best:
            progress.best, progress.best_epoch = value, record["epoch"]
            self.best_logits = self.logits
            save_arrays(self.out / "weights.npz", weights_of(self._variables))
        write_atomic(self.out / "metrics.csv", _table(progress.records).encode())
        checkpoint.save(self.out / "checkpoint.npz", self.state, progress, self.config)
        self.folder.keep()

    @property
    def _variables(self) -> list[Any]:
        """All variables of the network as it is now."""
        return [self.state.params, self.state.rest, self.step.fixed]

    @cached_property
    def _statistics_batches(self) -> tuple[Block, Batches]:
        """Training clips that the statistics of BatchNorm are collected on: drawn once, as they are in the file."""
        config, n = self.config, len(self.train)
        most = max(1, min(_STATISTICS_CLIPS, _STATISTICS_BYTES * n // self.train.nbytes) // config.batch)
        drawn = plan(n, config.batch, rng=np.random.default_rng((config.seed, 0, 0))).rows[:most]
        block = self.train.load(self.train.rows[drawn])
        in_order = np.arange(drawn.size, dtype=np.int32).reshape(drawn.shape)
        return replicated((block, Batches(in_order, np.ones(drawn.shape, np.float32))))  # type: ignore[no-any-return]

    def _finish(self, ended: str, events: Events) -> None:
        """What the best weights give on the validation clips (the training clips without them): summary and pictures."""
        clips, split = (self.val, "validation") if len(self.val) else (self.train, "train")
        logits = self.best_logits
        if logits is None:  # no validation clips, or the best epoch was before this process
            logits = Classifier(self.bundle).logits_of(clips)
        scores = score(logits, clips.label, self.config.loss)
        summary = {
            "ended": ended,
            "best_epoch": self.progress.best_epoch,
            "seconds": self.progress.seconds,
            "split": split,
            "threshold": self._threshold(logits) if len(self.val) else None,
            **scores.to_dict(),
        }
        write_atomic(self.out / "summary.json", json.dumps(summary, indent=1).encode())
        report.save_curves(self.progress.records, self.out / "curves.png")
        report.save_confusion(scores.confusion, self.bundle.labels, self.out / "confusion.png")
        events.pictures(self.progress.best_epoch, scores, mistakes(clips, logits, self.bundle), self.bundle)

    def _threshold(self, logits: NDArray[np.float32]) -> float | None:
        """What ``predict`` asks of an answer, from the validation clips that are recognised."""
        label = self.val.label
        right = np.flatnonzero(logits.argmax(axis=1) == label)
        return rejection_threshold(probabilities(logits, self.config.loss)[right, label[right]])

    def _gradients(self) -> Any:
        """Gradients of the epoch's state on the first clips of the split, as they are in the file."""
        rows, weight = plan(len(self.train), self.config.batch)
        block = self.train.load(self.train.rows[rows[0]])
        return self.step.gradients(self.state, *replicated((block, Batches(np.arange(rows.shape[1])[None], weight[:1]))))

    def _check_finite(self, step: int, sums: StepSums, rows: NDArray[np.int32]) -> None:
        """Stop at the first step whose loss or gradient is not finite; `rows` are those of the steps from `step` on."""
        bad = np.flatnonzero(~np.isfinite(sums.loss) | ~np.isfinite(sums.gradient_norm))
        if not bad.size:
            return
        at = int(bad[0])
        clips = self.train.rows[rows[at]]
        features = self.train.load(clips).features
        unusable = clips[~np.isfinite(features).all(axis=(1, 2))]
        if unusable.size:
            cause = f"the features of row {unusable[0]} are not finite; run kwsfeat verify, and build the file again"
        else:
            before = f"the gradient's norm was {sums.gradient_norm[at - 1]:.3g} a step earlier; " if at else ""
            cause = f"{before}the learning rate {self.config.lr:g} is likely too high: lower --lr, or set clip_norm"
            cause += ", or dtype float32" if self.config.dtype != "float32" else ""
        where = f"step {step + at + 1} (rows {', '.join(map(str, clips[:4]))}, ... of the file)"
        raise DivergedError(f"loss {sums.loss[at] / max(1.0, sums.count[at]):g} at {where}: {cause}")


@dataclass
class _Clock:
    """Where the time of an epoch goes."""

    started: float
    waited: float = 0.0

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self.started

    def timed(self, items: Iterator[Any]) -> Iterator[Any]:
        """`items`, with the time that they take to come counted as waiting."""
        while True:
            before = time.perf_counter()
            item = next(items, None)
            self.waited += time.perf_counter() - before
            if item is None:
                return
            yield item


def _class_weight(config: TrainConfig, clips: Clips, n_classes: int) -> NDArray[np.float32]:
    if config.class_weights == "none":
        return np.ones(n_classes, np.float32)
    count = np.bincount(clips.label, minlength=n_classes)
    return (len(clips) / (n_classes * np.maximum(count, 1))).astype(np.float32)


def _parameters(model: nnx.Module, learns: Any) -> dict[str, int]:
    """Numbers of parameters as Keras counts them: running means and variances are among those that are not trained."""
    kinds = (nnx.Any(nnx.Param, nnx.BatchStat), learns)
    total, trained = (sum(int(np.size(value)) for value in weights_of([nnx.state(model, kind)]).values()) for kind in kinds)
    return {"total": total, "trainable": trained, "non_trainable": total - trained}


def _table(records: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, records[0], lineterminator="\n")
    writer.writeheader()
    for record in records:
        writer.writerow({name: "" if value != value else value for name, value in record.items()})
    return text.getvalue()
