"""Hyper-parameter search over a recipe: Optuna chooses, every trial is a run folder, the study is a file and can go on."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from kwsfeat import ConfigError, MissingExtraError
from kwstrain.recipes.run import Recipe, build
from kwstrain.report import figures as report
from kwstrain.training.fit import Tick, fit


@dataclass(frozen=True)
class Trial:
    """One finished run: its number (the folder is ``trial-NUMBER``), validation accuracy, seconds, choices by field."""

    number: int
    accuracy: float
    seconds: float
    choices: dict[str, Any]


@dataclass(frozen=True)
class TuneResult:
    """All finished trials, and the picture of their accuracy against their training time."""

    trials: list[Trial]
    picture: Path

    @property
    def best(self) -> Trial:
        """The most accurate trial."""
        return max(self.trials, key=lambda trial: trial.accuracy)


def tune(
    recipe: Recipe,
    data: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    n_trials: int,
    on_build: Callable[[int, int], None] | None = None,
    on_tick: Callable[[Tick], None] | None = None,
) -> TuneResult:
    """Run trials until there are `n_trials` finished ones in ``out/study.db``.

    The recipe's `search` maps a field to a list of choices, or to ``{low, high}`` with ``log = true`` for an even spread of the
    logarithm; whole bounds give whole numbers.

    Raises
    ------
    MissingExtraError
        Without Optuna.
    ConfigError
        If the recipe has no search space, or its runs would have no validation clips.
    """
    try:
        import optuna
    except ImportError:
        raise MissingExtraError("tune needs Optuna: in a clone, pip install '.[tune]'") from None
    if not recipe.search:
        raise ConfigError(f"recipe {recipe.name!r} has no [search]: copy it and add one, as 'train.lr' = {{low = 1e-4, high = 1e-2}}")
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        study_name=recipe.name, storage=f"sqlite:///{out / 'study.db'}", direction="maximize", load_if_exists=True,
    )  # fmt: skip

    def objective(trial: Any) -> float:
        chosen = recipe.changed({name: _suggest(trial, name, space) for name, space in recipe.search.items()})
        features = str(chosen.build.get("features", "logmel"))
        file = out / f"{Path(features).stem}.h5"
        if not file.exists():
            file = build(chosen, data, file, progress=on_build)
        result = fit(file, chosen.training, out / f"trial-{trial.number}", overwrite=True, progress=on_tick)
        if result.best["val_accuracy"] != result.best["val_accuracy"]:
            raise ConfigError(f"{file} has no validation clips to choose by: -s build.split=stratified:80/10/10")
        trial.set_user_attr("seconds", result.records[-1]["seconds"])
        return float(result.best["val_accuracy"])

    # A resumed search must not draw once more what it drew before.
    study.sampler = optuna.samplers.TPESampler(seed=recipe.train.seed + len(study.trials))
    if (missing := n_trials - len(_finished(study))) > 0:
        study.optimize(objective, n_trials=missing)
    trials = _finished(study)
    picture = out / "accuracy-against-time.png"
    picture.write_bytes(report.png(_scatter(trials)))
    return TuneResult(trials, picture)


def _suggest(trial: Any, name: str, space: Any) -> Any:
    if isinstance(space, list):
        return trial.suggest_categorical(name, space)
    if not isinstance(space, dict) or space.keys() - {"log"} != {"low", "high"}:
        raise ConfigError(f"search space of {name!r} is {space!r}: it must be a list of choices, or {{low, high}} and perhaps log = true")
    whole = isinstance(space["low"], int) and isinstance(space["high"], int)
    return (trial.suggest_int if whole else trial.suggest_float)(name, space["low"], space["high"], log=space.get("log", False))


def _finished(study: Any) -> list[Trial]:
    return [
        Trial(trial.number, float(trial.value), float(trial.user_attrs["seconds"]), dict(trial.params))
        for trial in study.trials
        if trial.state.name == "COMPLETE"
    ]


def _scatter(trials: list[Trial]) -> Figure:
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    axes.scatter([trial.seconds for trial in trials], [trial.accuracy for trial in trials])
    for trial in trials:
        axes.annotate(str(trial.number), (trial.seconds, trial.accuracy), xytext=(4, 3), textcoords="offset points", fontsize=8)
    axes.set(xlabel="training time (s)", ylabel="validation accuracy")
    axes.grid(alpha=0.3)
    return figure
