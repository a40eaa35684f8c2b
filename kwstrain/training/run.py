"""One training run: its data, its compiled functions, its epochs."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax import nnx
from numpy.typing import NDArray

from kwsfeat import Reader, StoreError
from kwstrain.config import TrainConfig
from kwstrain.data.batches import Batches, Block, in_batches, on_devices, plan
from kwstrain.data.clips import Clips, digest, digest_of_splits, select
from kwstrain.data.negatives import Negatives
from kwstrain.data.order import Windows, balanced_order, windowed_order
from kwstrain.data.source import Source, loader, source, stored
from kwstrain.data.streams import NO_WORDS
from kwstrain.devices import here, n_processes
from kwstrain.evaluation.metrics import score
from kwstrain.evaluation.saved import forget
from kwstrain.inference.bundle import Bundle, weights_of
from kwstrain.inference.classifier import Classifier
from kwstrain.io import save_arrays
from kwstrain.models import create, spec, trainable
from kwstrain.models.imagenet.pretrained import load_weights
from kwstrain.processes import is_first
from kwstrain.training.diverged import check_finite, never_finite, too_large
from kwstrain.training.folder import checkpoint
from kwstrain.training.folder.events import Events
from kwstrain.training.folder.results import write_results, write_table
from kwstrain.training.folder.run_folder import RunFolder
from kwstrain.training.optim import optimizer, schedule
from kwstrain.training.result import FitResult, Tick
from kwstrain.training.start import Start
from kwstrain.training.step import State, StepSums, TrainStep
from kwstrain.training.teacher import Teacher

_STATISTICS_CLIPS = 1024  # at most, for the statistics of BatchNorm after an epoch
_STATISTICS_BYTES = 64 << 20


class Run:
    """One training run: its data, its compiled functions and its folder."""

    def __init__(
        self,
        reader: Reader,
        config: TrainConfig,
        out: Path,
        rows: tuple[NDArray[np.int64], NDArray[np.int64]] | None,
        teacher: Teacher | None,
        start: Start | None,
        negatives: Negatives | None = None,
    ) -> None:
        name = config.features or reader.feature_names[0]
        mean, std = start.statistics if start else _statistics(reader, name, config)
        train_rows, val_rows = rows or (reader.rows("train"), reader.rows("validation"))
        self.config, self.folder, self._negatives = config, RunFolder(out), negatives
        self.train, self.val = select(reader, name, train_rows), select(reader, name, val_rows)
        if len(self.train) == 0:
            cure = "build it with another --split" if reader.labels else "recordings without labels can be predicted, not trained on"
            raise StoreError(f"{reader.path} has no labelled training clips: {cure}")
        if len(reader.labels) == 1:
            raise StoreError(
                f"{reader.path} has one class, {reader.labels[0]!r}, which nothing can be told from: build it with --unknown other, "
                "or with noise as silence"
            )
        self.steps_per_epoch = -(-len(self.train) // config.clips_per_step)
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
        if start:
            start.fill(model, reader.labels)
        learns = trainable(model, config.freeze)
        self.step = TrainStep(
            model, trainable=learns, config=config, tx=optimizer(config, self.rate),
            class_weight=_class_weight(config, self.train, len(reader.labels)), wanted=~np.isin(reader.labels, NO_WORDS),
            sequential=spec(config.arch).sequential, teacher=teacher,
        )  # fmt: skip
        self.state: State = self.step.first_state
        self.evaluated: State = self.state  # what validation saw and is kept when it is the best: the averages, where there are any
        self.progress = checkpoint.Progress()
        clips = digest(self.train, self.val)
        self.bundle = Bundle(
            folder=out, config=config, feature_name=name, feature_config=reader.config(name), labels=reader.labels, mean=mean, std=std,
            data=str(reader.path.resolve()), parameters=_parameters(model, learns), algorithm=reader.algorithm(name),
            clips=clips, splits=digest_of_splits(reader, name) if rows else clips,
        )  # fmt: skip
        self.classifier = Classifier(self.bundle, model)
        self.logits: NDArray[np.float32] | None = None  # of the validation clips, after the last epoch
        self.best_logits: NDArray[np.float32] | None = None

    def resume(self) -> None:
        """Take up the run after its last complete epoch, or inside the one in which its budget of steps ended."""
        self.state, self.progress = checkpoint.load(self.bundle.folder / "checkpoint.npz", self.state, self.config)
        left = self.n_epochs - self._n_done // self.steps_per_epoch if self._n_done < self.n_steps else 0
        self.n_epochs = self.progress.epoch + left  # the rest of an epoch counts as one

    def go(self, progress: Callable[[Tick], None]) -> FitResult:
        """All remaining epochs, then the pictures."""
        config = self.config
        heard = self._negatives
        train = source(
            self.train, config, batch=config.clips_per_step, augment=config.augment, negatives=heard, parts=config.accumulate
        )  # fmt: skip
        val = self.classifier.source(self.val, heard) if len(self.val) else None
        ended = "epochs"
        with Events(self.bundle.folder) if is_first() else nullcontext() as events:
            try:
                for epoch in range(self.progress.epoch, self.n_epochs):
                    if config.patience and epoch - self.progress.best_epoch >= config.patience:
                        ended = "patience"
                        break
                    record = self._epoch(epoch, train, val, progress)
                    self._keep(record)
                    sums = (record["train_loss"], record["train_accuracy"], record["examples_per_s"])
                    best = self.progress.records[self.progress.best_epoch - 1] if self.progress.best_epoch else None
                    progress(Tick(record["epoch"], self.n_epochs, record["step"], self.n_steps, *sums, record, best))
                    if events:
                        events.epoch(record)
                    if config.gradient_histograms:
                        gradients = self._gradients()  # which all processes sum
                        if events:
                            events.gradients(epoch + 1, weights_of([here(gradients)]))
            except BaseException as error:
                ended = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
                raise
            finally:
                if self.progress.best_epoch:
                    write_results(self.bundle, self.progress, self.train, self.val, self.best_logits, ended, events, heard)
        if self.progress.records and not self.progress.best_epoch:
            raise never_finite(self.progress.records, config)
        return FitResult(self.bundle, self.progress.records, self.progress.best_epoch, ended)

    def _epoch(self, epoch: int, train: Source, val: Source | None, progress: Callable[[Tick], None]) -> dict[str, Any]:
        """One pass over the training clips, or what is left of it, and one over the validation clips."""
        first_step = self._n_done
        pass_, begun = divmod(first_step, self.steps_per_epoch)
        batches = Batches(*(part[begun:][: self.n_steps - first_step] for part in self._plan(pass_)))
        chunks = train.chunks(batches, pass_)
        if n_processes() == 1:  # while the first clips come
            self.step.compile(self.state, *train.outline(batches))
        clock = _Clock(time.perf_counter())
        loss = correct = count = 0.0
        for step, sums in self._launch(clock.timed(chunks), first_step):
            check_finite(sums, step, batches.rows[step - first_step :], self.train, self.config)
            loss, correct, count = loss + sums.loss.sum(), correct + sums.correct.sum(), count + sums.count.sum()
            progress(Tick(epoch + 1, self.n_epochs, step, self.n_steps, float(loss / count), float(correct / count), count / clock.seconds))
        rate, wait_share = count / clock.seconds, clock.waited / clock.seconds
        self._settle()
        scores = None
        if val is not None:
            self.logits = self.classifier.run(val, len(self.val), self._variables)
            self.val.check(self.val.rows[~np.isfinite(self.logits).all(axis=1)])
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

    @property
    def _n_done(self) -> int:
        """Steps so far."""
        return self.progress.records[-1]["step"] if self.progress.records else 0

    def _plan(self, epoch: int) -> Batches:
        """Which clips each step of an epoch takes."""
        config, rng, n = self.config, np.random.default_rng((self.config.seed, epoch)), len(self.train)
        batch, balanced = config.clips_per_step, config.sampling == "balanced"
        if windows := Windows.of(n, stored(self.train, config, config.augment)[1], batch):
            clips = np.sort(balanced_order(self.train.label, rng)) if balanced else np.arange(n)
            order = windowed_order(clips, batch, windows, rng)
        else:
            order = balanced_order(self.train.label, rng) if balanced else rng.permutation(n)
        return in_batches(order, batch, parts=config.accumulate)

    def _launch(self, chunks: Iterator[tuple[Block, Batches]], step: int) -> Iterator[tuple[int, StepSums]]:
        """Run the compiled calls; give each one's first step and sums when the next call is already on its way."""
        behind: tuple[int, StepSums] | None = None
        try:
            for block, batches in chunks:
                self.state, sums = self.step.train(self.state, block, batches)
                if behind is not None:
                    yield behind[0], jax.device_get(behind[1])
                behind, step = (step, sums), step + len(batches.rows)
            if behind is not None:
                yield behind[0], jax.device_get(behind[1])
        except jax.errors.JaxRuntimeError as error:
            raise too_large(error, self.config, len(self.train)) from error

    def _settle(self) -> None:
        """After an epoch: the weights to validate, with the statistics of BatchNorm that they meet."""
        self.evaluated = self.step.averaged(self.state)
        if self.step.collects:
            self.evaluated = self.step.collect(self.evaluated, *self._statistics_batches)
        if not self.config.ema:
            self.state = self.evaluated

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
            if is_first():
                forget(self.bundle.folder)
                save_arrays(self.bundle.folder / "weights.npz", weights_of(here(self._variables)))
        if is_first():
            write_table(self.bundle, progress.records)
            checkpoint.save(self.bundle.folder / "checkpoint.npz", here(self.state), progress, self.config)
            self.folder.keep()

    @property
    def _variables(self) -> list[Any]:
        """All variables of the network as it is validated."""
        return [self.evaluated.params, self.evaluated.rest, self.step.fixed]

    @cached_property
    def _statistics_batches(self) -> tuple[Block, Batches]:
        """Training clips that the statistics of BatchNorm are collected on: drawn once, without augmentation."""
        config, n = self.config, len(self.train)
        most = max(1, min(_STATISTICS_CLIPS, _STATISTICS_BYTES * n // self.train.nbytes) // config.batch)
        drawn = plan(n, config.batch, rng=np.random.default_rng((config.seed, 0, 0))).rows[:most]
        load = loader(self.train, config, negatives=self._negatives)
        return on_devices(lambda chosen: load(chosen, 0), self.train.rows[drawn], np.ones(drawn.shape, np.float32))  # type: ignore[no-any-return]

    def _gradients(self) -> Any:
        """Gradients of the epoch's state on the first clips of the split, without augmentation."""
        rows, weight = plan(len(self.train), self.config.clips_per_step, parts=self.config.accumulate)
        load = loader(self.train, self.config, negatives=self._negatives)
        placed = on_devices(lambda chosen: load(chosen, 0), self.train.rows[rows[:1]], weight[:1], self.config.accumulate)
        return self.step.gradients(self.state, *placed)


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


def _statistics(reader: Reader, name: str, config: TrainConfig) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and deviation that features are standardised with."""
    mean, std = reader.statistics(name)
    if not config.standardize:
        mean, std = np.zeros_like(mean), np.ones_like(std)
    return mean, np.where(std > 1e-6, std, 1.0).astype(np.float32)  # a constant feature stays constant


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
