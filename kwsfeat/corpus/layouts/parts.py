"""A folder per part, a folder per word inside: ``train/yes/1.wav``, ``test/no/2.wav``."""

from __future__ import annotations

from dataclasses import replace

from kwsfeat.corpus.clip import Corpus
from kwsfeat.corpus.files import Files
from kwsfeat.corpus.layouts.layout import Evidence, Layout
from kwsfeat.corpus.layouts.words import read_words
from kwsfeat.corpus.names.meaning import SPLIT_NAMES, is_noise


def propose(files: Files) -> Evidence | None:
    """All folders with recordings are called train, validation, test or the like, and there are folders in them."""
    paths = [path for path in files.audio if not is_noise(path)]
    parts = {path.split("/", 1)[0] for path in paths}
    if len(parts) > 1 and all(part.lower() in SPLIT_NAMES for part in parts) and any(path.count("/") > 1 for path in paths):
        return Evidence(0.95, f"the folders {', '.join(sorted(parts))}")
    return None


def read(files: Files) -> Corpus:
    """The first folder is the part, the second the word."""
    corpus = Corpus(files.source, files.root, LAYOUT.name, [])
    for part in dict.fromkeys(path.split("/", 1)[0] for path in files.audio if "/" in path):
        if is_noise(f"{part}/"):
            corpus.noise += [path for path in files.audio if path.startswith(f"{part}/")]
        elif split := SPLIT_NAMES.get(part.lower()):
            found = read_words(files, f"{part}/")
            corpus.clips += [replace(clip, split=split) for clip in found.clips]
            for path in found.noise:
                corpus.add_noise(path, split)
            corpus.skipped += found.skipped
            corpus.notes += [note for note in found.notes if note not in corpus.notes]
        else:
            corpus.skipped.append((part, "is not called like a part: train, validation or test"))
    corpus.skipped += [(path, "lies outside the folders of the parts") for path in files.audio if "/" not in path]
    return corpus


LAYOUT = Layout("parts", "a folder per part, in it a folder per word: train/WORD/*.wav, test/WORD/*.wav", propose, read)
