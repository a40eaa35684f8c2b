"""What an evaluation leaves in the run folder: the scores, the confusion matrix, and a page of mistakes to hear and see."""

from __future__ import annotations

import base64
import html
import io
import json
import wave
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from kwsfeat import Reader
from kwstrain.evaluation.evaluate import Evaluation, Mistake
from kwstrain.evaluation.saved import PAGE, PICTURE, SCORES
from kwstrain.inference.bundle import Bundle
from kwstrain.io import write_atomic
from kwstrain.report.figures import confusion_figure, draw_features, image, page, save_confusion


def save(evaluation: Evaluation) -> list[Path]:
    """Write ``SPLIT.json``, ``SPLIT-confusion.png`` and ``SPLIT-mistakes.html`` into the run folder; gives the two to look at.

    Those of a file that the run was not trained on begin with its name; of which one they are, ``SPLIT.json`` says from the root.
    """
    folder, name = evaluation.bundle.folder, evaluation.name
    values = {**evaluation.to_dict(), "file": str(evaluation.path.resolve())}
    write_atomic(folder / f"{name}{SCORES}", json.dumps(values, indent=1).encode())
    picture, page = folder / f"{name}{PICTURE}", folder / f"{name}{PAGE}"
    save_confusion(evaluation.scores.confusion, evaluation.bundle.labels, picture)
    save_mistakes(evaluation, page)
    return [picture, page]


def save_mistakes(evaluation: Evaluation, path: Path) -> None:
    """Write one self-contained HTML page: the scores, and each mistake with its recording and its features."""
    scores, labels = evaluation.scores, evaluation.bundle.labels
    low, high = scores.interval
    with Reader(evaluation.path) as reader:
        rows = "\n".join(_mistake_row(mistake, evaluation.bundle, reader) for mistake in evaluation.mistakes)
    path.write_text(
        page(
            f"Mistakes of {evaluation.bundle.folder.name} on {evaluation.split}",
            f"<p>{scores.n_clips} clips of {html.escape(str(evaluation.path.name))}, accuracy {scores.accuracy:.4f} "
            f"(95 % interval {low:.4f} to {high:.4f}), macro F1 {scores.macro_f1:.4f}. The most confident mistakes first.</p>"
            f"<table><tr><th>spoken</th><th>taken for</th><th>probability</th><th>speaker</th>"
            f"<th>length</th><th>recording</th><th>features</th></tr>\n{rows}</table>"
            f"<h2>Confusion matrix</h2>{image(confusion_figure(scores.confusion, labels))}",
        ),
        encoding="utf-8",
        errors="surrogateescape",
    )


def _mistake_row(mistake: Mistake, bundle: Bundle, reader: Reader) -> str:
    figure, labels, row = Figure(figsize=(3.6, 2.0), layout="constrained"), bundle.labels, mistake.row
    draw_features(figure.subplots(), mistake.features, bundle.feature_config)
    audio = f'<audio controls preload="none" src="{_wav(reader, row)}"></audio>' if reader.has_audio else ""
    source, speaker = (html.escape(str(column[row])) for column in (reader.source, reader.speaker))
    seconds = reader.length[row] / reader.sr
    return (
        f"<tr><td>{html.escape(labels[mistake.label])}</td><td>{html.escape(labels[mistake.predicted])}</td>"
        f"<td class=number>{mistake.probability:.3f}</td><td>{speaker or 'unknown'}</td><td class=number>{seconds:.2f} s</td>"
        f"<td>{source}<br>{audio}</td><td>{image(figure)}</td></tr>"
    )


def _wav(reader: Reader, row: int) -> str:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(reader.sr)
        file.writeframes(np.asarray(reader.audio[row], "<i2").tobytes())
    return f"data:audio/wav;base64,{base64.b64encode(out.getvalue()).decode()}"
