"""Commands that draw: ``report`` and ``show``."""

from __future__ import annotations

from pathlib import Path

import click

from kwsfeat.cli.console import Console, console_options


@click.command()
@click.argument("source", type=click.Path(path_type=Path), metavar="SOURCE|FILE.h5")
@click.argument("output", type=click.Path(path_type=Path), metavar="OUT.html")
@click.option("--layout", metavar="LAYOUT", help="words, kaggle, fsdd, speakers, manifest or unlabelled, instead of finding out.")
@click.option("--limit", type=click.IntRange(min=1), default=20_000, show_default=True, metavar="N", help="Read at most N recordings.")
@click.option("--threads", type=click.IntRange(min=1), default=2, show_default=True)
@console_options
def report(source: Path, output: Path, layout: str | None, limit: int, threads: int, console: Console) -> None:
    """Write a page about recordings or a file.

    One HTML file with tables, pictures, sound and anomalies. It needs no network and no scripts. An existing one is replaced.

    \b
    kwsfeat report speech_commands/ report.html
    kwsfeat report out.h5 report.html
    """
    from kwsfeat.report.report import write_report

    with console.progress("steps") as progress:
        path = write_report(source, output, layout=layout, limit=limit, threads=threads, progress=progress)
    console.data(f"{path}: {path.stat().st_size / 1e6:.1f} MB", {"path": str(path), "bytes": path.stat().st_size})


@click.command()
@click.argument("recording", type=click.Path(path_type=Path), metavar="FILE.wav")
@click.option("--out", "output", type=click.Path(path_type=Path), metavar="OUT.png", help="[default: FILE.png, in this folder]")
@console_options
def show(recording: Path, output: Path | None, console: Console) -> None:
    """Draw one recording.

    Waveform, amplitude spectrum, spectrogram, mel spectrogram and MFCC in one picture.

    \b
    kwsfeat show yes.wav
    kwsfeat show yes.wav --out pictures/yes.png
    """
    from kwsfeat.audio.read import read_samples
    from kwsfeat.report.figures import clip_picture

    y, sr = read_samples(recording)
    path = output or Path(recording.stem + ".png")
    clip_picture(y, sr, f"{recording.name}: {len(y) / sr:.3f} s at {sr:,} Hz", path)
    console.data(str(path), {"path": str(path), "n_samples": len(y), "sr": sr})
