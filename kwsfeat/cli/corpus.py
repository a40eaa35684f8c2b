"""Commands about recordings before they become a file: ``synth``, ``talk``, ``fetch``, ``scan`` and ``stream-corpus``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from kwsfeat.cli.boundary import SKIPPED, wrong_usage
from kwsfeat.cli.console import Console, console_options, one_line
from kwsfeat.cli.options import layout_options, overwrite_option, part_option, range_option, seed_option, threads_option, word_list
from kwsfeat.config.splits import SPLITS
from kwsfeat.corpus.elsewhere.urls import source_path

_FEW_CLIPS = 20  # of a word in a stream: of 20 that are all found, one in six may be missed


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
@click.option("--words", required=True, metavar="WORD,WORD,...|FILE", help="What is spoken: a list, or a file with one word per line.")
@click.option("--voices", type=click.IntRange(min=1), default=60, show_default=True, help="Different speakers.")
@click.option("--takes", type=click.IntRange(min=1), default=5, show_default=True, help="Recordings of each word by each speaker.")
@seed_option(help="Decides voices, levels, places and noise.")
@console_options
def synth(folder: Path, words: str, voices: int, takes: int, seed: int, console: Console) -> None:
    """Write a synthetic corpus.

    Words spoken by espeak-ng with many voices, and noise. It is good for trying the tools, not for judging a keyword
    spotter: real voices differ far more.

    \b
    kwsfeat synth data/demo --words yes,no,up,down --voices 60 --seed 0
    kwsfeat synth data/mine --words words.txt --voices 200 --takes 3
    """
    from kwsfeat.corpus.acquire.synth import read_words, synth_corpus

    names = read_words(words)
    with console.progress("clips") as progress:
        n_clips = synth_corpus(folder, names, n_voices=voices, n_takes=takes, seed=seed, progress=progress)
    console.data(
        f"{folder}: {n_clips:,} clips, {len(names)} words, {voices} synthetic voices",
        {"path": str(folder), "n_clips": n_clips, "words": names, "voices": voices, "seed": seed},
    )


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
@click.argument("texts", type=click.Path(path_type=Path, exists=True, dir_okay=False), nargs=-1, required=True, metavar="TEXT...")
@click.option("--hours", type=click.FloatRange(min=0, min_open=True), default=2.0, show_default=True, help="How much is read.")
@click.option("--without", metavar="WORD,WORD,...", default="", help="Sentences with one of these, within a word too, are left out.")
@seed_option(help="Decides order, voices, levels and pauses.")
@console_options
def talk(folder: Path, texts: tuple[Path, ...], hours: float, without: str, seed: int, console: Console) -> None:
    """Write hours of talk: texts that synthetic voices read.

    Each sentence is read by another of espeak-ng's voices, in random order. It is meant as negatives, beside recordings, for a
    network that is trained to listen. TEXT is plain text, UTF-8: a book, for example.

    \b
    kwsfeat talk negatives/talk book.txt --hours 4 --without happy,bird,zero
    kwstrain fit words.h5 --arch bcresnet-2 --stream --negatives negatives/
    """
    from kwsfeat.corpus.acquire.talk import talk_corpus

    with console.progress("seconds") as progress:
        written = talk_corpus(folder, texts, hours=hours, without=without.split(","), seed=seed, progress=progress)
    console.data(f"{folder}: {written:.2f} h of talk", {"path": str(folder), "hours": round(written, 4), "seed": seed})
    if written < hours:
        console.note(f"the text has ended after {written:.2f} h of {hours:g}: give more")


@click.command()
@click.argument("name", metavar="CORPUS")
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
@click.option("--url", metavar="URL", help="A mirror of the archive.")
@click.option("--sha256", metavar="HEX", help="The mirror's checksum, where its archive is not the original.")
@console_options
def fetch(name: str, folder: Path, url: str | None, sha256: str | None, console: Console) -> None:
    """Download a public corpus.

    CORPUS is speech-commands-v1, speech-commands-v2, fsdd or kaggle-speech. Its checksum is checked before it is unpacked into DIR. A
    download that was interrupted goes on where it stopped when the command is repeated.

    \b
    kwsfeat fetch fsdd data/fsdd
    kwsfeat fetch speech-commands-v2 data/sc --url https://mirror.example/speech_commands_v0.02.tar.gz
    """
    from kwsfeat.corpus.acquire.fetch import CORPORA
    from kwsfeat.corpus.acquire.fetch import fetch as fetch_corpus

    if name in CORPORA:
        console.note(CORPORA[name].about)
    with console.progress("MB") as advance:
        fetch_corpus(name, folder, url=url, sha256=sha256, progress=lambda done, total: advance(done // 10**6, total // 10**6))
    console.data(f"{folder}: {name}, checked and unpacked", {"path": str(folder), "corpus": name})


@click.command()
@click.argument("source", type=source_path, metavar="SOURCE")
@layout_options
@click.option("--labels", metavar="SCHEME|WORD,WORD,...", help="Show the classes that build --labels would make of the words.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Measure N clips only, chosen evenly.")
@threads_option
@console_options
def scan(source: Path | str, labels: str | None, limit: int | None, threads: int | None, console: Console, **layout: Any) -> int:
    """Say what is wrong with recordings.

    Lengths other than 1 s for each label, sample rates, channels, recordings that are clipped, silent, off centre, equal
    to another one (also of another label or split) or unreadable; what a build would take; and shortcuts: a format, rate,
    length, level or noise floor that tells labels apart without the words.

    \b
    kwsfeat scan speech_commands/
    kwsfeat scan recordings.zip --json > scan.json
    kwsfeat scan speech_commands/ --labels commands12

    Exit code 3: some recordings cannot be read.
    """
    from kwsfeat.config.clip import ClipConfig
    from kwsfeat.corpus.labels import class_table, format_class_table
    from kwsfeat.corpus.scan import format_scan, scan_corpus
    from kwsfeat.pipeline.sources import plan_recordings
    from kwsfeat.report.planned import format_planned, planned, with_splits
    from kwsfeat.report.shortcuts import format_shortcuts, shortcuts
    from kwsfeat.threads import thread_count

    rows = plan_recordings(source, ClipConfig(), labels=labels or "all", synthesise=True, **layout)
    classes = class_table(clip.label or "(unlabelled)" for clip in rows.clips)
    console.note(f"{source}: layout {rows.corpus.layout}")
    for note in (*rows.corpus.notes, *rows.split_notes):
        console.note(note)
    with console.progress("clips") as progress:
        found = scan_corpus(rows.corpus, with_splits(rows), limit=limit, threads=thread_count(threads), progress=progress)
    told, plan = shortcuts(found.measured), planned(rows, found)
    listed = format_scan(found, n_listed=len(rows.corpus.clips) if console.verbose else 10)
    text = "\n\n".join((format_class_table(classes), format_planned(plan), f"{listed}\n{format_shortcuts(told)}"))
    values = {
        "source": str(source),
        "layout": rows.corpus.layout,
        "classes": [{"label": name, "count": n, "percent": round(percent, 2)} for name, n, percent in classes],
        "build": plan,
        **found.to_dict(),
        "shortcuts": [shortcut.to_dict() for shortcut in told],
    }
    console.data(text, values)
    return SKIPPED if found.unreadable else 0


@click.command("stream-corpus")
@click.argument("clips", type=click.Path(path_type=Path), metavar="CLIPS")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), metavar="OUT")
@click.option("--words", type=word_list, required=True, metavar="WORD,WORD,...", help="What is to be detected.")
@click.option(
    "--negatives", type=click.Path(path_type=Path), multiple=True, required=True, metavar="DIR",
    help="Recordings in which none of the words is said; repeatable.",
)  # fmt: skip
@click.option(
    "--noise", type=click.Path(path_type=Path), multiple=True, metavar="DIR",
    help="Noise in which the words are said instead, for as long as the negatives, which then have none; repeatable.",
)  # fmt: skip
@part_option
@click.option("--split", type=click.Choice(SPLITS), default="test", show_default=True, help="Of CLIPS, whose clips are placed.")
@range_option("--gap", default="4:12", help="Seconds between words.")
@range_option("--snr", default="0:20", help="dB of a word over what is heard under it.")
@range_option("--level", default="-40:-25", help="dB under full scale of the negatives.")
@click.option("--room", type=click.FloatRange(0, 1), default=0.0, show_default=True, help="Share of words that are heard in a room.")
@click.option("--others", type=click.FloatRange(0, 1), default=0.25, show_default=True, help="Share of clips of other words.")
@click.option("--hours", type=float, metavar="H", help="At most so much, evenly from each folder of negatives  [default: all there is]")
@click.option("--length", "length_s", type=float, default=600.0, show_default=True, metavar="S", help="Seconds of one stream, at most.")
@click.option("--format", "audio", type=click.Choice(("flac", "wav")), default="flac", show_default=True)
@click.option("--sr", type=click.IntRange(1000, 192_000), default=16000, show_default=True, help="Hz.")
@seed_option(help="Decides what is said where and how loud.")
@overwrite_option
@console_options
def stream_corpus(
    clips: Path, folder: Path, words: list[str], negatives: tuple[Path, ...], part: tuple[int, int], gap: tuple[float, float],
    snr: tuple[float, float], level: tuple[float, float], room: float, console: Console, **choices: Any,
) -> None:  # fmt: skip
    """Make streams to calibrate and score a detector on: words placed into hours of something else.

    CLIPS is a file that was built, whose splits keep the speakers of training and test apart, or a corpus. OUT gets a recording and
    a table of what is said when for each stream, and stream.toml, which lists them. The folders of the negatives are the sources
    that false accepts are counted by. For thresholds that are chosen and scored on different streams, take other splits and parts:

    \b
    kwsfeat stream-corpus words.h5 tune --words yes,no --negatives negatives/ --split validation --part 1/2
    kwsfeat stream-corpus words.h5 heard --words yes,no --negatives negatives/ --split test --part 2/2

    There words are said over what the negatives are, over other people's speech too. In noise, and false accepts counted in the
    negatives:

    \b
    kwsfeat stream-corpus words.h5 heard --words yes,no --negatives negatives/ --noise noise/ --split test --part 2/2
    """
    from kwsfeat.pipeline.streams.mix import MixConfig
    from kwsfeat.pipeline.streams.write import make_streams

    with wrong_usage():
        config = MixConfig(gap_s=gap, snr_db=snr, level_db=level, room=room)
    with console.progress("recordings") as progress:
        made = make_streams(
            clips, folder, words=words, negatives=negatives, part=part,
            config=config, progress=progress, **choices,
        )  # fmt: skip
    for word, n in made.recorded.items():
        if n < _FEW_CLIPS:
            clips_are = f"{n} clip{'s are' if n > 1 else ' is'}"
            console.note(f"{one_line(word)}: {clips_are} said {made.said.get(word, 0)} times: little is learned from so few")
    said = ", ".join(f"{one_line(word)} {n:,}" for word, n in made.said.items())
    heard = ", ".join(f"{one_line(source)} {hours:.2f} h" for source, hours in made.hours.items())
    console.data(
        f"{folder}: {made.n_streams} streams, {sum(made.hours.values()):.2f} h: {heard}\n"
        f"said: {said}; of {made.n_clips:,} clips by {made.n_speakers:,} known speakers of the {choices['split']} split",
        {
            "path": str(folder),
            "n_streams": made.n_streams,
            "hours": made.hours,
            "said": made.said,
            "recorded": made.recorded,
            "n_clips": made.n_clips,
            "n_speakers": made.n_speakers,
        },
    )
