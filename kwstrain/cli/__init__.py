"""The ``kwstrain`` command. A command parses, calls one library function and prints its report."""

from __future__ import annotations

from importlib.util import find_spec

import click

from kwsfeat import __version__
from kwsfeat.cli.boundary import ended, failed, run_command
from kwstrain.cli.compiled import kept_compiled
from kwstrain.cli.detection import calibrate, detect, score
from kwstrain.cli.export import check, export
from kwstrain.cli.listening import listen, serve
from kwstrain.cli.predict import predict
from kwstrain.cli.recipes import models, recipes, run, tune
from kwstrain.cli.results import compare, evaluate
from kwstrain.cli.studio import studio
from kwstrain.cli.teaching import bank, distil, teach
from kwstrain.cli.training import fit

NEEDED = ("jax", "flax", "optax", "tensorboardX", "matplotlib")
CURE = "the trainer needs more: in a clone, pip install '.[train]'"


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="kwstrain")
def cli() -> None:
    """Train keyword spotters with JAX on the files that kwsfeat builds.

    \b
    kwstrain fit out.h5 --arch cnn --out runs/cnn     train on out.h5
    kwstrain evaluate runs/cnn                        accuracy on its test split
    kwstrain predict runs/cnn clip.wav                path, label, probability
    kwstrain export runs/cnn words.onnx --to onnx     for other runtimes
    kwstrain run logspec-cnn recordings/              build, train, evaluate as published
    kwstrain teach marvin/ --out runs/marvin          a word of your own from a few recordings
    kwstrain studio                                   the same on a page, with the browser's microphone
    kwstrain detect runs/cnn evening.flac             which words are heard when, in hours of audio

    Exit codes: 0 done, 1 failed, 2 wrong usage, 3 done but some inputs were skipped, 130 interrupted.
    """


for command in (
    fit, teach, bank, distil, studio, evaluate, predict, export, check, run, recipes, models, compare, tune, detect, score, calibrate,
    listen, serve,
):  # fmt: skip
    cli.add_command(command)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    if missing := [name for name in NEEDED if find_spec(name) is None]:
        return failed("kwstrain", f"{', '.join(missing)} not installed: {CURE}")
    try:
        with kept_compiled():
            code = run_command(cli, "kwstrain", arguments)
        return ended(code, arguments)
    except ImportError as error:  # there, but broken
        return failed("kwstrain", f"{error}: {CURE}")
