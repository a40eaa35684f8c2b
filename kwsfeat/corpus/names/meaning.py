"""What names say: one spelling of a text, and which names mean noise, a part, a person or a word."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache

SILENCE = "silence"
UNKNOWN = "unknown"
SPLIT_NAMES = {
    **{name: name for name in ("train", "validation", "test")},
    **dict.fromkeys(("training", "trainset", "train_set"), "train"),
    **dict.fromkeys(("valid", "val", "dev", "development", "devel", "cv"), "validation"),
    **dict.fromkeys(("testing", "eval", "evaluation", "testset", "test_set"), "test"),
}
_NOISE_NAMES = frozenset(
    ("backgroundnoise", "backgroundnoises", "background", "noise", "noises", "bgnoise", "ambient", "ambientnoise", "ambience")
)
_COMMON_WORDS = frozenset(
    (
        "backward", "bed", "bird", "cat", "dog", "down", "eight", "five", "follow", "forward", "four", "go", "goodbye", "happy", "hello",
        "house", "learn", "left", "marvin", "nine", "no", "off", "on", "one", "play", "right", "seven", "sheila", "six", "start", "stop",
        "three", "tree", "two", "up", "visual", "wow", "yes", "zero", "ja", "nein", "oui", "non", "si", *"0123456789",
    )
)  # fmt: skip
_FIRST_NAMES = frozenset(
    (
        "adam", "alex", "alice", "amy", "andrea", "andrew", "anna", "anne", "ben", "bob", "carlos", "carol", "charlie", "chris", "clara",
        "dan", "daniel", "dave", "david", "diana", "elena", "emily", "emma", "eric", "eva", "frank", "george", "hannah", "helen", "jack",
        "jackson", "jakob", "james", "jan", "jane", "john", "jose", "julia", "karen", "kevin", "laura", "lena", "leo", "linda", "lisa",
        "lucas", "luis", "maria", "mark", "martin", "mary", "max", "michael", "mike", "nicolas", "nina", "olga", "oscar", "paul", "peter",
        "sam", "sara", "sarah", "simon", "sofia", "steve", "susan", "theo", "thomas", "tim", "tom", "victor", "yweweler",
    )
)  # fmt: skip
_PERSON = re.compile(
    r"(speaker|spkr|spk|user|subject|subj|person|voice|participant|student|child|kid|actor|adult|male|female|id)[-_ ]?[\da-z]{1,8}",
    re.IGNORECASE,
)
_NUMBERED = re.compile(r"(session|take|day|week|rec|recording|run|part|batch|clip|sample|file|s|p|m|f|u)?[-_ ]?\d+", re.IGNORECASE)
_TAKE = re.compile(r"(takes?|rep|reps|repeat|repetition|round|attempt|try|wdh)[-_ ]?\d+", re.IGNORECASE)
_SESSION = re.compile(r"(session|day|week|batch|part|run)[-_ ]?\d+", re.IGNORECASE)
_DATE = re.compile(r"(19|20)\d\d[-_.]?[01]\d[-_.]?[0-3]\d.*|\d{1,2}[-_.]\d{1,2}[-_.](19|20)?\d\d")
_CODE = re.compile(r"(?=.*\d)[0-9a-f]{6,}(-[0-9a-f]+)*", re.IGNORECASE)
_NEGATIVE = re.compile(r"^(not|non) .|\b(neg|negatives?|others?|garbage|filler|without)\b|^(nothing|none|unk)$")
_SEPARATORS = re.compile(r"[_\-. ]+")


def one_spelling(name: str) -> str:
    """A name as text: macOS stores "ö" as two characters, which become one. Bytes that are not Unicode become a question mark."""
    if name.isascii():
        return name
    try:
        data = os.fsencode(name)
    except UnicodeEncodeError:
        data = name.encode("utf-8", "replace")
    return unicodedata.normalize("NFC", data.decode("utf-8", "replace"))


def as_label(name: str) -> str:
    """The label that a folder or a cell names: ``_silence_`` and ``_unknown_`` are written with and without underscores."""
    text = one_spelling(name)
    plain = text.strip("_").lower()
    return plain if plain in (SILENCE, UNKNOWN) else text


def is_noise_name(name: str) -> bool:
    """Whether a folder or label of this name is background noise."""
    return re.sub(r"[\W_]", "", name.lower()) in _NOISE_NAMES


def is_negative(name: str) -> bool:
    """Whether a label stands for everything that is not one of the words.

    Parameters
    ----------
    name : str
        Of a class.

    Returns
    -------
    bool
        True for ``silence``, ``noise``, ``unknown``, ``other``, ``negatives``, ``not-wake-words`` and the like; "no" is a word.

    Examples
    --------
    >>> [name for name in ("silence", "no", "not-wake-words", "yes") if is_negative(name)]
    ['silence', 'not-wake-words']
    """
    return name in (SILENCE, UNKNOWN) or is_noise_name(name) or bool(_NEGATIVE.search(re.sub(r"[\W_]+", " ", name.lower())))


def is_noise(path: str) -> bool:
    """Whether the first folder of a relative path holds recordings of noise, or of silence, which are cut into pieces."""
    folder, found, _ = path.partition("/")
    return bool(found) and _holds_noise(folder)


@lru_cache(maxsize=4096)  # asked of every recording, several times
def _holds_noise(folder: str) -> bool:
    return is_noise_name(folder) or as_label(folder) == SILENCE


def is_in_noise(path: str) -> bool:
    """Whether any folder of a relative path is one of noise."""
    return any(is_noise(f"{folder}/") for folder in path.split("/")[:-1])


def is_person(name: str) -> bool:
    """Whether a name says that it is one of a person: a first name, or such as ``speaker7`` and ``student_anna``."""
    return name.lower() in _FIRST_NAMES or bool(_PERSON.fullmatch(name))


def is_take(name: str) -> bool:
    """Whether a name counts how often something was said: ``take1``, ``rep_02``."""
    return bool(_TAKE.fullmatch(name))


def is_session(name: str) -> bool:
    """Whether a name counts when something was said, by one speaker or by several: ``session1``, ``day_02``."""
    return bool(_SESSION.fullmatch(name))


def is_code(name: str) -> bool:
    """Whether a name looks like the code of a speaker rather than the number of a take: hexadecimal or at least four digits."""
    return bool(_CODE.fullmatch(name) or re.fullmatch(r"\d{4,}|[spmfu]\d{2,}", name, re.IGNORECASE))


def word_likeness(names: Iterable[str]) -> float:
    """From -1 (persons, dates, takes, codes) through 0 (names that say nothing) to 1 (common words)."""
    distinct = set(names)
    digits = all(len(name) == 1 for name in distinct)
    scores = [_likeness(name, digits) for name in distinct]
    return sum(scores) / len(scores) if scores else 0.0


def _likeness(name: str, digits: bool) -> float:
    if name.lower() in _COMMON_WORDS and (digits or not name.isdigit()):
        return 1.0
    strange = is_person(name) or _NUMBERED.fullmatch(name) or _DATE.fullmatch(name) or _CODE.fullmatch(name)
    return -1.0 if strange else 0.0


def nohash_speaker(path: str) -> str:
    """The speaker in Speech Commands' names, such as ``yes/00f0204f_nohash_0.wav``; "" in other names."""
    speaker, found, _ = path.rsplit("/", 1)[-1].partition("_nohash_")
    return one_spelling(speaker) if found else ""


def stem_of(path: str) -> str:
    """The name of a file without folders and suffix."""
    return os.path.splitext(path.rsplit("/", 1)[-1])[0]


def name_columns(paths: Sequence[str]) -> list[list[str]]:
    """The parts of the file names between ``_ - .`` and blanks, one list a part; none where names have different numbers of parts."""
    rows = [_SEPARATORS.split(one_spelling(stem_of(path))) for path in paths]
    if len({len(row) for row in rows}) != 1:
        return []
    return [list(column) for column in zip(*rows, strict=True)]


def without_take(path: str) -> str:
    """The stem of a file name without the number of the take: "yes_3", "yes-3" and "yes3" are "yes"; "7" stays."""
    stem = one_spelling(stem_of(path))
    return re.sub(r"[_\-. ]*\d+$", "", stem) or stem
