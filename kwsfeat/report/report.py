"""One self-contained HTML page about a corpus or a dataset file: no network, no scripts, pictures and sound inside."""

from __future__ import annotations

import os
from html import escape
from pathlib import Path

from kwsfeat import __version__
from kwsfeat.config.clip import ClipConfig
from kwsfeat.corpus.clip import NOISE_FOLDER
from kwsfeat.corpus.labels import class_table
from kwsfeat.dataset.reader import Reader
from kwsfeat.dataset.storage.open import is_dataset
from kwsfeat.errors import CorpusError
from kwsfeat.pipeline.sources import plan_recordings
from kwsfeat.report.figures import check_matplotlib
from kwsfeat.report.html import ALLOWED, STYLE, fact
from kwsfeat.report.recordings import recordings
from kwsfeat.report.subject import MEASURED, Progress, Subject, of_corpus, of_file
from kwsfeat.report.tables import anomalies, classes, configuration, lengths_and_levels, splits_and_speakers


def write_report(
    source: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    layout: str | None = None,
    pattern: str | None = None,
    label_level: int | None = None,
    raw: str | None = None,
    limit: int = MEASURED,
    threads: int = 1,
    progress: Progress = lambda done, total: None,
) -> Path:
    """Write a page about `source` to `output`, which is replaced when it exists.

    Classes, splits and speakers are counted over everything. Lengths, levels and faults come from at most `limit` recordings,
    chosen evenly by a hash of their names; the page says so.

    Parameters
    ----------
    source : path
        What :func:`~kwsfeat.corpus.find.find_corpus` takes, or a file made by ``kwsfeat build``.
    output : path
        The .html file.
    layout, pattern, label_level, raw : optional
        For :func:`~kwsfeat.corpus.find.find_corpus`.
    limit : int, >= 1
    threads : int, >= 1
    progress : callable
        Called with (steps done, steps in all), where a step is a recording read or a label drawn.

    Raises
    ------
    CorpusError, StoreError, MissingExtraError
    """
    source, output = Path(source), Path(output)
    if output.is_dir():
        raise CorpusError(f"{output}: is a folder: give the name of an .html file")
    if output.exists() and source.exists() and output.samefile(source):
        raise CorpusError(f"{output}: is what the page is about: give the page another name")
    if not output.parent.is_dir():
        raise CorpusError(f"{output.parent}: no such folder: make it, or write the page elsewhere")
    check_matplotlib()
    if source.suffix == ".h5" or is_dataset(source):
        with Reader(source) as reader:
            page = _page(of_file(reader, limit), progress)
    else:
        rows = plan_recordings(source, ClipConfig(), layout=layout, pattern=pattern, label_level=label_level, raw=raw, synthesise=True)
        page = _page(of_corpus(rows, output, limit, threads, progress), progress)
    part = output.with_name(output.name + ".part")
    part.write_text(page, encoding="utf-8", errors="surrogateescape")
    part.replace(output)
    return output


def _page(subject: Subject, progress: Progress) -> str:
    labels = [name for name, _, _ in class_table(clip.label for clip in subject.clips)]
    noise = [m for m in subject.scan.measured if m.clip.label == NOISE_FOLDER]
    sections = [
        ("Classes", classes(subject)),
        ("Splits and speakers", splits_and_speakers(subject)),
        ("Lengths and levels", lengths_and_levels(subject)),
        ("Anomalies", anomalies(subject)),
        ("Recordings", recordings(subject, labels + ([NOISE_FOLDER] if noise else []), progress)),
        ("Configuration", configuration(subject)),
    ]
    sections = [(title, body) for title, body in sections if body]
    contents = " · ".join(f'<a href="#s{i}">{title}</a>' for i, (title, _) in enumerate(sections))
    bodies = "\n".join(f'<section id="s{i}"><h2>{title}</h2>\n{body}</section>' for i, (title, body) in enumerate(sections))
    hours = sum(m.seconds for m in subject.scan.measured) / 3600
    speakers = {clip.speaker for clip in subject.clips} - {""}
    facts = [fact("{} clips", f"{len(subject.clips):,}"), fact("{} labels", len(set(labels) - {""})), *subject.about]
    if speakers:
        facts.insert(2, fact("{} speakers", f"{len(speakers):,}"))
    if subject.scan.is_sample:
        facts.append(fact("lengths, levels and anomalies from a sample of {}", f"{len(subject.scan.measured):,}"))
    elif subject.scan.measured:
        facts.append(fact("{} of audio", f"{hours:.2f} h") + (f" with {len(noise)} noise files" if noise else ""))
    notes = "".join(f"<p class=note>{escape(note)}</p>" for note in subject.notes)
    name = escape(Path(subject.name).name or subject.name)
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{ALLOWED}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{name}</title><style>{STYLE}</style></head><body>
<header><h1>{name}</h1><p class=path>{escape(subject.name)}</p><p>{" · ".join(facts)}</p>{notes}<nav>{contents}</nav></header>
{bodies}
<footer>kwsfeat {__version__} report</footer></body></html>
"""
