"""Options that several commands have, and what they mean."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click

from kwsfeat.config.seed import MOST_SEED
from kwsfeat.errors import StoreError


def low_high(text: str) -> tuple[float, float]:
    """Two ascending numbers from ``LOW:HIGH``, or one number for both."""
    try:
        numbers = [float(part) for part in text.split(":")]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, 2) or not numbers[0] <= numbers[-1]:
        raise click.BadParameter(f"{text!r} is not LOW:HIGH: two ascending numbers, or one.")
    return numbers[0], numbers[-1]


def word_list(text: str) -> list[str]:
    """The words of ``WORD,WORD,...``, where quotes hold one with a comma, as ``--labels`` takes them."""
    from kwsfeat.corpus.labels import split_list

    return list(dict.fromkeys(word.strip() for word in split_list(text) if word.strip()))


def k_of_n(text: str) -> tuple[int, int]:
    """The two numbers of ``K/N``."""
    k, slash, n = text.partition("/")
    if not (slash and k.isdecimal() and n.isdecimal()):
        raise click.BadParameter(f"{text!r} is not K/N, such as 1/2.")
    return int(k), int(n)


part_option = click.option(
    "--part", type=k_of_n, default="1/1", show_default=True, metavar="K/N",
    help="Every N-th recording of the negatives, from the K-th on.",
)  # fmt: skip
range_option = partial(click.option, type=low_high, metavar="LOW:HIGH", show_default=True)
threads_option = click.option("--threads", type=click.IntRange(min=1), metavar="N", help="[default: one per processor, at most 16]")
seed_option = partial(click.option, "--seed", type=click.IntRange(0, MOST_SEED), default=0, show_default=True)
overwrite_option = click.option("--overwrite", is_flag=True, help="Replace what exists.")


def layout_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say where labels stand: ``--layout``, ``--pattern``, ``--label-level`` and ``--raw``."""
    for option in (
        click.option("--raw", metavar="CODING:HZ", help="What files without a header (.ulaw, .raw) hold: ulaw:8000, alaw:8000, s16:16000."),
        click.option("--label-level", type=int, metavar="N", help="Which folder is the label: 1 the outermost, -1 the innermost."),
        click.option("--pattern", metavar="PATTERN", help="How paths end: '{label}/{speaker}/*', '{speaker}-{label}-{take}'."),
        click.option("--layout", metavar="LAYOUT", help="The name of a layout (words, speakers, ...), instead of finding out."),
    ):
        command = option(command)
    return command


def check_new(path: Path, *, overwrite: bool, source: Path | None = None) -> None:
    """Refuse to replace a file that nobody said may go.

    Raises
    ------
    StoreError
        If `path` is a folder, or exists and `overwrite` is not given, or is the `source` that is read.
    """
    if path.is_dir():
        raise StoreError(f"{path}: is a folder: give the name of a file")
    if path.exists() and not overwrite:
        raise StoreError(f"{path} exists: choose another name or use --overwrite")
    if source is not None and path.exists() and source.exists() and path.samefile(source):
        raise StoreError(f"{path} is what is read: choose another name for what is written")
