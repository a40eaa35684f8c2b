"""Hyper-parameter search over a recipe: Optuna chooses, every trial is a run folder, the study is a file and can go on."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from kwsfeat import ConfigError, KwsError, MissingExtraError, Reader, StoreError
from kwstrain.io import write_atomic
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
    """Run trials until there are `n_trials` finished ones of this search in ``out/study.db``.

    A search is the recipe with its space, and the data: a changed one begins anew in the same folder and leaves the runs of the
    other. A trial that fails (a rate at which the loss diverges, options that do not fit) is noted and the search goes on.

    The recipe's `search` maps a field to a list of choices, or to ``{low, high}`` with ``log = true`` for an even spread of the
    logarithm; whole bounds give whole numbers.

    Raises
    ------
    MissingExtraError
        Without Optuna.
    StoreError
        If ``study.db`` cannot be read.
    ConfigError
        If the recipe has no search space, or one that cannot be searched; or if every trial failed, with the reason of the last.
    """
    try:
        import optuna
    except ImportError:
        raise MissingExtraError("tune needs Optuna: in a clone, pip install '.[tune]'") from None
    _check(recipe)
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    key = _digest(recipe.build, recipe.train.to_dict(), recipe.search, _content_of(data, out))
    try:
        study = optuna.create_study(
            study_name=f"{recipe.name}-{key}", storage=f"sqlite:///{out / 'study.db'}", direction="maximize", load_if_exists=True,
        )  # fmt: skip
        # A resumed search must not draw once more what it drew before.
        study.sampler = optuna.samplers.TPESampler(seed=recipe.train.seed + len(study.trials))
    except Exception as error:  # whatever the database or Optuna makes of a file that is not a study of this version
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise StoreError(f"{out / 'study.db'} is not a study that can go on ({reason}): choose another --out") from None
    failure: KwsError | None = None
    for _ in range(n_trials - len(_finished(study))):
        trial = study.ask()
        trial.set_user_attr("number", _next_number(out))
        try:
            accuracy, seconds = _run(trial, recipe, data, out, on_build, on_tick)
        except KwsError as error:
            failure = error
            trial.set_user_attr("error", str(error))
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
        else:
            trial.set_user_attr("seconds", seconds)
            study.tell(trial, accuracy)
    trials = _finished(study)
    if not trials:
        raise ConfigError(f"no trial of {recipe.name!r} came to an end; the last: {failure}")
    picture = out / "accuracy-against-time.png"
    write_atomic(picture, report.png(_scatter(trials)))
    return TuneResult(trials, picture)


def _run(
    trial: Any,
    recipe: Recipe,
    data: str | os.PathLike[str],
    out: Path,
    on_build: Callable[[int, int], None] | None,
    on_tick: Callable[[Tick], None] | None,
) -> tuple[float, float]:
    """Train with the choices of one trial: best validation accuracy, and seconds."""
    chosen = recipe.changed({name: _suggest(trial, name, space) for name, space in recipe.search.items()})
    # Named by all that its content depends on: trials share it where they may, and never take another's.
    file = out / f"features-{_digest(chosen.build, _content_of(data, out))}.h5"
    file = build(chosen, data, file, keep=True, progress=on_build)
    with Reader(file) as reader:
        if not len(reader.rows("validation")):
            raise ConfigError(f"{file} has no validation clips to choose by: -s build.split=stratified:80/10/10")
    result = fit(file, chosen.training, out / f"trial-{trial.user_attrs['number']}", progress=on_tick)
    return float(result.best["val_accuracy"]), float(result.records[-1]["seconds"])


def _next_number(out: Path) -> int:
    """The first number that no folder of this or another search has."""
    taken = [int(path.name.removeprefix("trial-")) for path in out.glob("trial-*") if path.name.removeprefix("trial-").isdecimal()]
    return max(taken, default=-1) + 1


def _digest(*parts: Any) -> str:
    """Of values as JSON, and of the content of every file that they name (a feature config, a policy, a list of labels)."""
    return hashlib.sha256(json.dumps([_with_content(part) for part in parts], sort_keys=True, default=str).encode()).hexdigest()[:12]


def _with_content(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _with_content(one) for key, one in value.items()}
    if isinstance(value, str) and value.endswith((".toml", ".txt", ".csv", ".json")) and Path(value).is_file():
        return [value, hashlib.sha256(Path(value).read_bytes()).hexdigest()]
    return value


def _content_of(data: str | os.PathLike[str], out: Path) -> list[Any]:
    """What tells one corpus from another without reading it: where it is, and name, size and time of every file in it but ours in `out`."""
    root, ours = Path(data).resolve(), out.resolve()
    files = sorted(Path(folder) / name for folder, _, names in os.walk(root) for name in names) if root.is_dir() else [root]
    stats = [(str(path.relative_to(root)), path.lstat()) for path in files if path.exists() and ours not in path.parents]
    return [str(root), [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]]


def _check(recipe: Recipe) -> None:
    """Refuse a search space that cannot be searched, before anything is built."""
    if not recipe.search:
        raise ConfigError(f"recipe {recipe.name!r} has no [search]: copy it and add one, as 'train.lr' = {{low = 1e-4, high = 1e-2}}")
    for name, space in recipe.search.items():
        if isinstance(space, list) and space and all(isinstance(choice, (str, int, float, bool)) for choice in space):
            continue
        if not isinstance(space, dict) or space.keys() - {"log"} != {"low", "high"}:
            raise ConfigError(
                f"search space of {name!r} is {space!r}: it must be a list of choices, or {{low, high}} and perhaps log = true"
            )
        low, high, log = space["low"], space["high"], space.get("log", False)
        if not all(type(bound) in (int, float) for bound in (low, high)) or not low <= high or (log and not low > 0):
            raise ConfigError(f"search space of {name!r} is {space!r}: low <= high must be numbers, and above 0 with log = true")


def _suggest(trial: Any, name: str, space: Any) -> Any:
    if isinstance(space, list):
        return trial.suggest_categorical(name, space)
    whole = isinstance(space["low"], int) and isinstance(space["high"], int)
    return (trial.suggest_int if whole else trial.suggest_float)(name, space["low"], space["high"], log=bool(space.get("log", False)))


def _finished(study: Any) -> list[Trial]:
    return [
        Trial(int(trial.user_attrs["number"]), float(trial.value), float(trial.user_attrs["seconds"]), dict(trial.params))
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
