"""Commands about a finished file: ``info`` and ``verify``."""

from __future__ import annotations

from pathlib import Path

import click

from kwsfeat.cli.console import Console, console_options


@click.command(short_help="Print what a file holds.")
@click.argument("path", type=click.Path(path_type=Path), metavar="FILE.h5")
@console_options
def info(path: Path, console: Console) -> None:
    """Print what a file holds: configuration, shapes, classes, splits, speakers, sizes.

    \b
    kwsfeat info out.h5
    kwsfeat info out.h5 --json
    """
    from kwsfeat.dataset.reader import Reader
    from kwsfeat.report.summary import format_summary, summary

    with Reader(path) as reader:
        values = summary(reader)
    console.data(format_summary(values), values)


@click.command(short_help="Check that every bit of a file is intact.")
@click.argument("path", type=click.Path(path_type=Path), metavar="FILE.h5")
@console_options
def verify(path: Path, console: Console) -> int:
    """Check a file: layout, checksums of every byte, fingerprints, counts, finite features.

    \b
    kwsfeat verify out.h5
    kwsfeat verify out.h5 --json

    Exit code 0 when all of it is intact, 4 when it is not.
    """
    from kwsfeat.dataset.verify import verify_file
    from kwsfeat.errors import VerificationError

    with console.progress("block") as progress:
        report = verify_file(path, progress=progress)
    values = {
        "path": str(path),
        "intact": not report.problems,
        "n_bytes": report.n_bytes,
        "n_blocks": report.n_blocks,
        "problems": report.problems,
    }
    if report.problems:
        console.data("\n".join(report.problems), values)
        return VerificationError.exit_code
    console.data(f"{path}: intact ({report.n_bytes:,} bytes, {report.n_blocks} blocks, {report.n_clips:,} clips)", values)
    return 0
