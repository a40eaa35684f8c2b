"""The ``kwstrain`` command. A command parses, calls one library function and prints its report; errors become exit codes here."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec

import click

from kwsfeat import KwsError, __version__
from kwstrain.cli.recipes import models, recipes, run, tune
from kwstrain.cli.results import compare, evaluate, predict
from kwstrain.cli.training import fit

FAILED = 1
INTERRUPTED = 130
NEEDED = ("jax", "flax", "optax", "tensorboardX", "matplotlib")
CURE = "the trainer needs pip install 'kwsfeat[train]', or from a checkout pip install '.[train]'"


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="kwstrain")
def cli() -> None:
    """Train keyword spotters with JAX on the files that kwsfeat builds.

    \b
    kwstrain fit out.h5 --arch cnn --out runs/cnn     train on out.h5
    kwstrain evaluate runs/cnn                        accuracy on its test split
    kwstrain predict runs/cnn clip.wav                path, label, probability
    kwstrain run logspec-cnn recordings/              build, train, evaluate as system C does

    Exit codes: 0 done, 1 failed, 2 wrong usage, 3 done but some inputs were skipped, 130 interrupted.
    """


for command in (fit, evaluate, predict, run, recipes, models, compare, tune):
    cli.add_command(command)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code. The one place where an error becomes a line on stderr."""
    if missing := [name for name in NEEDED if find_spec(name) is None]:
        return _failed(f"{', '.join(missing)} not installed: {CURE}", FAILED)
    try:
        code = cli.main(args=arguments, prog_name="kwstrain", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except KwsError as error:
        return _failed(str(error), error.exit_code)
    except ImportError as error:  # there, but broken
        return _failed(f"{error}: {CURE}", FAILED)
    except (click.Abort, KeyboardInterrupt):
        return _failed("interrupted", INTERRUPTED)
    except BrokenPipeError:  # the reader of our output has gone, as in `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except OSError as error:
        return _failed(f"{error.filename}: {error.strerror}" if error.filename else str(error), FAILED)
    return code if isinstance(code, int) else 0


def _failed(message: str, code: int) -> int:
    print(f"kwstrain: {message}", file=sys.stderr)
    return code
