"""A folder per speaker, the word in a folder or a name inside it."""

from __future__ import annotations

import re

from kwsfeat.corpus.clip import Clip, Corpus
from kwsfeat.corpus.files import Files
from kwsfeat.corpus.layouts.layout import Evidence, Layout
from kwsfeat.corpus.naming import COMMON_WORDS, SPEAKER_FOLDER, is_noise, one_spelling


def propose(files: Files) -> Evidence | None:
    """The outer folders are called like speakers, or the names inside are common words that recur in every folder."""
    paths = [path for path in files.audio if "/" in path and not is_noise(path)]
    if 2 * len([path for path in files.audio if "/" not in path]) > len(files.audio):
        return None
    if not paths or sum("_nohash_" in path for path in paths) > len(paths) // 2:
        return None
    outer = {path.split("/", 1)[0] for path in paths}
    if outer <= {str(digit) for digit in range(10)} or len(outer & COMMON_WORDS) > len(outer) // 2:
        return None
    if all(SPEAKER_FOLDER.match(name) for name in outer):
        return Evidence(0.8, f"{len(outer)} folders called like speakers")
    if sum(_is_word_inside(path) for path in paths) > len(paths) // 2:
        return Evidence(0.8, "common words in the folders")
    return None


def read(files: Files) -> Corpus:
    """The first folder is the speaker; a recording beside the folders is skipped."""
    corpus = Corpus(files.source, files.root, LAYOUT.name, [])
    for path in files.audio:
        if is_noise(path):
            corpus.noise.append(path)
        elif "/" in path:
            corpus.clips.append(Clip(path, one_spelling(_word_below_speaker(path)), one_spelling(path.split("/", 1)[0])))
        else:
            corpus.skipped.append((path, "lies outside the folders of the speakers"))
    return corpus


def _is_word_inside(path: str) -> bool:
    """Whether what would be the word is one, and not just the number of a recording ("7_ann_1.wav" is a word, "7.wav" is not)."""
    word = _word_below_speaker(path)
    return word in COMMON_WORDS and (not word.isdigit() or "_" in path.rsplit("/", 1)[-1])


def _word_below_speaker(path: str) -> str:
    """ "anna/yes/3.wav", "anna/yes_3.wav", "anna/yes-3.wav" and "anna/yes3.wav" are all "yes"; "01/7_01_3.wav" is "7"."""
    _, *folders, name = path.split("/")
    if folders:
        return folders[0]
    word = re.split(r"[_\-. ]", name)[0]
    return word.rstrip("0123456789") or word


LAYOUT = Layout("speakers", "a folder per speaker: SPEAKER/WORD/*.wav or SPEAKER/WORD_N.wav", propose, read)
