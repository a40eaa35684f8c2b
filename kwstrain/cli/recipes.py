"""Commands about recipes and networks: ``recipes``, ``run``, ``tune``, ``models``."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from kwstrain.cli.progress import TrainingProgress
from kwstrain.cli.results import print_evaluation
from kwstrain.cli.training import assignments, keeping, print_fit

_SET_HELP = "Override a field, as train.lr=0.01, build.labels=yes,no or options.units=64; repeatable."


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print all fields as JSON.")
def recipes(as_json: bool) -> None:
    """List the recipes: one for each training of the five systems."""
    from kwstrain.recipes import run as library

    loaded = [library.load(name) for name in library.names()]
    if as_json:
        fields = {one.name: {"about": one.about, "build": one.build, "train": one.train.to_dict()} for one in loaded}
        click.echo(json.dumps(fields, indent=2))
        return
    width = max(len(one.name) for one in loaded)
    click.echo("\n".join(f"{one.name:{width}}  {one.about}" for one in loaded))


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the table as JSON.")
def models(as_json: bool) -> None:
    """List the networks: input shape, number of parameters, and the system that each comes from."""
    from kwstrain.models import table

    rows = table()
    if as_json:
        click.echo(json.dumps([asdict(row) for row in rows], indent=2))
        return
    width = max(len(row.name) for row in rows)
    click.echo(f"{'network':{width}}  {'input':>11}  {'total':>11}  {'trainable':>11}  {'fixed':>8}  source")
    for row in rows:
        shape = " x ".join(map(str, row.input_shape))
        click.echo(f"{row.name:{width}}  {shape:>11}  {row.total:11,}  {row.trainable:11,}  {row.non_trainable:8,}  {row.source}")


@click.command()
@click.argument("recipe", metavar="RECIPE")
@click.argument("data", type=click.Path(path_type=Path), metavar="DATA_DIR")
@click.option("--out", type=click.Path(path_type=Path), metavar="RUN", help="The run folder  [default: runs/RECIPE]")
@click.option("-s", "--set", "changes", multiple=True, metavar="KEY=VALUE", help=_SET_HELP)
@click.option("--overwrite", is_flag=True, help="Replace the run folder and its file.")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
def run(recipe: str, data: Path, out: Path | None, changes: tuple[str, ...], overwrite: bool, quiet: bool) -> None:
    """Build, train and evaluate as RECIPE says, a name of kwstrain recipes or a TOML file.

    DATA_DIR is a corpus that kwsfeat build understands, or a file that it wrote. The features go to RUN.h5.

    \b
    kwstrain run logspec-cnn speech_commands/ --out runs/c
    kwstrain run mel-lstm fsdd/ -s epochs=5 -s options.units=64
    """
    from kwstrain.recipes import run as library

    chosen = library.load(recipe).changed(assignments(changes))
    out = out or Path("runs") / chosen.name
    with TrainingProgress(quiet=quiet) as progress, keeping(out):
        result = library.run(chosen, data, out, overwrite=overwrite, on_build=progress.build, on_tick=progress)
    print_fit(result.fit)
    print_evaluation(result.evaluation)


@click.command()
@click.argument("recipe", metavar="RECIPE")
@click.argument("data", type=click.Path(path_type=Path), metavar="DATA_DIR")
@click.option("--trials", type=click.IntRange(min=1), default=20, show_default=True, help="Trials in all, earlier calls included.")
@click.option("--out", type=click.Path(path_type=Path), metavar="FOLDER", help="[default: runs/tune-RECIPE]")
@click.option("-s", "--set", "changes", multiple=True, metavar="KEY=VALUE", help=_SET_HELP)
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
def tune(recipe: str, data: Path, trials: int, out: Path | None, changes: tuple[str, ...], quiet: bool) -> None:
    """Search the space in RECIPE's [search] for the best validation accuracy; the same command goes on where it stopped.

    Needs Optuna: pip install 'kwsfeat[tune]'.
    """
    from kwstrain.recipes import run as library
    from kwstrain.training.tune import tune as search

    chosen = library.load(recipe).changed(assignments(changes))
    out = out or Path("runs") / f"tune-{chosen.name}"
    with TrainingProgress(quiet=quiet) as progress:
        result = search(chosen, data, out, n_trials=trials, on_build=progress.build, on_tick=progress)
    click.echo("trial  accuracy  seconds  choices")
    for trial in result.trials:
        choices = ", ".join(f"{name}={value}" for name, value in trial.choices.items())
        click.echo(f"{trial.number:5d}  {trial.accuracy:8.4f}  {trial.seconds:7.0f}  {choices}")
    settings = " ".join(f"-s {name}={value}" for name, value in result.best.choices.items())
    click.echo(f"best      trial {result.best.number}, validation accuracy {result.best.accuracy:.4f}\npicture   {result.picture}")
    click.echo(f"next      kwstrain run {recipe} {data} {settings}")
