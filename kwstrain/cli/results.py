"""Commands about trained runs: ``evaluate``, ``predict``, ``compare``."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kwsfeat import CorpusError, list_recordings, unknown_name

if TYPE_CHECKING:
    from kwstrain.evaluation.evaluate import Evaluation
    from kwstrain.inference.predict import Prediction

SKIPPED = 3


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("path", type=click.Path(path_type=Path), metavar="[OUT.h5]", required=False)
@click.option("--split", type=click.Choice(["train", "validation", "test"]), default="test", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def evaluate(run: Path, path: Path | None, split: str, as_json: bool) -> None:
    """Accuracy, F1, confusion matrix and the most confident mistakes of RUN on a split of OUT.h5.

    Without OUT.h5 it is the file that RUN was trained on. RUN gets SPLIT.json, a picture of the confusion matrix and a page
    with the mistakes to hear and see.
    """
    from kwstrain.evaluation.evaluate import evaluate as evaluate_run
    from kwstrain.evaluation.evaluate import save

    evaluation = evaluate_run(run, path, split=split)
    save(evaluation)
    if as_json:
        click.echo(json.dumps(evaluation.to_dict(), indent=2))
    else:
        print_evaluation(evaluation)


def print_evaluation(evaluation: Evaluation) -> None:
    """The scores, where everything is, and what to type next."""
    run, split = evaluation.bundle.folder, evaluation.split
    click.echo(_evaluation_text(evaluation))
    pictures = [run / name for name in ("curves.png", f"{split}-confusion.png", f"{split}-mistakes.html")]
    click.echo(f"\nmodel     {run}\npictures  {', '.join(map(str, pictures))}")
    click.echo(f"next      kwstrain predict {run} FILE.wav\n          tensorboard --logdir {run}")
    click.echo(f"\n{split} accuracy {evaluation.scores.accuracy:.4f}")


def _evaluation_text(evaluation: Evaluation) -> str:
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
@click.option("--threads", type=click.IntRange(min=1), help="Threads that decode and compute features  [default: all processors]")
def predict(run: Path, inputs: tuple[Path, ...], table: Path | None, on_error: str | None, threads: int | None) -> int:
    """Label recordings: one line `path<TAB>label<TAB>probability` each, in the order given; a folder means all recordings in it.

    Recordings that cannot be read are listed on stderr; the exit code is then 3.

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
    paths = [path for given in inputs for path in (list_recordings(given) if given.is_dir() else [given])]
    failed: list[Path] = []

    def labelled() -> Iterator[tuple[Path, str, float]]:
        for prediction in _shown(predict_clips(run, paths, threads=threads), len(paths)):
            if prediction.error:
                click.echo(f"unreadable: {prediction.error}", err=True)
                failed.append(prediction.path)
            if not prediction.error or on_error is not None:
                yield prediction.path, prediction.label or str(on_error), prediction.probability

    if table is None:
        for path, label, probability in labelled():
            click.echo(f"{path}\t{label}\t{probability:.4f}")
    else:
        folder = inputs[0] if len(inputs) == 1 and inputs[0].is_dir() else None
        _write_table(table, folder, labelled())
    if failed:
        fate = f"labelled {on_error}" if on_error is not None else "left out"
        click.echo(f"{len(failed)} of {len(paths)} recordings could not be read and were {fate}", err=True)
    return SKIPPED if failed else 0


def _shown(predictions: Iterator[Prediction], n: int) -> Iterator[Prediction]:
    import sys

    from tqdm import tqdm

    shown: Iterator[Prediction] = iter(tqdm(predictions, total=n, unit=" clips", disable=n < 1000 or not sys.stderr.isatty()))
    return shown


def _write_table(table: Path, folder: Path | None, rows: Iterator[tuple[Path, str, float]]) -> None:
    """Names relative to `folder`, plain names without one; complete or not there at all."""
    partial = table.with_name(table.name + ".partial")
    with partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["fname", "label"])
        for path, label, _ in rows:
            writer.writerow([path.relative_to(folder) if folder else path.name, label])
    partial.replace(table)
    click.echo(f"wrote {table}", err=True)


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--csv", "table", type=click.Path(path_type=Path), metavar="FILE.csv", help="Also write the table as CSV.")
@click.option("--html", "page", type=click.Path(path_type=Path), metavar="FILE.html", help="Also write a self-contained page with curves.")
def compare(runs: tuple[Path, ...], table: Path | None, page: Path | None) -> None:
    """Put runs side by side: parameters, accuracy, loss and seconds, at the best epoch and after the first."""
    from kwstrain.evaluation import compare as comparison

    rows = [comparison.row(run) for run in runs]
    click.echo(comparison.text(rows))
    if table is not None:
        table.write_text(comparison.as_csv(rows))
    if page is not None:
        page.write_text(comparison.as_html(rows))
