"""Commands about recordings before they become a file: ``synth``."""

from __future__ import annotations

from pathlib import Path

import click

from kwsfeat.cli.console import Console, console_options


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
@click.option("--words", required=True, metavar="WORD,WORD,...|FILE", help="What is spoken: a list, or a file with a word a line.")
@click.option("--voices", type=click.IntRange(min=1), default=60, show_default=True, help="Different speakers.")
@click.option("--takes", type=click.IntRange(min=1), default=1, show_default=True, help="Recordings of each word by each speaker.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Decides voices, levels, places and noise.")
@console_options
def synth(folder: Path, words: str, voices: int, takes: int, seed: int, console: Console) -> None:
    """Write a synthetic corpus: words spoken by espeak-ng with many voices, and noise.

    It is good for trying the tools, not for judging a keyword spotter: real voices differ far more.

    \b
    kwsfeat synth data/demo --words yes,no,up,down --voices 60 --seed 0
    kwsfeat synth data/mine --words words.txt --takes 3
    """
    from kwsfeat.synth import read_words, synth_corpus

    names = read_words(words)
    with console.progress("clips") as progress:
        n_clips = synth_corpus(folder, names, n_voices=voices, n_takes=takes, seed=seed, progress=progress)
    console.data(
        f"{folder}: {n_clips:,} clips, {len(names)} words, {voices} synthetic voices",
        {"path": str(folder), "n_clips": n_clips, "words": names, "voices": voices, "seed": seed},
    )
