"""Commands about detection: ``detect``, ``score`` and ``calibrate``."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kwsfeat import StoreError, list_recordings
from kwsfeat.cli.boundary import SKIPPED, wrong_usage
from kwsfeat.cli.console import Console, console_options, one_line
from kwsfeat.cli.options import check_new, overwrite_option, word_list

if TYPE_CHECKING:
    from kwstrain.detection.detect import Detections
    from kwstrain.detection.point import OperatingPoint
    from kwstrain.inference.recognizer import Recognizer

threshold_option = click.option(
    "--threshold",
    "thresholds",
    multiple=True,
    metavar="X|WORD=X",
    help="Threshold of all words, or of one; repeatable  [default: as calibrated]",
)
no_words_option = click.option("--no-words", is_flag=True, help="Recordings without a reference contain none of the words.")


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("inputs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE_OR_FOLDER...")
@threshold_option
@click.option("--csv", "as_csv", is_flag=True, help="Print a table: path, word, start_s, time_s, score.")
@click.option("--audacity", type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="Also write labels, NAME.txt, here.")
@click.option("--plot", type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="Also draw posteriors and events, NAME.png.")
@overwrite_option
@console_options
def detect(
    run: Path, inputs: tuple[Path, ...], thresholds: tuple[str, ...], as_csv: bool, audacity: Path | None, plot: Path | None,
    overwrite: bool, console: Console,
) -> int:  # fmt: skip
    """Say which words of RUN are heard when: one line `path<TAB>time<TAB>word<TAB>score` each, times in seconds.

    RUN is a run folder or an exported ONNX file. Recordings may have any length and rate. The thresholds are those of kwstrain
    calibrate; without them they are 0.5, which is only a starting point. Recordings that cannot be read are listed on stderr, and
    the exit code is 3.

    \b
    kwstrain detect runs/wake evening.flac
    kwstrain detect runs/wake recordings/ --csv > events.csv
    kwstrain detect runs/wake evening.flac --threshold 0.8 --audacity labels/ --plot pictures/
    """
    from kwstrain.detection.detect import detect as detect_words

    if as_csv and console.as_json:
        raise click.UsageError("--csv and --json exclude each other")
    paths = [path for one in inputs for path in (list_recordings(one) if one.is_dir() else [one])]
    recognizer, point = listener_of(run, thresholds, console)
    written = _outputs(paths, {".txt": audacity, ".png": plot}, overwrite=overwrite)
    failed, rows, remarks = 0, [], []
    with _seconds(replace(console, quiet=console.quiet or sys.stdout.isatty())) as progress:
        for k, found in enumerate(detect_words(recognizer, point, paths, keep=plot is not None, progress=progress)):
            remarks += [(str(found.path), text) for text in found.remarks]
            if found.error:
                console.note(f"unreadable: {one_line(found.error)}")
                failed += 1
            elif not (as_csv or console.as_json):
                for event in found.events:
                    name = one_line(str(found.path))
                    console.data(f"{name}\t{event.time_s:.2f}\t{one_line(event.word)}\t{event.score:.3f}", None)
            rows.append(found)
            _write(found, written.get((k, ".txt")), written.get((k, ".png")), recognizer, point)
    if as_csv:
        console.data(_csv(rows), None)
    elif console.as_json:
        console.data("", [_values(found) for found in rows])
    console.note_recordings(remarks)
    return SKIPPED if failed else 0


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("streams", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="STREAM.toml|FOLDER...")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="Write score.json and a page to hear all errors."
)
@click.option("--fa-per-hour", "target", type=float, metavar="X", help="Allowed false accepts per hour  [default: as calibrated, or 0.5]")
@click.option("--tolerance", type=click.FloatRange(0, 60), metavar="S", help="Seconds after a word's end  [default: as calibrated, or 1]")
@threshold_option
@no_words_option
@overwrite_option
@console_options
def score(
    run: Path, streams: tuple[Path, ...], out: Path | None, target: float | None, tolerance: float | None, thresholds: tuple[str, ...],
    no_words: bool, overwrite: bool, console: Console,
) -> None:  # fmt: skip
    """Count what RUN detects in streams with references.

    Hits, misses, duplicates, and false accepts per hour with exact intervals, by word, source, SNR and level, and whether the hours
    suffice to claim the target. References are next to the recordings: NAME.csv (start_s,end_s,word), NAME.txt with Audacity's
    labels, or a stream.toml as kwsfeat stream-corpus writes it. For folders without any of the words use --no-words.

    \b
    kwstrain score runs/wake heard/ --out report/
    kwstrain score runs/wake negatives/ --no-words
    """
    from kwstrain.detection.score import score as score_streams
    from kwstrain.report.detection.text import score_text

    if out is not None:
        check_new(out / "score.json", overwrite=overwrite)
    recognizer, point = listener_of(run, thresholds, console)
    point = point if tolerance is None else replace(point, tolerance_s=tolerance)
    heard = _hear(recognizer, point.detector(recognizer.labels).words, streams, no_words, console)
    if target is None:
        target = float(point.calibration.get("target_per_hour", 0.5))
    given = score_streams(run, point, heard, target=target)
    if given.reused:
        console.note(
            f"{len(given.reused)} of {len(heard.streams)} recordings are among those that the thresholds were chosen on: their results are "
            "better than those on new recordings; score others"
        )
    text = score_text(given)
    if out is not None:
        from kwstrain.report.detection.page import save

        with console.progress("excerpts") as progress:
            page = save(given, out, progress=progress)
        text += f"\n\npage      {page}"
    console.data(text, given.to_dict())


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("streams", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="STREAM.toml|FOLDER...")
@click.option("--fa-per-hour", "target", type=float, default=0.5, show_default=True, metavar="X", help="Of all words together.")
@click.option("--words", type=word_list, metavar="WORD,WORD,...", help="What is to be detected  [default: every label that is said]")
@click.option("--tolerance", type=click.FloatRange(0, 60), default=1.0, show_default=True, metavar="S", help="Seconds after a word's end.")
@no_words_option
@overwrite_option
@console_options
def calibrate(
    run: Path, streams: tuple[Path, ...], target: float, words: list[str] | None, tolerance: float, no_words: bool, overwrite: bool,
    console: Console,
) -> None:  # fmt: skip
    """Choose the thresholds of RUN, its smoothing and its refractory time on streams, and store them as detector.json in RUN.

    They give the fewest misses with at most --fa-per-hour false accepts per hour there. Score them on other streams, with other
    speakers and other negatives: on these they look better than they are.

    \b
    kwstrain calibrate runs/wake tune/ --fa-per-hour 0.5
    kwstrain score runs/wake heard/ --out report/
    """
    from kwstrain.detection.calibrate import calibrate as calibrate_run
    from kwstrain.detection.point import FILE, listener
    from kwstrain.detection.score import said_words
    from kwstrain.report.detection.text import score_text

    if (run / FILE).exists() and not overwrite:
        raise StoreError(f"{run / FILE} exists: the run was taught or calibrated; --overwrite replaces its thresholds")
    recognizer, point = listener(run, stored=False)
    point = replace(point, tolerance_s=tolerance)
    files = _files(streams, no_words)
    with wrong_usage():
        chosen = said_words(files, recognizer.labels, words or None)
    heard = _hear(recognizer, chosen, streams, no_words, console)
    with console.progress("curves") as progress:
        given = calibrate_run(run, point, heard, target=target, progress=progress)
    given.point.save(run)
    console.data(
        f"{score_text(given)}\n\nstored    {run / FILE}", {"path": str(run / FILE), "point": asdict(given.point), **given.to_dict()}
    )
    console.next(f"kwstrain score {run} OTHER_STREAMS/ --out report/")


def listener_of(run: Path, thresholds: Sequence[str], console: Console, *, sr: int | None = None) -> tuple[Recognizer, OperatingPoint]:
    """The recogniser of a run and its operating point, with the thresholds of the command line.

    Raises
    ------
    click.UsageError
        If a threshold is not a number or WORD=NUMBER, is out of bounds, or its word is not a class of the run.
    StoreError, ConfigError
        As :func:`kwstrain.detection.point.listener`.
    """
    from kwstrain.detection.point import listener

    chosen: dict[str, float] = {}
    for text in thresholds:
        word, _, number = text.rpartition("=")
        try:
            chosen[word] = float(number)
        except ValueError:
            raise click.BadParameter(f"{text!r} is neither a number nor WORD=NUMBER.", param_hint="--threshold") from None
    recognizer, point = listener(run, sr=sr)
    with wrong_usage():
        if "" in chosen:
            point = point.with_thresholds(chosen.pop(""), recognizer.labels)
        if chosen:
            point = point.with_thresholds(chosen, recognizer.labels)
    if not point.calibration and not thresholds:
        console.note(f"{run} is not calibrated: every threshold is 0.5; kwstrain calibrate chooses better ones")
    console.detail(recognizer.cost)
    return recognizer, point


def _files(streams: Sequence[Path], no_words: bool) -> list[Any]:
    from kwsfeat import list_streams

    return [file for path in streams for file in list_streams(path, no_words=no_words)]


def _hear(recognizer: Recognizer, words: Sequence[str], streams: Sequence[Path], no_words: bool, console: Console) -> Any:
    from kwstrain.detection.score import check_words, hear, once

    files = _files(streams, no_words)
    for note in check_words(once(files)[0], words):
        console.note(one_line(note))
    with _seconds(console) as progress:
        heard = hear(recognizer, files, words, progress=progress)
    console.note_recordings(heard.remarks)
    return heard


class _seconds(AbstractContextManager[Callable[[float], None]]):
    """A progress bar that counts seconds of audio."""

    def __init__(self, console: Console) -> None:
        self._bar, self._done = console.progress("s of audio"), 0.0

    def __enter__(self) -> Callable[[float], None]:
        return self._advance

    def _advance(self, seconds: float) -> None:
        self._done += seconds
        self._bar(round(self._done), 0)

    def __exit__(self, *error: object) -> None:
        self._bar.close()


def _outputs(paths: Sequence[Path], folders: dict[str, Path | None], *, overwrite: bool) -> dict[tuple[int, str], Path]:
    """(number of the recording, suffix) -> the file for it; names that occur more than once get a number that no other name has."""
    stems, numbers = {path.stem for path in paths}, dict[str, Iterator[int]]()
    written = {}
    for k, path in enumerate(paths):
        name = path.stem
        if name in numbers:
            name = next(one for n in numbers[name] if (one := f"{name}-{n}") not in stems)
        else:
            numbers[name] = count(2)
        for suffix, folder in folders.items():
            if folder is not None:
                written[k, suffix] = folder / (name + suffix)
                check_new(written[k, suffix], overwrite=overwrite)
                folder.mkdir(parents=True, exist_ok=True)
    return written


def _write(found: Detections, labels: Path | None, picture: Path | None, recognizer: Recognizer, point: OperatingPoint) -> None:
    if found.error:
        return
    if labels is not None:
        text = "".join(f"{event.start_s:.4f}\t{event.time_s:.4f}\t{one_line(event.word)}\n" for event in found.events)
        labels.write_text(text, encoding="utf-8")
    if picture is not None:
        from kwstrain.report.detection.figures import save_detections

        save_detections(found, point.detector(recognizer.labels).thresholds, picture)


def _values(found: Detections) -> dict[str, Any]:
    return {
        "path": str(found.path),
        "seconds": found.seconds,
        "events": [asdict(event) for event in found.events],
        "error": found.error,
        "remarks": list(found.remarks),
    }


def _csv(rows: Sequence[Detections]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["path", "word", "start_s", "time_s", "score"])
    for found in rows:
        for event in found.events:
            writer.writerow([found.path, event.word, f"{event.start_s:.4f}", f"{event.time_s:.4f}", f"{event.score:.4f}"])
    return out.getvalue().rstrip("\n")
