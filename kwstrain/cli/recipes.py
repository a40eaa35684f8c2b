"""Commands about recipes and networks: ``recipes``, ``run``, ``tune``, ``models``."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kwsfeat.cli.boundary import wrong_usage
from kwsfeat.cli.console import Console, console_options
from kwsfeat.cli.options import overwrite_option, part_option
from kwstrain.cli.common.progress import TrainingProgress
from kwstrain.cli.results import evaluation_text, note_next
from kwstrain.cli.training import assignments, fit_text, fit_values, keeping, negatives_option, note_remarks, resume_option

if TYPE_CHECKING:
    from kwstrain.models import ModelRow

_SET_HELP = "Override a field, such as train.lr=0.01, build.labels=yes,no or options.units=64; repeatable."


@click.command()
@console_options
def recipes(console: Console) -> None:
    """List the recipes, from recordings to an evaluated run, and the training of each network without a recipe."""
    from kwstrain.models import specs
    from kwstrain.recipes import run as library

    loaded = [library.load(name) for name in library.names()]
    width = max(len(name) for name in [*(one.name for one in loaded), *specs()])
    lines = [f"{one.name:{width}}  {one.about}" for one in loaded]
    lines += ["", "defaults of kwstrain fit --arch NAME:"]
    lines += [f"{one.name:{width}}  {', '.join(f'{k}={v}' for k, v in one.training.items()) or '-'}" for one in specs().values()]
    values = {one.name: {"about": one.about, "build": one.build, "train": one.train.to_dict()} for one in loaded}
    console.data("\n".join(lines), {**values, "networks": {one.name: dict(one.training) for one in specs().values()}})


@click.command()
@console_options
def models(console: Console) -> None:
    """List the networks: input, parameters, multiply-adds per second of audio, receptive field, look-ahead, source.

    The receptive field is the audio that one frame of the network's output depends on, and the look-ahead is the part of it that
    comes later; - is a network that sees its whole input at once. All are counted in the operations of the network.
    """
    from kwstrain.models import table
    from kwstrain.streaming.find import streams

    rows = [(row, streams(row.name.split()[0])) for row in table()]
    head = ("network", "input", "total", "trainable", "fixed", "MMAC/s", "sees ms", "ahead ms", "streams")
    cells = [head, *(_row_cells(row, can) for row, can in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "  ".join([first.ljust(widths[0]), *map(str.rjust, others, widths[1:]), source])
        for (first, *others), source in zip(cells, ["source", *(row.source for row, _ in rows)], strict=True)
    ]
    console.data("\n".join(lines), [{**asdict(row), "streams": can} for row, can in rows])


def _row_cells(row: ModelRow, streams: str) -> tuple[str, ...]:
    """A line of ``models`` without the source."""
    times = [f"{value:,.0f}" if value is not None else "-" for value in (row.receptive_field_ms, row.look_ahead_ms)]
    counts = [f"{n:,}" for n in (row.total, row.trainable, row.non_trainable)]
    return row.name, " x ".join(map(str, row.input_shape)), *counts, f"{row.multiply_adds_per_s / 1e6:,.2f}", *times, streams


@click.command()
@click.argument("recipe", metavar="RECIPE")
@click.argument("data", type=click.Path(path_type=Path), metavar="DATA_DIR")
@click.option("--out", type=click.Path(path_type=Path), metavar="RUN", help="The run folder  [default: runs/RECIPE]")
@click.option("-s", "--set", "changes", multiple=True, metavar="KEY=VALUE", help=_SET_HELP)
@negatives_option
@part_option
@overwrite_option
@resume_option
@console_options
def run(
    recipe: str, data: Path, out: Path | None, changes: tuple[str, ...], negatives: tuple[Path, ...], part: tuple[int, int],
    overwrite: bool, resume: bool, console: Console,
) -> None:  # fmt: skip
    """Build, train and evaluate as RECIPE says, a name of kwstrain recipes or a TOML file.

    DATA_DIR is a corpus that kwsfeat build understands, or a file that it wrote. The features go to RUN.h5.

    \b
    kwstrain run logspec-cnn speech_commands/ --out runs/c
    kwstrain run mel-lstm fsdd/ -s epochs=5 -s options.units=64
    kwstrain run v2-12 speech_commands_v2/ -s arch=bcresnet-2
    kwstrain run stream-bcresnet speech_commands/ --negatives radio/ --part 1/3
    """
    from kwstrain.recipes import run as library

    with wrong_usage():
        chosen = library.load(recipe).changed(assignments(changes))
    out = out or Path("runs") / chosen.name
    with TrainingProgress(console) as progress, keeping(out):
        result = library.run(
            chosen, data, out, negatives=negatives, part=part, overwrite=overwrite, resume=resume,
            on_build=progress.build, on_tick=progress,
        )  # fmt: skip
    note_remarks(result.file, console)
    console.data(
        f"{fit_text(result.fit)}\n{evaluation_text(result.evaluation)}" + (f" on {result.protocol}" if result.protocol else ""),
        {"fit": fit_values(result.fit), "evaluation": result.evaluation.to_dict(), "protocol": result.protocol},
    )
    note_next(result.evaluation, console)


@click.command()
@click.argument("recipe", metavar="RECIPE")
@click.argument("data", type=click.Path(path_type=Path), metavar="DATA_DIR")
@click.option(
    "--trials", type=click.IntRange(min=1), default=20, show_default=True, help="Number of trials, including those of earlier calls."
)
@click.option("--out", type=click.Path(path_type=Path), metavar="FOLDER", help="[default: runs/tune-RECIPE]")
@click.option("-s", "--set", "changes", multiple=True, metavar="KEY=VALUE", help=_SET_HELP)
@console_options
def tune(recipe: str, data: Path, trials: int, out: Path | None, changes: tuple[str, ...], console: Console) -> None:
    """Search the space in RECIPE's [search] for the best validation accuracy; the same command continues where it stopped.

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
    settings = " ".join(f"-s {shlex.quote(f'{name}={_as_toml(value)}')}" for name, value in result.best.choices.items())
    lines += [
        f"best      trial {result.best.number}, validation accuracy {result.best.accuracy:.4f}",
        f"picture   {result.picture}",
    ]
    values = {"trials": [asdict(trial) for trial in result.trials], "best": result.best.number, "picture": str(result.picture)}
    console.data("\n".join(lines), values)
    console.next(f"kwstrain run {shlex.quote(recipe)} {shlex.quote(str(data))} {settings}")


def _as_toml(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value
