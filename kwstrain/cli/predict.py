"""The command ``predict``: which recordings it takes, and how it writes the answers."""

from __future__ import annotations

import csv
import io
import os
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from kwsfeat import CorpusError, list_recordings, unknown_name
from kwsfeat.cli.boundary import SKIPPED
from kwsfeat.cli.console import Console, console_options, one_line
from kwsfeat.cli.options import check_new, overwrite_option, threads_option
from kwstrain.cli.common.several import Several, several_option

if TYPE_CHECKING:
    from kwstrain.inference.predict import Prediction

STDIN = Path("-")
REJECTED = "-"  # instead of a label
_BEGINNINGS = (
    b"RIFF",
    b"RIFX",
    b"RF64",
    b"FORM",
    b"fLaC",
    b"OggS",
    b"caff",
    b".snd",
    b"ID3",
)  # the first bytes of recordings, with which a list of names does not begin


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("inputs", nargs=-1, required=True, type=click.Path(path_type=Path, allow_dash=True), metavar="FILE_OR_FOLDER...")
@click.option("--top", type=click.IntRange(min=1), metavar="N", help="The N most probable classes of each recording.")
@click.option("--all", "every", is_flag=True, help="The probabilities of all classes.")
@click.option("--no-reject", is_flag=True, help="Always print the best class, even below the run's threshold.")
@click.option("--csv", "table", type=click.Path(path_type=Path), metavar="FILE.csv", help="Write fname,label here instead of to stdout.")
@click.option("--on-error", metavar="LABEL", help="Label of a recording that cannot be read  [default: leave it out]")
@threads_option
@overwrite_option
@several_option
@console_options
def predict(
    run: Path, inputs: tuple[Path, ...], top: int | None, every: bool, no_reject: bool, table: Path | None, on_error: str | None,
    threads: int | None, overwrite: bool, several: Several, console: Console,
) -> int:  # fmt: skip
    """Label recordings: one line `path<TAB>label<TAB>probability` each, in the order given; a folder means all recordings in it.

    The label is - if the probability is below the run's threshold: the recording is probably none of its words. --no-reject, --top,
    --all and --csv give the best class in any case.

    RUN is a run folder, or an ONNX file that kwstrain export wrote.

    `-` reads from stdin the names of recordings, one per line, or one recording. With --top N or --all, label and probability of the
    next best classes follow on the same line.

    Recordings that cannot be read are listed on stderr, and so is what was cut off; the exit code is 3 if some could not be
    read. Control characters in a path are written as \\t, \\n or \\x1b; --json gives every name exactly.

    \b
    kwstrain predict runs/cnn a.wav b.wav
    kwstrain predict runs/cnn a.wav --top 3
    kwstrain predict runs/cnn test/audio --csv submission.csv --on-error silence
    """
    from kwstrain.inference.predict import opened
    from kwstrain.inference.predict import predict as predict_clips

    if table is not None and (top or every):
        raise click.UsageError("--csv holds one label per recording: leave out --top and --all")
    if top and every:
        raise click.UsageError("--all prints all classes: leave out --top")
    if several.distributed and STDIN in inputs:
        raise click.UsageError("- is one stdin, and --distributed several processes: give names of recordings or folders")
    with several.joined(console) as console:
        labels = opened(run).labels
        if on_error is not None and on_error not in labels:
            raise unknown_name(f"label of {run}", on_error, labels)
        if table is not None and several.is_first:
            check_new(table, overwrite=overwrite)
        clips = _clips(inputs)
        rejects = not (no_reject or top or every or table)
        n_shown = len(labels) if every else top or 1
        failed: list[Path] = []
        remarks: list[tuple[str, str]] = []

        def predictions() -> Iterator[Prediction]:
            for prediction in _counted(predict_clips(run, clips, threads=threads), len(clips), console):
                if prediction.error:
                    console.note(f"unreadable: {one_line(prediction.error)}")
                    failed.append(prediction.path)
                remarks.extend((str(prediction.path), text) for text in prediction.remarks)
                label = REJECTED if rejects and prediction.rejected else prediction.label
                yield replace(prediction, label=label or on_error or "")

        if not several.is_first:
            deque(predictions(), maxlen=0)
        elif table is not None:
            folder = inputs[0] if len(inputs) == 1 and inputs[0].is_dir() else None
            _write_table(table, folder, predictions())
            console.note(f"wrote {table}")
        elif console.as_json:
            console.data("", [_values(prediction, labels, n_shown) for prediction in predictions()])
        else:
            for prediction in predictions():
                if prediction.label:
                    console.data(_line(prediction, labels, n_shown), None)
        console.note_recordings(remarks)
        if failed:
            fate = f"labelled {on_error}" if on_error is not None else "left out"
            console.note(f"{len(failed)} of {len(clips)} recordings could not be read and were {fate}")
        return SKIPPED if failed else 0


def _clips(inputs: Sequence[Path]) -> list[Path | BinaryIO]:
    """The recordings: files, those in folders, and those from stdin."""
    if len(inputs) == 1 and inputs[0] != STDIN and not inputs[0].exists():
        raise CorpusError(f"{inputs[0]}: no such file or folder")
    given: list[Path | BinaryIO] = []
    for path in inputs:
        given += _from_stdin() if path == STDIN else [path]
    return [clip for one in given for clip in (list_recordings(one) if isinstance(one, Path) and one.is_dir() else [one])]


def _from_stdin() -> Sequence[Path | BinaryIO]:
    """The recording on stdin, or the names that stdin lists."""
    content = sys.stdin.buffer.read()
    if content.startswith(_BEGINNINGS):
        recording = io.BytesIO(content)
        recording.name = str(STDIN)
        return [recording]
    names = [Path(os.fsdecode(line.rstrip(b"\r"))) for line in content.split(b"\n") if line.strip()]
    if not names:
        raise CorpusError("stdin is empty: - reads names of recordings, one per line, or a recording")
    return names


def _best(prediction: Prediction, labels: Sequence[str], n: int) -> list[tuple[str, float]]:
    """The `n` most probable classes, best first; none for a recording that could not be read."""
    pairs = zip(labels, prediction.probabilities, strict=False)
    return sorted(pairs, key=lambda pair: -pair[1])[:n]


def _line(prediction: Prediction, labels: Sequence[str], n: int) -> str:
    """Path, label and probability, then those of the next best classes, separated by tabs."""
    pairs = [(prediction.label, prediction.probability), *_best(prediction, labels, n)[1:]]
    cells = [text for label, probability in pairs for text in (one_line(label), f"{probability:.4f}")]
    return "\t".join([one_line(str(prediction.path)), *cells])


def _values(prediction: Prediction, labels: Sequence[str], n: int) -> dict[str, Any]:
    """A prediction as JSON types; if `n` is above 1, with the probabilities by class, the highest first."""
    values: dict[str, Any] = {"path": str(prediction.path), "label": prediction.label, "probability": prediction.probability}
    if n > 1:
        values["probabilities"] = dict(_best(prediction, labels, n))
    return {**values, "rejected": prediction.rejected, "error": prediction.error, "remarks": list(prediction.remarks)}


def _counted(predictions: Iterator[Prediction], n: int, console: Console) -> Iterator[Prediction]:
    """The predictions, with a progress bar unless they are printed on the same terminal."""
    with (console if not sys.stdout.isatty() else replace(console, quiet=True)).progress("clips") as progress:
        for done, prediction in enumerate(predictions, start=1):
            yield prediction
            progress(done, n)


def _write_table(table: Path, folder: Path | None, predictions: Iterator[Prediction]) -> None:
    """Write names, relative to `folder` if there is one, and labels; the file is complete or does not exist."""
    partial = table.with_name(table.name + ".partial")
    with partial.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["fname", "label"])
        for path, label in ((prediction.path, prediction.label) for prediction in predictions if prediction.label):
            writer.writerow([path.relative_to(folder) if folder else path.name, label])
    partial.replace(table)
