"""The ``kwsfeat`` command. A command parses, calls one library function and prints its report.

One file per group of commands; they alone import click, and import the library inside the commands, so that help is instant.
"""

from __future__ import annotations

import click

from kwsfeat import __version__
from kwsfeat.cli.augment import augment
from kwsfeat.cli.boundary import ended, run_command
from kwsfeat.cli.build import build
from kwsfeat.cli.corpus import fetch, scan, stream_corpus, synth, talk
from kwsfeat.cli.features import presets, warmup
from kwsfeat.cli.file import info, merge, verify
from kwsfeat.cli.pictures import report, show


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="kwsfeat")
def cli() -> None:
    """Recordings to a self-describing, memory-mapped file of speech features.

    \b
    kwsfeat build recordings/ out.h5                 log-mel of a folder per word
    kwsfeat build recordings/ out.h5 --features mfcc --features mel75
    kwsfeat scan recordings/                         what is wrong with them, before anything is built
    kwsfeat info out.h5                              what is in it
    kwsfeat verify out.h5                            whether all of it is intact
    kwsfeat report out.h5 report.html                a page to look at and listen to

    Exit codes: 0 done, 1 failed, 2 wrong usage, 3 done but some inputs were skipped, 4 verification failed, 130 interrupted.
    """


for command in (augment, build, fetch, info, merge, presets, report, scan, show, stream_corpus, synth, talk, verify, warmup):
    cli.add_command(command)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    return ended(run_command(cli, "kwsfeat", arguments), arguments)
