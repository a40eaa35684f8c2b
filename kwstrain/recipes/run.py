"""Recipes: one TOML per system, from recordings to an evaluated run."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from kwsfeat import (
    ClipConfig,
    ConfigError,
    FeatureConfig,
    Reader,
    augment_source,
    build_file,
    load_policy,
    named_config,
    plan_recordings,
    thread_count,
    unknown_name,
)
from kwstrain.config import DEFAULT_ARCH, TrainConfig, changed, defaults
from kwstrain.evaluation.evaluate import Evaluation, evaluate
from kwstrain.recipes.protocol import protocol
from kwstrain.report.evaluation import save
from kwstrain.training.fit import FitResult, Tick, fit

BUILD_FIELDS = {
    "features", "labels", "unknown", "unknown_share", "silence_share", "split", "augment", "layout", "n_samples", "pad", "crop", "trim_db",
    "seed",
}  # fmt: skip
_CLIP = {one.name for one in fields(ClipConfig)}  # what [build] says of clips belongs to the feature configuration
_PARTS = {"about", "protocol", "training", "build", "train", "search"}


@dataclass(frozen=True)
class Recipe:
    """`build`: options of ``kwsfeat build``. `search`: what ``kwstrain tune`` varies, by the full name of a field.

    `protocol` says what its figures are measured on. `chosen` are the fields of `train` that stand in a recipe which otherwise trains
    as suits its network, whichever that is; None where a recipe stands for itself.
    """

    name: str
    about: str
    build: dict[str, Any]
    train: TrainConfig
    search: dict[str, Any]
    protocol: str = ""
    chosen: dict[str, Any] | None = None

    @property
    def training(self) -> TrainConfig:
        """`train`, on the feature set that `build` names."""
        return replace(self.train, features=named_config(self.build["features"])[0]) if "features" in self.build else self.train

    def changed(self, changes: Mapping[str, Any]) -> Recipe:
        """This recipe with some fields replaced.

        `changes` maps names to values: ``build.labels``, ``train.lr``, ``train.options.units``; without a table a name is that
        of a field of `build` if there is one, else of `train`; a plain ``seed`` is both.

        Raises
        ------
        ConfigError
            For a name that is not a field.
        """
        build, train = dict(self.build), {}
        for name, value in changes.items():
            table, _, field = name.partition(".")
            if name == "seed":
                build["seed"] = train["seed"] = value
            elif table == "build" and field in BUILD_FIELDS:
                build[field] = value
            elif name in BUILD_FIELDS:
                build[name] = value
            elif table == "build":
                raise unknown_name("field of [build]", field, sorted(BUILD_FIELDS))
            else:
                train[name.removeprefix("train.")] = value
        if self.chosen is None:
            return replace(self, build=build, train=changed(self.train, train))
        chosen = {**self.chosen, **train}
        return replace(self, build=build, train=_suited(chosen), chosen=chosen)


@dataclass(frozen=True)
class RunResult:
    """`evaluation` is of the test split, or of the validation split where the recipe has no test split."""

    file: Path
    fit: FitResult
    evaluation: Evaluation
    protocol: str = ""


def names() -> list[str]:
    """The recipes that come with the package, sorted."""
    return sorted(_shipped())


def load(name: str | os.PathLike[str]) -> Recipe:
    """A recipe by name, or from a ``.toml`` file.

    Raises
    ------
    ConfigError
        For an unknown name, with the nearest; or a file that is missing or no recipe.
    """
    name = os.fspath(name)
    if name.endswith(".toml"):
        if not Path(name).is_file():
            raise ConfigError(f"{name}: no such recipe file")
        text = Path(name).read_text(encoding="utf-8-sig")
    elif name in names():
        text = _shipped()[os.fspath(name)].read_text(encoding="utf-8")
    else:
        raise unknown_name("recipe or .toml file", name, names())
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"recipe {name} is not TOML: {error}") from None
    if unknown := values.keys() - _PARTS:
        raise ConfigError(f"recipe {name} has an unknown part {sorted(unknown)[0]!r}: it may have {', '.join(sorted(_PARTS))}")
    if unknown := values.get("build", {}).keys() - BUILD_FIELDS:
        raise ConfigError(f"recipe {name}: build has no field {sorted(unknown)[0]!r}: it may have {', '.join(sorted(BUILD_FIELDS))}")
    chosen = values.get("train", {})
    if (training := values.get("training", "recipe")) not in ("recipe", "network"):
        raise ConfigError(f"recipe {name}: training={training!r} must be recipe, or network: as suits the network, but for [train]")
    own = training == "recipe"
    return Recipe(
        Path(name).stem, values.get("about", ""), values.get("build", {}), TrainConfig.from_partial(chosen) if own else _suited(chosen),
        values.get("search", {}), values.get("protocol", ""), None if own else chosen,
    )  # fmt: skip


def _suited(chosen: Mapping[str, Any]) -> TrainConfig:
    """The training that suits the network that `chosen` names, with what else it chooses."""
    return changed(defaults(str(chosen.get("arch", DEFAULT_ARCH))), chosen)


def run(
    recipe: Recipe,
    data: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    negatives: Sequence[str | os.PathLike[str]] = (),
    part: tuple[int, int] = (1, 1),
    overwrite: bool = False,
    resume: bool = False,
    on_build: Callable[[int, int], None] | None = None,
    on_tick: Callable[[Tick], None] | None = None,
) -> RunResult:
    """Build the file ``<out>.h5``, train, evaluate.

    Parameters
    ----------
    recipe : Recipe
    data : path
        A corpus that ``kwsfeat build`` understands, or a file that it wrote, which is then used as it is.
    out : path
        The run folder.
    negatives, part
        Recordings without the words, see :func:`~kwstrain.training.fit`.
    overwrite : bool
        Replace the run folder and the file.
    resume : bool
        Continue after the last complete epoch, with the file as it is.
    on_build : callable, optional
        Called with (clips done, clips in all).
    on_tick : callable, optional
        See :func:`~kwstrain.training.fit`.

    Raises
    ------
    KwsError
        What building, training and evaluating raise.
    """
    out = Path(out)
    file = build(recipe, data, out.with_name(out.name + ".h5"), overwrite=overwrite, keep=resume, progress=on_build)
    result = fit(
        file, recipe.training, out, negatives=[Path(one) for one in negatives], part=part, overwrite=overwrite, resume=resume,
        progress=on_tick,
    )  # fmt: skip
    with Reader(file) as reader:
        split = "test" if len(reader.rows("test")) else "validation"
    evaluation = evaluate(out, split=split)
    save(evaluation)
    said = protocol(recipe.protocol, file, split, seed=recipe.build.get("seed", 0)) if recipe.protocol else ""
    return RunResult(file, result, evaluation, said)


def build(
    recipe: Recipe,
    data: str | os.PathLike[str],
    file: Path,
    *,
    overwrite: bool = False,
    keep: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Make the recipe's feature file, or `keep` what is there; gives `data` itself when that is one already."""
    data = Path(data)
    if data.suffix == ".h5":
        return data
    if keep and file.is_file():
        return file
    options = {name: value for name, value in recipe.build.items() if name not in {"features", "augment", *_CLIP}}
    seed = options.get("seed", 0)
    name, config = named_config(recipe.build.get("features", "logmel"))
    config = FeatureConfig.from_partial({key: value for key, value in recipe.build.items() if key in _CLIP}, config)
    rows = plan_recordings(data, config, **options)
    source = augment_source(rows, load_policy(recipe.build.get("augment", "off")), config, seed=seed)
    file.parent.mkdir(parents=True, exist_ok=True)
    build_file(source, file, {name: config}, seed=seed, threads=thread_count(), overwrite=overwrite, progress=progress)
    return file


def _shipped() -> dict[str, Traversable]:
    """The file of each recipe of the package; their folders are for the reader alone."""
    folders = [entry for entry in resources.files("kwstrain.recipes").iterdir() if entry.is_dir()]
    return {path.name.removesuffix(".toml"): path for folder in folders for path in folder.iterdir() if path.name.endswith(".toml")}
