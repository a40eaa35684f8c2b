"""Commands for results: ``evaluate``, ``compare``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from kwsfeat import SPLITS
from kwsfeat.cli.boundary import SKIPPED
from kwsfeat.cli.console import Console, console_options, one_line
from kwsfeat.cli.options import check_new, overwrite_option, threads_option
from kwstrain.cli.common.several import Several, several_option

if TYPE_CHECKING:
    from kwstrain.evaluation.evaluate import Evaluation
    from kwstrain.evaluation.negatives import Negatives


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("path", type=click.Path(path_type=Path), metavar="[OUT.h5]", required=False)
@click.option("--split", type=click.Choice(SPLITS), help="[default: test]")
@click.option(
    "--negatives",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Recordings without any of the words: count how often one is recognised.",
)
@threads_option
@several_option
@console_options
def evaluate(
    run: Path, path: Path | None, split: str | None, negatives: Path | None, threads: int | None, several: Several, console: Console
) -> int:  # fmt: skip
    """Accuracy, F1, confusion matrix and the most confident mistakes of RUN on a split of OUT.h5.

    Without OUT.h5 the file that RUN was trained on is used. SPLIT.json, a picture of the confusion matrix and a page with the
    mistakes to hear and see are written into RUN; for another file their names begin with OUT.

    With --negatives, count how often a word is recognised in the recordings in DIR (noise, for example), with the run's threshold
    and without.

    \b
    kwstrain evaluate runs/cnn
    kwstrain evaluate runs/cnn --negatives noise/

    Exit code 3: some of the recordings in DIR could not be read.
    """
    from kwstrain.evaluation.evaluate import evaluate as evaluate_run
    from kwstrain.report.evaluation import save

    if negatives is not None:
        if path is not None or split is not None or several.distributed:
            raise click.UsageError("--negatives evaluates recordings instead of a file: leave out OUT.h5, --split and --distributed")
        return _evaluate_negatives(run, negatives, threads, console)
    with several.joined(console):
        evaluation = evaluate_run(run, path, split=split or "test")
    if not several.is_first:
        return 0
    for text in evaluation.remarks:
        console.note(text)
    console.data(evaluation_text(evaluation), evaluation.to_dict())
    save(evaluation)  # last: the scores are there where they cannot be kept
    note_next(evaluation, console)
    return 0


def _evaluate_negatives(run: Path, folder: Path, threads: int | None, console: Console) -> int:
    from kwstrain.evaluation.negatives import evaluate_negatives

    with console.progress("recordings") as progress:
        found = evaluate_negatives(run, folder, threads=threads, progress=progress)
    for text in found.unreadable:
        console.note(f"unreadable: {one_line(text)}")
    console.data(_negatives_text(folder, found), found.to_dict())
    return SKIPPED if found.unreadable else 0


def _negatives_text(folder: Path, found: Negatives) -> str:
    """How many clips are taken for a word, for which words, and the recordings with the most of them."""
    values = found.to_dict()
    lines = [f"{folder}: {found.n_recordings:,} recordings, {found.n_clips:,} clips"]
    kinds = {"taken": "taken for a word"}
    if found.threshold is not None:
        kinds["above_threshold"] = f"above the run's threshold {found.threshold:.4f}"
    for name, text in kinds.items():
        low, high = values[f"interval_{name}"]
        n = sum(values[name].values())
        lines.append(f"{text}: {n:,}, {values[f'share_{name}']:.4f} of the clips (95 % interval {low:.4f} to {high:.4f})")
    if not found.taken:
        return "\n".join(lines)
    width = max(len("word"), *(len(one_line(word)) for word in found.taken))
    lines += ["", f"{'word':{width}}  clips  above threshold"]
    lines += [f"{one_line(word):{width}}  {n:5d}  {found.above_threshold.get(word, 0):15d}" for word, n in found.taken.items()]
    lines += ["", "the worst recordings: clips above the threshold, taken for a word, in total; the most probable word"]
    for one in found.worst:
        counts = f"{one.n_above_threshold:5d} {one.n_taken:5d} {one.n_clips:5d}"
        lines.append(f"{counts}  {one_line(one.word):{width}}  {one.probability:.4f}  {one_line(one.path)}")
    return "\n".join(lines)


def evaluation_text(evaluation: Evaluation) -> str:
    """The scores, and the paths of the run and its pictures."""
    run, split, name = evaluation.bundle.folder, evaluation.split, evaluation.name
    pictures = [run / picture for picture in ("curves.png", f"{name}-confusion.png", f"{name}-mistakes.html")]
    return (
        f"{_scores_text(evaluation)}\n"
        f"\nmodel     {run}\npictures  {', '.join(map(str, pictures))}"
        f"\n\n{split} accuracy {evaluation.scores.accuracy:.4f}"
    )


def note_next(evaluation: Evaluation, console: Console) -> None:
    """Suggest the next commands after an evaluation."""
    run = evaluation.bundle.folder
    console.next(f"kwstrain predict {run} FILE.wav", f"tensorboard --logdir {run}")


def _scores_text(evaluation: Evaluation) -> str:
    scores, labels = evaluation.scores, [one_line(label) for label in evaluation.bundle.labels]
    low, high = scores.interval
    counts = scores.confusion.sum(axis=1)
    width = max(len("class"), *map(len, labels))
    cell = max(len(str(scores.confusion.max())), 3)
    lines = [
        f"{evaluation.split} split of {evaluation.path}: {scores.n_clips} clips",
        f"accuracy {scores.accuracy:.4f} (95 % interval {low:.4f} to {high:.4f}), micro F1 {scores.micro_f1:.4f}, "
        f"macro F1 {scores.macro_f1:.4f}, loss {scores.loss:.4f}",
        f"always {labels[counts.argmax()]!r}, the most frequent class, would be right for {scores.majority_share:.4f}",
        "",
        f"{'class':{width}}  clips  precision  recall     F1",
    ]
    for label, n, precision, recall, f1 in zip(labels, counts, scores.precision, scores.recall, scores.f1, strict=True):
        lines.append(f"{label:{width}}  {n:5d}  {precision:9.4f}  {recall:6.4f} {f1:6.4f}")
    lines += ["", "confusion matrix: one row per true class, columns in the same order"]
    for label, row in zip(labels, scores.confusion, strict=True):
        lines.append(f"{label:{width}}  " + " ".join(f"{n:{cell}d}" if n else f"{'.':>{cell}}" for n in row))
    for kind, parts in evaluation.groups.items():
        names = [one_line(part.name) for part in parts]
        if parts:
            lines += ["", f"accuracy by {kind}{', the worst' if kind == 'speaker' else ''}"]
        lines += [
            f"{name:{max(map(len, names))}}  {part.n_clips:5d} clips  {part.accuracy:.4f}" for name, part in zip(names, parts, strict=True)
        ]
    return "\n".join(lines)


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--csv", "table", type=click.Path(path_type=Path), metavar="FILE.csv", help="Also write the table as CSV.")
@click.option("--html", "page", type=click.Path(path_type=Path), metavar="FILE.html", help="Also write a self-contained page with curves.")
@click.option("--picture", type=click.Path(path_type=Path), metavar="FILE.png", help="Also draw accuracy against size, cost and time.")
@overwrite_option
@console_options
def compare(
    runs: tuple[Path, ...], table: Path | None, page: Path | None, picture: Path | None, overwrite: bool, console: Console
) -> None:  # fmt: skip
    """Put runs side by side: file, classes and clips, parameters, accuracy, loss and seconds, at the best epoch and after the first.

    If their accuracies cannot be compared (other files, classes or numbers of clips), a warning is on stderr and on the page.
    """
    from kwstrain.evaluation import compare as comparison
    from kwstrain.report.comparison import accuracy_figure, as_html
    from kwstrain.report.figures import png

    for path in (table, page, picture):
        if path is not None:
            check_new(path, overwrite=overwrite)
    rows = [comparison.row(run) for run in runs]
    for warning in comparison.differences(rows):
        console.note(warning)
    console.data(comparison.text(rows), [one.values for one in rows])
    if table is not None:
        table.write_text(comparison.as_csv(rows), encoding="utf-8", errors="surrogateescape")
    if page is not None:
        page.write_text(as_html(rows), encoding="utf-8", errors="surrogateescape")
    if picture is not None:
        picture.write_bytes(png(accuracy_figure(rows)))
