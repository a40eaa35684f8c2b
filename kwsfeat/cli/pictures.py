"""Commands that draw: ``report`` and ``show``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from kwsfeat.cli.console import Console, console_options
from kwsfeat.cli.options import check_new, layout_options, overwrite_option, threads_option


@click.command()
@click.argument("source", type=click.Path(path_type=Path), metavar="SOURCE|FILE.h5")
@click.argument("output", type=click.Path(path_type=Path), metavar="OUT.html")
@layout_options
@click.option("--limit", type=click.IntRange(min=1), default=20_000, show_default=True, metavar="N", help="Read at most N recordings.")
@threads_option
@overwrite_option
@console_options
def report(source: Path, output: Path, limit: int, threads: int | None, overwrite: bool, console: Console, **layout: Any) -> None:
    """Write a page about recordings or a file.

    One HTML file with tables, pictures, sound and anomalies. It needs no network and no scripts.

    \b
    kwsfeat report speech_commands/ report.html
    kwsfeat report out.h5 report.html
    """
    from kwsfeat.report.report import write_report
    from kwsfeat.threads import thread_count

    check_new(output, overwrite=overwrite)
    with console.progress("steps") as progress:
        path = write_report(source, output, **layout, limit=limit, threads=thread_count(threads), progress=progress)
    console.data(f"{path}: {path.stat().st_size / 1e6:.1f} MB", {"path": str(path), "bytes": path.stat().st_size})


@click.command()
@click.argument("recording", type=click.Path(path_type=Path), metavar="FILE.wav")
@click.option("--out", "output", type=click.Path(path_type=Path), metavar="OUT.png", help="[default: FILE.png, in this folder]")
@overwrite_option
@console_options
def show(recording: Path, output: Path | None, overwrite: bool, console: Console) -> None:
    """Draw one recording.

    Waveform, amplitude spectrum, spectrogram, mel spectrogram and MFCC in one picture.

    \b
    kwsfeat show yes.wav
    kwsfeat show yes.wav --out pictures/yes.png
    """
    from kwsfeat.audio.read import read_samples
    from kwsfeat.report.figures import clip_picture

    path = output or Path(recording.stem + ".png")
    check_new(path, overwrite=overwrite, source=recording)
    y, sr = read_samples(recording)
    clip_picture(y, sr, f"{recording.name}: {len(y) / sr:.3f} s at {sr:,} Hz", path)
    console.data(str(path), {"path": str(path), "n_samples": len(y), "sr": sr})
