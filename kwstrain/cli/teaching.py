"""Commands about words of one's own: ``teach``, ``bank`` and ``distil``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kwsfeat import list_recordings, recordings_once
from kwsfeat.cli.boundary import wrong_usage
from kwsfeat.cli.console import Console, console_options, one_line
from kwsfeat.cli.options import check_new, overwrite_option, seed_option

if TYPE_CHECKING:
    from kwstrain.teaching.takes.recordings import Fault
    from kwstrain.teaching.teach import Taught
    from kwstrain.teaching.words import TaughtWords

embedding_option = click.option(
    "--embedding", default="google", show_default=True, metavar="google|ours|RUN|FILE", help="What hears: google needs the extra teach."
)
_FOLDER = click.Path(path_type=Path, file_okay=False, exists=True)


@click.command()
@click.argument("folder", type=_FOLDER, metavar="[FOLDER]", required=False)
@click.option("--say", metavar="TEXT", help="What synthetic voices say; [[...]] holds espeak-ng's phonemes  [default: the word]")
@click.option("--out", type=click.Path(path_type=Path), metavar="RUN", help="The run folder  [default: runs/WORD]")
@click.option("--name", metavar="WORD", help="What the word is called  [default: as FOLDER, or as what is said]")
@click.option("--negatives", type=_FOLDER, multiple=True, metavar="DIR", help="Sound without the word; repeatable.")
@click.option("--add-negatives", type=_FOLDER, multiple=True, metavar="DIR", help="Sound that was mistaken for the word; repeatable.")
@embedding_option
@click.option("--fa-per-hour", "per_hour", type=float, default=0.5, show_default=True, metavar="X", help="False accepts to allow.")
@click.option("--voices", type=click.IntRange(0, 10_000), default=60, show_default=True, metavar="N", help="Of espeak-ng; 0 is none.")
@click.option("--keep-all", is_flag=True, help="Use recordings, too, that are unlike the others.")
@seed_option()
@overwrite_option
@console_options
def teach(
    folder: Path | None, say: str | None, out: Path | None, name: str | None, negatives: tuple[Path, ...], add_negatives: tuple[Path, ...],
    embedding: str, per_hour: float, voices: int, keep_all: bool, seed: int, overwrite: bool, console: Console,
) -> None:  # fmt: skip
    """Teach a word of your own: from recordings in FOLDER, from its spelling, or from both.

    FOLDER holds 5 to 50 recordings of one word, of any length up to 30 s, with silence around it; or a folder for each of several words,
    which makes a classifier for kwstrain predict. The run that comes out is one as any
    other: kwstrain listen, detect, score, calibrate, serve and export work on it.

    \b
    kwstrain teach marvin/ --out runs/marvin
    kwstrain teach words/ --out runs/words
    kwstrain teach --say "hey marvin" --out runs/marvin
    kwstrain teach marvin/ --out runs/marvin --add-negatives heard/ --overwrite
    """
    from kwstrain.teaching.choices import Choices
    from kwstrain.teaching.teach import teach_word
    from kwstrain.teaching.words import teach_words, word_folders

    if folder is None and not say:
        raise click.UsageError("give a FOLDER of recordings, or what voices shall --say")
    word = name or (folder.resolve().name if folder is not None else _word(say or ""))
    with wrong_usage():
        choices = Choices(
            embedding=embedding, negatives=negatives, hard=add_negatives, per_hour=per_hour, voices=voices, keep_all=keep_all, seed=seed
        )
    if folder is not None and (folders := word_folders(folder)):
        words = teach_words(folders, out or Path("runs") / word, choices=choices, overwrite=overwrite, note=console.note)
        _note_faults(words.faults, console)
        console.data(words_text(words), words.to_dict())
        console.next(f"kwstrain predict {words.run} RECORDING")
        return
    with console.progress("windows") as advance:

        def note(text: str) -> None:
            advance.clear()
            console.note(text)

        taught = teach_word(
            folder, out or Path("runs") / word.replace(" ", "-"), word, say=say or "", choices=choices, overwrite=overwrite,
            note=note, progress=advance,
        )  # fmt: skip
    _note_faults(taught.faults, console)
    for text in taught.remarks:
        console.note(one_line(text))
    console.data(taught_text(taught), taught.to_dict())
    console.next(f"kwstrain listen {taught.run}", f"kwstrain detect {taught.run} RECORDING")


def taught_text(taught: Taught) -> str:
    """What was taught, in some lines."""
    from kwstrain.teaching.report import PAGE

    found, false = taught.found, taught.false_accepts
    low, high = (100 * (1 - bound) for bound in reversed(found.interval))
    judged = "recordings, each left out once" if taught.used else "voices"
    return "\n".join((
        f"{taught.run}: {one_line(taught.word)}, from {len(taught.used)} recordings and {taught.voices} voices",
        f"embedding {taught.embedding}",
        f"found     {found.said - found.n} of {found.said} {judged}: {100 * (1 - found.rate):.1f} % ({low:.0f} to {high:.0f})",
        f"false     {false.n} in {false.hours:.1f} h of negatives: {false.per_hour:.2f}/h ({false.interval[0]:.2f} to "
        f"{false.interval[1]:.2f}); allowed {taught.per_hour:g}/h",
        f"credit    {taught.credit}",
        f"report    {taught.run / PAGE}",
    ))  # fmt: skip


def words_text(taught: TaughtWords) -> str:
    """What was taught, in some lines."""
    wrong, threshold = taught.all_wrong, taught.threshold
    refused = "nothing: 20 recordings would tell what to" if threshold is None else f"answers below {threshold:.2f}"
    return "\n".join((
        f"{taught.run}: {', '.join(map(one_line, taught.words))}, from {taught.used} recordings",
        f"right     {wrong.said - wrong.n} of {wrong.said} recordings, left out in fifths: {100 * (1 - wrong.rate):.1f} %",
        f"refused   {refused}",
        f"credit    {taught.credit}",
    ))  # fmt: skip


def _note_faults(faults: Iterable[Fault], console: Console) -> None:
    for fault in faults:
        console.note(f"left out: {one_line(str(fault.path))}: {one_line(fault.reason)}")


@click.command()
@click.argument("folders", nargs=-1, required=True, type=_FOLDER, metavar="FOLDER...")
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="BANK.npz")
@click.option("--words", type=_FOLDER, metavar="DIR", help="A folder of each of some words, said by many people: how one word varies.")
@click.option("--source", "sources", multiple=True, metavar="TEXT", help="What is heard, and its licence; repeatable.")
@embedding_option
@overwrite_option
@console_options
def bank(
    folders: tuple[Path, ...], out: Path, words: Path | None, sources: tuple[str, ...], embedding: str, overwrite: bool, console: Console
) -> None:
    """Describe sound without words for kwstrain teach: vectors of an embedding, rounded, and how they vary.

    \b
    kwstrain bank speech/ music/ --out google.npz --source "speech: CC BY 4.0, somebody" --words speech_commands/
    """
    from kwstrain.teaching.bank import Bank, fingerprint, hear
    from kwstrain.teaching.embeddings.embedding import embedding as embedding_of
    from kwstrain.teaching.words import windows_of_words

    check_new(out, overwrite=overwrite)
    e = embedding_of(embedding)
    streams, failed = hear(e, recordings_once([path for folder in folders for path in list_recordings(folder)]))
    for path, reason in failed:
        console.note(f"unreadable: {one_line(str(path))}: {one_line(reason)}")
    made = Bank.of_streams(fingerprint(e), list(streams.values()), e.hop_s, sources, windows_of_words(e, words) if words else [])
    made.save(out)
    size = out.stat().st_size
    console.data(
        f"{out}: {made.hours:.2f} h in {len(streams)} recordings, {size / 1e6:.2f} MB",
        {"path": str(out), "hours": made.hours, "recordings": len(streams), "bytes": size},
    )


@click.command()
@click.argument("folders", nargs=-1, type=_FOLDER, metavar="FOLDER...")
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="FILE.npz")
@click.option(
    "--words",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    metavar="FILE",
    help="A word to a line, which synthetic voices say, some at a time.",
)
@click.option("--without", multiple=True, metavar="PATTERN", help="Recordings to leave out, as FOLDER/happy/*; repeatable.")
@click.option("--noise", type=_FOLDER, multiple=True, metavar="DIR", help="Noise that is mixed in; repeatable.")
@click.option("--teacher", default="google", show_default=True, metavar="google|RUN|FILE", help="The embedding that is learnt from.")
@click.option("--hours", type=float, default=8.0, show_default=True, metavar="H", help="Of sound.")
@click.option("--spoken", type=click.FloatRange(0, 1), default=0.6, show_default=True, metavar="X", help="Share that voices speak.")
@click.option("--epochs", type=int, default=2, show_default=True, metavar="N")
@click.option("--width", type=click.IntRange(min=4), default=22, show_default=True, metavar="N", help="Of the network; Google's has 24.")
@seed_option(type=click.IntRange(0, (1 << 63) - 1))  # as the network draws its weights
@overwrite_option
@console_options
def distil(
    folders: tuple[Path, ...], out: Path, words: Path | None, without: tuple[str, ...], noise: tuple[Path, ...], teacher: str,
    hours: float, spoken: float, epochs: int, width: int, seed: int, overwrite: bool, console: Console,
) -> None:  # fmt: skip
    """Make a smaller embedding that hears as a larger one does, from any recordings and from words that voices say.

    FILE.npz is for --embedding, after kwstrain bank has made its bank of negatives. Speakers and words that Speech Commands' rule puts
    into validation choose the epoch; those of its test part are not heard.

    \b
    kwstrain distil speech_commands/ talk/ --words words.txt --out small.npz
    """
    from kwstrain.teaching.distil.distil import Choices
    from kwstrain.teaching.distil.distil import distil as make
    from kwstrain.teaching.distil.sounds import Sounds
    from kwstrain.teaching.distil.train import Progress

    check_new(out, overwrite=overwrite)
    with wrong_usage():
        lines = [] if words is None else words.read_text(encoding="utf-8-sig").splitlines()
        said = tuple(dict.fromkeys(filter(None, map(str.strip, lines))))
        sounds = Sounds(folders, without, said, spoken)
        choices = Choices(teacher=teacher, hours=hours, epochs=epochs, width=width, noise=noise, seed=seed)

    def tell(now: Progress) -> None:
        console.note(
            f"epoch {now.epoch}: loss {now.train_loss:.4f}, on validation {now.loss:.4f}, cosine {now.cosine:.4f}, {now.seconds:.0f} s"
        )

    with console.progress("parts") as advance:

        def note(text: str) -> None:
            advance.clear()
            console.note(text)

        made = make(sounds, out, choices, note=note, progress=advance, tell=tell)
    console.data(
        f"{made.path}: {made.n_weights:,} weights, {made.hours:.1f} h of sound\n"
        f"cosine    {made.cosine:.4f} on other speakers and words, after epoch {made.epoch}",
        made.to_dict(),
    )
    console.next(f"kwstrain bank NEGATIVES/ --embedding {made.path} --out bank.npz")


def _word(text: str) -> str:
    """What is said, without its phonemes' brackets."""
    return text.replace("[[", "").replace("]]", "").strip()
