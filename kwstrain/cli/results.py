"""Commands about trained runs: ``evaluate``, ``predict``, ``compare``."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kwsfeat import SPLITS, CorpusError, list_recordings, unknown_name
from kwsfeat.cli.boundary import SKIPPED
from kwsfeat.cli.console import Console, console_options, one_line
from kwsfeat.cli.options import check_new, overwrite_option, threads_option

if TYPE_CHECKING:
    from kwstrain.evaluation.evaluate import Evaluation
    from kwstrain.inference.predict import Prediction


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("path", type=click.Path(path_type=Path), metavar="[OUT.h5]", required=False)
@click.option("--split", type=click.Choice(SPLITS), default="test", show_default=True)
@console_options
def evaluate(run: Path, path: Path | None, split: str, console: Console) -> None:
    """Accuracy, F1, confusion matrix and the most confident mistakes of RUN on a split of OUT.h5.

    Without OUT.h5 it is the file that RUN was trained on. RUN gets SPLIT.json, a picture of the confusion matrix and a page
    with the mistakes to hear and see.
    """
    from kwstrain.evaluation.evaluate import evaluate as evaluate_run
    from kwstrain.report.evaluation import save

    evaluation = evaluate_run(run, path, split=split)
    save(evaluation)
    console.data(evaluation_text(evaluation), evaluation.to_dict())


def evaluation_text(evaluation: Evaluation) -> str:
    """The scores, where everything is, and what to type next."""
    run, split = evaluation.bundle.folder, evaluation.split
    pictures = [run / name for name in ("curves.png", f"{split}-confusion.png", f"{split}-mistakes.html")]
    return (
        f"{_scores_text(evaluation)}\n"
        f"\nmodel     {run}\npictures  {', '.join(map(str, pictures))}"
        f"\nnext      kwstrain predict {run} FILE.wav\n          tensorboard --logdir {run}"
        f"\n\n{split} accuracy {evaluation.scores.accuracy:.4f}"
    )


def _scores_text(evaluation: Evaluation) -> str:
    scores, labels = evaluation.scores, evaluation.bundle.labels
    low, high = scores.interval
    width = max(len("class"), *map(len, labels))
    cell = max(len(str(scores.confusion.max())), 3)
    lines = [
        f"{evaluation.split} split of {evaluation.path}: {scores.n_clips} clips",
        f"accuracy {scores.accuracy:.4f} (95 % interval {low:.4f} to {high:.4f}), micro F1 {scores.micro_f1:.4f}, "
        f"macro F1 {scores.macro_f1:.4f}, loss {scores.loss:.4f}",
        "",
        f"{'class':{width}}  clips  precision  recall     F1",
    ]
    counts = scores.confusion.sum(axis=1)
    for label, n, precision, recall, f1 in zip(labels, counts, scores.precision, scores.recall, scores.f1, strict=True):
        lines.append(f"{label:{width}}  {n:5d}  {precision:9.4f}  {recall:6.4f} {f1:6.4f}")
    lines += ["", "confusion matrix: a row for each true class, its columns in the same order"]
    for label, row in zip(labels, scores.confusion, strict=True):
        lines.append(f"{label:{width}}  " + " ".join(f"{n:{cell}d}" if n else f"{'.':>{cell}}" for n in row))
    return "\n".join(lines)


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("inputs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE_OR_FOLDER...")
@click.option("--csv", "table", type=click.Path(path_type=Path), metavar="FILE.csv", help="Write fname,label here instead of to stdout.")
@click.option("--on-error", metavar="LABEL", help="Label of a recording that cannot be read  [default: leave it out]")
@threads_option
@overwrite_option
@console_options
def predict(
    run: Path, inputs: tuple[Path, ...], table: Path | None, on_error: str | None, threads: int | None, overwrite: bool, console: Console
) -> int:
    """Label recordings: one line `path<TAB>label<TAB>probability` each, in the order given; a folder means all recordings in it.

    Recordings that cannot be read are listed on stderr; the exit code is then 3. Control characters in a path are written as
    \\t, \\n or \\x1b; --json gives every name exactly.

    \b
    kwstrain predict runs/cnn a.wav b.wav
    kwstrain predict runs/cnn test/audio --csv submission.csv --on-error silence
    """
    from kwstrain.inference.bundle import Bundle
    from kwstrain.inference.predict import predict as predict_clips

    labels = Bundle.load(run).labels
    if on_error is not None and on_error not in labels:
        raise unknown_name(f"label of {run}", on_error, labels)
    if len(inputs) == 1 and not inputs[0].exists():
        raise CorpusError(f"{inputs[0]}: no such file or folder")
    if table is not None:
        check_new(table, overwrite=overwrite)
    paths = [path for given in inputs for path in (list_recordings(given) if given.is_dir() else [given])]
    failed: list[Path] = []

    def predictions() -> Iterator[Prediction]:
        for prediction in _counted(predict_clips(run, paths, threads=threads), len(paths), console):
            if prediction.error:
                console.note(f"unreadable: {one_line(prediction.error)}")
                failed.append(prediction.path)
            yield replace(prediction, label=prediction.label or on_error or "")

    if table is not None:
        folder = inputs[0] if len(inputs) == 1 and inputs[0].is_dir() else None
        _write_table(table, folder, predictions())
        console.note(f"wrote {table}")
    elif console.as_json:
        console.data("", [{**asdict(prediction), "path": str(prediction.path)} for prediction in predictions()])
    else:
        for prediction in predictions():
            if prediction.label:
                console.data(f"{one_line(str(prediction.path))}\t{one_line(prediction.label)}\t{prediction.probability:.4f}", None)
    if failed:
        fate = f"labelled {on_error}" if on_error is not None else "left out"
        console.note(f"{len(failed)} of {len(paths)} recordings could not be read and were {fate}")
    return SKIPPED if failed else 0


def _counted(predictions: Iterator[Prediction], n: int, console: Console) -> Iterator[Prediction]:
    """The predictions, and a bar where they do not go to the terminal that would show it."""
    with (console if not sys.stdout.isatty() else replace(console, quiet=True)).progress("clips") as progress:
        for done, prediction in enumerate(predictions, start=1):
            yield prediction
            progress(done, n)


def _write_table(table: Path, folder: Path | None, predictions: Iterator[Prediction]) -> None:
    """Names relative to `folder`, plain names without one; complete or not there at all."""
    partial = table.with_name(table.name + ".partial")
    with partial.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["fname", "label"])
        for path, label in ((prediction.path, prediction.label) for prediction in predictions if prediction.label):
            writer.writerow([path.relative_to(folder) if folder else path.name, label])
    partial.replace(table)


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--csv", "table", type=click.Path(path_type=Path), metavar="FILE.csv", help="Also write the table as CSV.")
@click.option("--html", "page", type=click.Path(path_type=Path), metavar="FILE.html", help="Also write a self-contained page with curves.")
@overwrite_option
@console_options
def compare(runs: tuple[Path, ...], table: Path | None, page: Path | None, overwrite: bool, console: Console) -> None:
    """Put runs side by side: parameters, accuracy, loss and seconds, at the best epoch and after the first."""
    from kwstrain.evaluation import compare as comparison
    from kwstrain.report.comparison import as_html

    for path in (table, page):
        if path is not None:
            check_new(path, overwrite=overwrite)
    rows = [comparison.row(run) for run in runs]
    console.data(comparison.text(rows), [one.values for one in rows])
    if table is not None:
        table.write_text(comparison.as_csv(rows))
    if page is not None:
        page.write_text(as_html(rows))
