"""Commands about recipes and networks: ``recipes``, ``run``, ``tune``, ``models``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from kwsfeat.cli.boundary import wrong_usage
from kwsfeat.cli.console import Console, console_options
from kwsfeat.cli.options import overwrite_option
from kwstrain.cli.progress import TrainingProgress
from kwstrain.cli.results import evaluation_text, note_next
from kwstrain.cli.training import assignments, fit_text, fit_values, keeping, note_remarks

_SET_HELP = "Override a field, as train.lr=0.01, build.labels=yes,no or options.units=64; repeatable."


@click.command()
@console_options
def recipes(console: Console) -> None:
    """List the recipes: one for each training of the five systems."""
    from kwstrain.recipes import run as library

    loaded = [library.load(name) for name in library.names()]
    width = max(len(one.name) for one in loaded)
    console.data(
        "\n".join(f"{one.name:{width}}  {one.about}" for one in loaded),
        {one.name: {"about": one.about, "build": one.build, "train": one.train.to_dict()} for one in loaded},
    )


@click.command()
@console_options
def models(console: Console) -> None:
    """List the networks: input shape, number of parameters, and the system that each comes from."""
    from kwstrain.models import table

    rows = table()
    width = max(len(row.name) for row in rows)
    lines = [f"{'network':{width}}  {'input':>11}  {'total':>11}  {'trainable':>11}  {'fixed':>8}  source"]
    for row in rows:
        shape = " x ".join(map(str, row.input_shape))
        lines.append(f"{row.name:{width}}  {shape:>11}  {row.total:11,}  {row.trainable:11,}  {row.non_trainable:8,}  {row.source}")
    console.data("\n".join(lines), [asdict(row) for row in rows])


@click.command()
@click.argument("recipe", metavar="RECIPE")
@click.argument("data", type=click.Path(path_type=Path), metavar="DATA_DIR")
@click.option("--out", type=click.Path(path_type=Path), metavar="RUN", help="The run folder  [default: runs/RECIPE]")
@click.option("-s", "--set", "changes", multiple=True, metavar="KEY=VALUE", help=_SET_HELP)
@overwrite_option
@console_options
def run(recipe: str, data: Path, out: Path | None, changes: tuple[str, ...], overwrite: bool, console: Console) -> None:
    """Build, train and evaluate as RECIPE says, a name of kwstrain recipes or a TOML file.

    DATA_DIR is a corpus that kwsfeat build understands, or a file that it wrote. The features go to RUN.h5.

    \b
    kwstrain run logspec-cnn speech_commands/ --out runs/c
    kwstrain run mel-lstm fsdd/ -s epochs=5 -s options.units=64
    """
    from kwstrain.recipes import run as library

    with wrong_usage():
        chosen = library.load(recipe).changed(assignments(changes))
    out = out or Path("runs") / chosen.name
    with TrainingProgress(console) as progress, keeping(out):
        result = library.run(chosen, data, out, overwrite=overwrite, on_build=progress.build, on_tick=progress)
    note_remarks(result.file, console)
    console.data(
        f"{fit_text(result.fit)}\n{evaluation_text(result.evaluation)}",
        {"fit": fit_values(result.fit), "evaluation": result.evaluation.to_dict()},
    )
    note_next(result.evaluation, console)


@click.command()
@click.argument("recipe", metavar="RECIPE")
@click.argument("data", type=click.Path(path_type=Path), metavar="DATA_DIR")
@click.option("--trials", type=click.IntRange(min=1), default=20, show_default=True, help="Trials in all, earlier calls included.")
@click.option("--out", type=click.Path(path_type=Path), metavar="FOLDER", help="[default: runs/tune-RECIPE]")
@click.option("-s", "--set", "changes", multiple=True, metavar="KEY=VALUE", help=_SET_HELP)
@console_options
def tune(recipe: str, data: Path, trials: int, out: Path | None, changes: tuple[str, ...], console: Console) -> None:
    """Search the space in RECIPE's [search] for the best validation accuracy; the same command goes on where it stopped.

    Needs Optuna: in a clone, pip install '.[tune]'.
    """
    from kwstrain.recipes import run as library
    from kwstrain.recipes.tune import tune as search

    with wrong_usage():
        chosen = library.load(recipe).changed(assignments(changes))
    out = out or Path("runs") / f"tune-{chosen.name}"
    with TrainingProgress(console) as progress:
        result = search(chosen, data, out, n_trials=trials, on_build=progress.build, on_tick=progress)
    lines = ["trial  accuracy  seconds  choices"]
    for trial in result.trials:
        choices = ", ".join(f"{name}={value}" for name, value in trial.choices.items())
        lines.append(f"{trial.number:5d}  {trial.accuracy:8.4f}  {trial.seconds:7.0f}  {choices}")
    settings = " ".join(f"-s {name}={value}" for name, value in result.best.choices.items())
    lines += [
        f"best      trial {result.best.number}, validation accuracy {result.best.accuracy:.4f}",
        f"picture   {result.picture}",
    ]
    values = {"trials": [asdict(trial) for trial in result.trials], "best": result.best.number, "picture": str(result.picture)}
    console.data("\n".join(lines), values)
    console.next(f"kwstrain run {recipe} {data} {settings}")
