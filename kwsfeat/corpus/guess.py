"""Which layout files have: proposals with evidence, each checked by what it gives."""

from __future__ import annotations

from dataclasses import dataclass, replace

from kwsfeat.corpus.clip import Corpus
from kwsfeat.corpus.files import Files
from kwsfeat.corpus.layouts import LAYOUTS
from kwsfeat.corpus.layouts.fsdd import NAME
from kwsfeat.corpus.layouts.layout import Evidence, Layout
from kwsfeat.corpus.names.check import Doubt, doubts
from kwsfeat.corpus.names.meaning import SPLIT_NAMES, is_noise
from kwsfeat.errors import CorpusError

_NEAR = 0.4  # a second best this much behind the best is mentioned
_PACKING = frozenset(("audio", "audios", "clips", "corpus", "data", "dataset", "files", "recordings", "samples", "sounds", "wav", "wavs"))


@dataclass(frozen=True)
class _Proposal:
    layout: Layout
    evidence: Evidence
    corpus: Corpus
    doubts: list[Doubt]

    @property
    def score(self) -> float:
        return self.evidence.score - sum(doubt.weight for doubt in self.doubts)

    def __str__(self) -> str:
        words = self.corpus.words
        what = f"{len(words):,} labels such as {', '.join(words[:3])}" if words else "no labels"
        return f"{self.layout.name} ({self.evidence.reason}: {what})"


def asked_layout(files: Files, name: str) -> Corpus:
    """What the layout `name` gives; everything doubtful about it becomes a note.

    Raises
    ------
    CorpusError
        If it gives no clips.
    """
    layout = LAYOUTS[name]
    corpus = layout.read(files)
    if not corpus.clips and not corpus.noise:
        raise CorpusError(f"{files.source}: no clips in the layout {name!r} ({layout.about}): choose another with --layout")
    corpus.notes += [doubt.text for doubt in doubts(corpus)]
    return corpus


def best_layout(files: Files) -> Corpus:
    """What the layout with the best evidence gives, less what is doubtful about it; a second best is named in the notes.

    Raises
    ------
    CorpusError
        If even the best contradicts itself.
    """
    proposals = []
    for layout in LAYOUTS.values():
        if (evidence := layout.propose(files)) is not None:
            corpus = layout.read(files)
            if corpus.clips or corpus.noise:
                proposals.append(_Proposal(layout, evidence, corpus, doubts(corpus)))
    best, *others = sorted(proposals, key=lambda proposal: -proposal.score)
    second = next((p for p in others if p.corpus.words and (best.doubts or p.score > best.score - _NEAR)), None)
    cure = "--label-level N or --pattern '{label}/*' say it otherwise"
    if second:
        cure = f"or is it {second}? Then --layout {second.layout.name}; {cure}"
    if wrong := [doubt.text for doubt in best.doubts if doubt.is_error]:
        level = len(files.root.relative_to(files.top).parts) + 2
        raise CorpusError(
            f"{files.source}: {wrong[0]}: --label-level {level} makes labels of the inner folders, "
            f"--layout {best.layout.name} takes it as it is"
        )
    if best.doubts or second:
        best.corpus.notes += [doubt.text for doubt in best.doubts]
        best.corpus.notes.append(f"taken as {best}; {cure}")
    return best.corpus


def wrapper(files: Files) -> str | None:
    """The one folder that holds every recording in folders of its own (or FSDD's recordings/): not a word, but packing.

    Noise folders, a few stray recordings and files of other kinds may lie beside it.
    """
    paths = [path for path in files.audio if not is_noise(path)]
    inside = [path for path in paths if "/" in path]
    tops = {path.split("/", 1)[0] for path in inside}
    if len(tops) != 1 or 10 * (len(paths) - len(inside)) > len(inside):
        return None
    (top,) = tops
    if any(folder in ("train/audio", "test/audio") for folder in files.folders):
        return None
    if all(NAME.match(path.rsplit("/", 1)[-1]) for path in inside):
        return top
    if top.lower() in _PACKING and len(inside) == len(paths) and LAYOUTS["names"].propose(files.inside(top)) is not None:
        return top  # clips/yes-anna.wav
    deep = sum(path.count("/") > 1 for path in inside)
    empty = [folder for folder in files.folders if "/" not in folder and folder != top and not is_noise(f"{folder}/")]
    is_packing = top.lower() in _PACKING or top.lower() in SPLIT_NAMES or not empty
    return top if 10 * deep >= 9 * len(inside) and is_packing else None


def beside(corpus: Corpus, outer: Files, inner: str) -> Corpus:
    """The corpus of the folder `inner`, with the noise and the stray recordings that lie beside it in `outer`."""
    others = [path for path in outer.audio if not path.startswith(f"{inner}/")]
    if not others:
        return corpus
    corpus.root = outer.root
    corpus.clips = [replace(clip, path=f"{inner}/{clip.path}") for clip in corpus.clips]
    corpus.noise = [f"{inner}/{path}" for path in corpus.noise] + [path for path in others if is_noise(path)]
    corpus.noise_parts = [replace(clip, path=f"{inner}/{clip.path}") for clip in corpus.noise_parts]
    corpus.skipped = [(f"{inner}/{path}", reason) for path, reason in corpus.skipped]
    corpus.skipped += [(path, f"lies outside {inner}/") for path in others if not is_noise(path)]
    return corpus
