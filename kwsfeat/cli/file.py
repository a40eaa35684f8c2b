"""Commands about finished files: ``info``, ``verify`` and ``merge``."""

from __future__ import annotations

from pathlib import Path

import click

from kwsfeat.cli.console import Console, console_options
from kwsfeat.cli.options import overwrite_option


@click.command(short_help="Print what a file holds.")
@click.argument("path", type=click.Path(path_type=Path), metavar="FILE.h5|FOLDER")
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
@click.argument("path", type=click.Path(path_type=Path), metavar="FILE.h5|FOLDER")
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


@click.command(short_help="Put files together to one data set.")
@click.argument("paths", type=click.Path(path_type=Path), metavar="FILE.h5|FOLDER...", nargs=-1, required=True)
@click.argument("output", type=click.Path(path_type=Path), metavar="OUT")
@overwrite_option
@console_options
def merge(paths: tuple[Path, ...], output: Path, overwrite: bool, console: Console) -> None:
    """Put files and folders together to the folder OUT, which every command takes as it takes a file.

    They must have the same labels and features. Each is compared with its checksums, and linked into OUT, or copied where the disk has
    no links.

    \b
    kwsfeat merge a.h5 b.h5 both
    kwsfeat merge monday/ tuesday/ week
    """
    from kwsfeat.dataset.reader import Reader
    from kwsfeat.pipeline.shards.merge import merge_files

    with console.progress("clips") as progress:
        merge_files(paths, output, overwrite=overwrite, progress=progress)
    with Reader(output) as reader:
        values = {"path": str(output), "n_clips": reader.n_clips, "files": reader.n_files, "seal": reader.seal}
        console.data(f"{output}: {reader.n_clips:,} clips in {reader.n_files} files", values)
