"""From the words of a corpus to the classes of a file: which words, what becomes `unknown`, where `silence` comes from."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from kwsfeat.corpus.clip import SYNTHETIC_SILENCE, Clip, Corpus, clip_hash
from kwsfeat.corpus.names.meaning import SILENCE, UNKNOWN, is_negative
from kwsfeat.corpus.silence import cut_silence
from kwsfeat.errors import CorpusError, unknown_name

_SYNTHETIC_SHARE = 0.1  # of the clips of the words
_SYNTHETIC_FEWEST = 10  # of fewer a split might get none; a corpus with fewer recordings a word gets none
COMMANDS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
SCHEMES = {
    "all": "every word of the corpus",
    "commands12": "yes no up down left right on off stop go, silence, and every other word as unknown",
    "digits": "zero to nine, or 0 to 9 where the corpus writes them so",
}


def apply_labels(
    corpus: Corpus,
    scheme: str | Sequence[str] = "all",
    *,
    unknown: str | None = None,
    unknown_share: float | None = None,
    silence_share: float | None = None,
    synthesise: bool = False,
    seed: int = 0,
) -> tuple[list[Clip], tuple[str, ...]]:
    """Give every clip its final label, leave out what no class wants, and cut the noise files into silence.

    Parameters
    ----------
    corpus : Corpus
    scheme : str or sequence of str
        One of SCHEMES, or a list of words ("yes,no,stop" or a sequence), whose order becomes the order of the classes. In
        a text, quotes hold a word with a comma: '"stop, now",no'.
    unknown : {"other", "drop"}, optional
        What becomes of the words outside `scheme`: the class ``unknown``, or left out. The default is ``other`` for
        ``commands12``, for a list that names ``unknown``, and with `unknown_share`; else ``drop``.
    unknown_share : float >= 0, optional
        At most this many unknown clips, as a share of the clips of the chosen words; all of them by default.
    silence_share : float >= 0, optional
        This many silence clips, as a share of the clips of the chosen words; 0 is none. The default is every noise file cut
        into pieces of ``corpus.piece_s``, the last short one kept, and what the corpus itself labels silence. With more asked
        for than that, pieces from random places follow; without noise files the silence is synthesised, also where `scheme`
        names the class.
    synthesise : bool
        Also where nothing asks for silence: in a corpus of words only, all of them classes, that has no parts of its own. One
        that has is a benchmark, whose classes stay.
    seed : int
        Decides which unknown clips and which pieces of noise are taken.

    Returns
    -------
    clips : list of Clip
        In the order of the corpus, the silence last. A corpus without any label keeps its clips, with label ""; in others, clips
        without one are skipped.
    labels : tuple of str
        The classes.

    Raises
    ------
    UnknownNameError
        For a word that the corpus does not have, with the nearest ones that it has.
    CorpusError
        If it has none of the words of a scheme, or a word has no recordings.
    """
    for name, share in (("unknown_share", unknown_share), ("silence_share", silence_share)):
        if share is not None and not 0 <= share <= 100:
            raise CorpusError(f"{name}={share:g} must be between 0 and 100: 0.1 is a tenth of the clips of the chosen words")
    if unknown not in (None, "other", "drop"):
        raise CorpusError(f"unknown={unknown!r} must be 'other' (they become one class) or 'drop'")
    if not corpus.words:
        return list(corpus.clips), ()
    corpus.skipped += [(clip.path, "no label, and others have one") for clip in corpus.clips if not clip.label]
    words, names_unknown, names_silence = _chosen_words(corpus, scheme)
    if unknown is None:
        unknown = "other" if names_unknown or unknown_share is not None else "drop"

    chosen = set(words)
    keep_unknown = set()
    if unknown == "other":
        others = [clip for clip in corpus.clips if clip.label and clip.label not in chosen and clip.label != SILENCE]
        n_known = sum(clip.label in chosen for clip in corpus.clips)
        n_unknown = len(others) if unknown_share is None else round(unknown_share * n_known)
        keep_unknown = {clip for _, clip in sorted((clip_hash(seed, clip), clip) for clip in others)[:n_unknown]}
    clips = []
    for clip in corpus.clips:
        if clip.label in chosen:
            clips.append(clip)
        elif clip in keep_unknown:
            clips.append(replace(clip, label=UNKNOWN))
    if not clips:
        raise CorpusError(f"no recordings of {', '.join(words)}: the corpus has {_listed(corpus.words)}")
    n_words = sum(clip.label in chosen for clip in clips)
    n_synthetic = round(_SYNTHETIC_SHARE * n_words) if names_silence else 0
    if synthesise and scheme == "all" and _are_words_only(corpus, words) and n_words >= _SYNTHETIC_FEWEST * len(words):
        n_synthetic = max(round(_SYNTHETIC_SHARE * n_words), _SYNTHETIC_FEWEST)
    silence = _silence(corpus, n_words, silence_share, seed, n_synthetic=n_synthetic)

    made_unasked = not (names_silence or silence_share) and any(clip.path.startswith(SYNTHETIC_SILENCE) for clip in silence)

    labels = list(words)
    if silence or names_silence:
        labels.append(SILENCE)
    if keep_unknown or names_unknown:
        labels.append(UNKNOWN)
    if len(labels) == 1:
        cure = "--unknown other makes a class of the other words"
        if set(corpus.words) <= {*chosen, SILENCE}:
            cure = "--silence-share 0.5 adds silence, and recordings of other words in unknown/ the class that matters"
        corpus.notes.append(f"one class only, {labels[0]!r}, which nothing can be told from: {cure}")
    elif (labels == words or made_unasked) and not any(map(is_negative, words)):
        corpus.notes.append(_words_only(corpus, words, has_silence=bool(silence)))
    return clips + silence, tuple(labels)


def _are_words_only(corpus: Corpus, words: Sequence[str]) -> bool:
    return len(words) > 1 and not any(map(is_negative, corpus.words)) and not any(clip.split for clip in corpus.clips)


def _words_only(corpus: Corpus, words: Sequence[str], *, has_silence: bool) -> str:
    """What a file that holds words, and perhaps silence, but nothing else will not do, and the options that cure it."""
    n_others = len(set(corpus.words) - {*words, SILENCE, UNKNOWN})
    others = (
        f"--unknown other makes a class of the {n_others:,} other words"
        if n_others
        else "recordings of other words in unknown/ become a class"
    )
    cures = others if has_silence else f"--silence-share 0.1 adds silence, {others}"
    return f"every sound will be one of your {len(words):,} words: {cures}"


def _silence(corpus: Corpus, n_words: int, share: float | None, seed: int, *, n_synthetic: int) -> list[Clip]:
    """What the corpus labels silence, and pieces of its noise files; `n_synthetic` clips where it has neither and no share is asked for."""
    own = [clip for clip in corpus.clips if clip.label == SILENCE]
    wanted = None if share is None else round(share * n_words)
    if wanted is None and n_synthetic and not own and not corpus.noise:
        wanted = n_synthetic
        corpus.notes.append(
            f"no recordings of noise: {wanted:,} clips of silence are synthesised, --silence-share says how many, 0 leaves the class out"
        )
    if wanted is not None and len(own) > wanted:
        return [clip for _, clip in sorted((clip_hash(seed, clip), clip) for clip in own)[:wanted]]
    return own + cut_silence(corpus, None if wanted is None else wanted - len(own), seed)


def split_list(text: str) -> list[str]:
    """The entries of "a,b", where quotes hold an entry with a comma: '"stop, now",no'."""
    return next(csv.reader([text], skipinitialspace=True), [])


def class_table(labels: Iterable[str]) -> list[tuple[str, int, float]]:
    """(name, count, percentage) for each label, most frequent first, names in order where counts are equal."""
    counts = Counter(labels)
    total = sum(counts.values())
    return [(name, n, 100.0 * n / total) for name, n in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]


def format_class_table(table: Sequence[tuple[str, int, float]]) -> str:
    """The lines of :func:`class_table`, aligned, with a total."""
    rows = [(in_one_line(name), f"{n:,}", f"{percent:.2f} %") for name, n, percent in table]
    rows.append(("total", f"{sum(n for _, n, _ in table):,}", "100.00 %"))
    wide, counts = (max(len(row[i]) for row in rows) for i in (0, 1))
    return "\n".join(f"{name:<{wide}}  {n:>{counts}}  {percent:>8}" for name, n, percent in rows)


def in_one_line(text: str) -> str:
    """A label or a path for a row of a table: ends of lines and tabs, which either may hold, are written as ``\\n`` and ``\\t``."""
    return "".join(repr(c)[1:-1] if c in "\n\r\t\v\f" else c for c in text)


def _chosen_words(corpus: Corpus, scheme: str | Sequence[str]) -> tuple[list[str], bool, bool]:
    """The words of `scheme`, and whether it names the classes unknown and silence."""
    words_of_corpus = corpus.words
    have = [word for word in words_of_corpus if word not in (SILENCE, UNKNOWN)]
    if isinstance(scheme, str) and scheme in SCHEMES:
        if scheme == "all":
            return have, UNKNOWN in words_of_corpus, False
        words = list(COMMANDS if scheme == "commands12" else DIGITS)
        if scheme == "digits" and set(have) & set("0123456789"):
            words = list("0123456789")
        if missing := [word for word in words if word not in have]:
            if len(missing) == len(words):
                raise CorpusError(f"labels {scheme!r} need {', '.join(words)}, and the corpus has none of them: it has {_listed(have)}")
            corpus.notes.append(f"no recordings of {', '.join(missing)}: the classes stay, empty")
        return words, scheme == "commands12", scheme == "commands12"
    asked = list(dict.fromkeys(name.strip() for name in (split_list(scheme) if isinstance(scheme, str) else scheme) if name.strip()))
    words = [name for name in asked if name not in (SILENCE, UNKNOWN)]
    if not words:
        raise CorpusError(f"labels {scheme!r} name no word: give {', '.join(SCHEMES)} or a list such as {','.join(have[:3])}")
    for word in words:
        if word not in have:
            if any(path.rsplit("/", 1)[-1] == word for path, _ in corpus.skipped):
                raise CorpusError(f"no recordings of {word!r}: its folder is empty")
            raise unknown_name("word of the corpus", word, [*have, *(SCHEMES if len(asked) == 1 else ())])
    return words, UNKNOWN in asked, SILENCE in asked


def _listed(words: Sequence[str]) -> str:
    return ", ".join(words[:40]) + (f" and {len(words) - 40} more" if len(words) > 40 else "")
