"""Clips by a pattern of the user's: ``{speaker}-{label}-{take}``, ``{label}/{speaker}/*``, or the level of the label's folder."""

from __future__ import annotations

import re

from kwsfeat.corpus.clip import Clip, Corpus
from kwsfeat.corpus.files import Files
from kwsfeat.corpus.names.meaning import SPLIT_NAMES, as_label, is_in_noise, is_noise_name, one_spelling
from kwsfeat.errors import CorpusError

_SHOWN = 5
_FIELD = re.compile(r"\{(\w*)\}|(\*+)")


def read_pattern(files: Files, pattern: str) -> Corpus:
    """The recordings whose paths end as the pattern says; the others are skipped.

    ``{label}`` is needed, ``{speaker}`` and ``{split}`` are used, any other name, such as ``{take}``, stands for text that does
    not matter, as ``*`` does. A field ends where the text that follows it in the pattern begins, at the latest at "/"; the last
    one of a name reaches to the suffix.

    Raises
    ------
    CorpusError
        For a pattern without ``{label}``, with a field twice, or that no recording matches.
    """
    expression = _compiled(pattern)
    corpus = Corpus(files.source, files.root, f"pattern {pattern}", [])
    for path in files.audio:
        stem = path if "." in _FIELD.sub("", pattern.rsplit("/", 1)[-1]) else path.rpartition(".")[0]
        match = expression.search(one_spelling(stem))
        fields = match.groupdict() if match else {}
        split = SPLIT_NAMES.get(fields.get("split", "").lower(), "")
        if match is None:
            if is_in_noise(path):
                corpus.noise.append(path)
            else:
                corpus.skipped.append((path, f"does not match the pattern {pattern}"))
        elif fields.get("split") and not split:
            corpus.skipped.append((path, f"{fields['split']!r} is not called like a part: train, validation or test"))
        elif is_noise_name(fields["label"]):
            corpus.add_noise(path, split)
        else:
            corpus.clips.append(Clip(path, as_label(fields["label"]), fields.get("speaker", ""), split))
    if not corpus.clips:
        raise CorpusError(
            f"{files.source}: no recording matches the pattern {pattern!r}; the first is {files.audio[0]}: "
            "a pattern such as '{label}/{speaker}/*' or '{speaker}-{label}-{take}' describes the end of the path, without the suffix"
        )
    _show(corpus)
    return corpus


def read_level(files: Files, level: int) -> Corpus:
    """The folder `level` (1 is the outermost, -1 the one that the recording lies in) is the label.

    Raises
    ------
    CorpusError
        For level 0, or when no recording lies so deep.
    """
    corpus = Corpus(files.source, files.root, f"label level {level}", [])
    for path in files.audio:
        folders = path.split("/")[:-1]
        if is_in_noise(path):
            corpus.noise.append(path)
        elif 1 <= level <= len(folders) or 1 <= -level <= len(folders):
            corpus.clips.append(Clip(path, as_label(folders[level - 1 if level > 0 else level])))
        else:
            corpus.skipped.append((path, f"has no folder of level {level}"))
    if not corpus.clips:
        deepest = max(path.count("/") for path in files.audio)
        raise CorpusError(f"{files.source}: no recording has a folder of level {level}: levels go from 1 to {deepest}, or -1 for the last")
    _show(corpus)
    return corpus


def _compiled(pattern: str) -> re.Pattern[str]:
    names = [name for name, star in _FIELD.findall(pattern) if not star]
    if "label" not in names:
        raise CorpusError(f"the pattern {pattern!r} must name {{label}}: '{{label}}/{{speaker}}/*' or '{{speaker}}-{{label}}-{{take}}'")
    if twice := [name for name in names if names.count(name) > 1 and name]:
        raise CorpusError(f"the pattern {pattern!r} names {{{twice[0]}}} twice: call one of them otherwise, such as {{{twice[0]}2}}")
    expression, at = "", 0
    for field in _FIELD.finditer(pattern):
        expression += re.escape(pattern[at : field.start()])
        at = field.end()
        after = re.escape(pattern[at]) if at < len(pattern) and pattern[at] not in "{*/" else ""
        text = f"[^/{after}]+"
        expression += f"(?P<{field[1]}>{text})" if field[1] in ("label", "speaker", "split") else text
    return re.compile(f"(?:^|/){expression}{re.escape(pattern[at:])}$")


def _show(corpus: Corpus) -> None:
    for clip in corpus.clips[:_SHOWN]:
        parts = {"label": clip.label, "speaker": clip.speaker, "split": clip.split}
        corpus.notes.append(f"  {clip.path}: " + ", ".join(f"{name} {value}" for name, value in parts.items() if value))
    if corpus.skipped:
        examples = ", ".join(path for path, _ in corpus.skipped[:_SHOWN])
        more = ", ..." if len(corpus.skipped) > _SHOWN else ""
        corpus.notes.append(f"  {len(corpus.skipped):,} recordings do not match: {examples}{more}")
