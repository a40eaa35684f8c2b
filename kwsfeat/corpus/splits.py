"""Which clips train, which validate, which test.

Every rule depends on names and a seed only, never on the order in which files are found. ``speaker-hash`` decides each
speaker alone, so a clip never changes its part when files are added. The rules with exact counts (stratified, by-speaker,
folds) put the clips into an order given by a hash of seed and name and cut it at the counts: an added file moves at most the
one clip at each border, never reshuffles.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from kwsfeat.config.splits import SPLITS
from kwsfeat.corpus.clip import Clip, clip_hash
from kwsfeat.corpus.names.meaning import SILENCE, UNKNOWN
from kwsfeat.corpus.same_source import is_noise_piece, shared_sources
from kwsfeat.errors import ConfigError, CorpusError, unknown_name

RULES = {
    "auto": "the corpus's own parts where it has them, else speaker-hash where names carry _nohash_, else by-speaker where at least "
    "three speakers are known, else stratified",
    "given": "the corpus's own parts (lists, a manifest's column, FSDD's test part); the rest is cut stratified",
    "speaker-hash": "Speech Commands' rule: a hash of the speaker (of the file's name where there is none) decides",
    "stratified": "the same share of every label, random; pieces of one recording and copies stay together",
    "by-speaker": "whole speakers, random, until the share of clips is reached",
    "folds": "cross-validation: fold K tests, the next one validates, the others train; by speaker where speakers are known",
}
_DEFAULT_SHARES = (0.8, 0.1, 0.1)


def assign_splits(
    clips: Sequence[Clip],
    rule: str = "auto",
    *,
    seed: int = 0,
    folds: int = 5,
    fold: int = 0,
    same: Mapping[str, str] | None = None,
) -> list[Clip]:
    """The same clips with their `split` decided.

    Clips of one source (pieces of a recording, copies) stay in one split, but where the corpus or the hash of the speaker says
    otherwise; the pieces of noise files are cut stratified under every rule, but that "given" keeps the parts that they have.

    Parameters
    ----------
    clips : sequence of Clip
    rule : str
        One of RULES, optionally with shares in percent: ``stratified:80/10/10`` (train/validation/test), ``stratified:80/20``
        (train/test, no validation part). Shares alone mean ``stratified``. The default shares are 80/10/10.
    seed : int
        For ``stratified``, ``by-speaker`` and ``folds``; ``speaker-hash`` has none.
    folds, fold : int, ``2 <= folds``, ``0 <= fold < folds``
        For ``folds``.
    same : mapping of str to str, optional
        Paths of equal recordings, see :func:`~kwsfeat.corpus.same_source.equal_recordings`.

    Raises
    ------
    ConfigError
        For an unknown rule, or shares that do not add up to 100.
    CorpusError
        For a corpus that the rule does not fit.
    """
    name, shares = parse_rule(chosen_rule(clips, rule, same))
    if name == "given" and not any(clip.split for clip in clips):
        raise CorpusError("split 'given' needs lists, a manifest with a split column or FSDD names: this corpus has none, use stratified")
    sources = shared_sources(clips, same or {})
    if name == "folds":
        if folds < 2 or not 0 <= fold < folds:
            raise ConfigError(f"folds={folds} must be >= 2 and fold={fold} between 0 and folds - 1")
        part = {fold: "test", (fold + 1) % folds: "validation"} if folds > 2 else {fold: "test"}
        return [
            replace(clip, split=part.get(k, "train"))
            for clip, k in zip(clips, fold_numbers(clips, folds, seed=seed, same=same), strict=True)
        ]
    table = _Table(clips, sources, seed)
    words = [i for i, clip in enumerate(clips) if not is_noise_piece(clip)]
    parts = {"given": _given, "speaker-hash": _by_hash, "stratified": _stratified, "by-speaker": _by_speaker}[name](table, words, shares)
    noise = [i for i in range(len(clips)) if i not in parts]
    parts |= (_given if name == "given" else _stratified)(table, noise, shares)
    return [replace(clip, split=parts[i]) for i, clip in enumerate(clips)]


def chosen_rule(clips: Sequence[Clip], rule: str, same: Mapping[str, str] | None = None) -> str:
    """`rule`, or what "auto" means for these clips, with the same shares. Silence and unknown words have no say."""
    if parse_rule(rule)[0] != "auto":
        return rule
    words = [clip for clip in clips if clip.label not in (SILENCE, UNKNOWN)] or clips
    if any(clip.split for clip in words):
        name = "given"
    elif 2 * sum("_nohash_" in clip.path for clip in words) > len(words):
        name = "speaker-hash"
    elif 2 * sum(bool(clip.speaker) for clip in words) > len(words) and _n_people(words, same or {}) >= len(SPLITS):
        name = "by-speaker"
    else:
        name = "stratified"
    return name + rule.removeprefix("auto")


def _n_people(clips: Sequence[Clip], same: Mapping[str, str]) -> int:
    table = _Table(clips, shared_sources(clips, same), 0)
    return len(table.people([i for i, clip in enumerate(clips) if clip.speaker]))


def parse_rule(rule: str) -> tuple[str, tuple[float, float, float]]:
    """``"stratified:80/20"`` as ``("stratified", (0.8, 0.0, 0.2))``."""
    name, _, text = rule.partition(":") if not re.match(r"\d", rule) else ("stratified", ":", rule)
    if name not in RULES:
        raise unknown_name("split rule", name, [*RULES, "percentages such as 80/10/10"])
    if not text:
        return name, _DEFAULT_SHARES
    if name == "folds":
        raise ConfigError(f"split {rule!r}: folds have no shares, --folds says in how many parts the clips are cut")
    try:
        percents = [float(part) for part in text.split("/")]
    except ValueError:
        percents = []
    if len(percents) == 2:
        percents.insert(1, 0.0)
    if len(percents) != 3 or min(percents) < 0 or abs(sum(percents) - 100) > 1e-6:
        raise ConfigError(
            f"split shares {text!r} must be train/validation/test or train/test in percent that add up to 100, such as 80/10/10"
        )
    train, validation, test = (percent / 100 for percent in percents)
    return name, (train, validation, test)


def which_set(name: str, *, validation_percent: float = 10.0, test_percent: float = 10.0) -> str:
    """Speech Commands' rule: the part of a file, from the SHA-1 of its base name without ``_nohash_`` and what follows.

    Source: ``which_set`` in the data set's README and in TensorFlow's ``examples/speech_commands/input_data.py``.

    Parameters
    ----------
    name : str
        Of a file, with or without its folders.
    validation_percent, test_percent : float, 0 to 100

    Returns
    -------
    str
        ``train``, ``validation`` or ``test``: the same for all files of a speaker.

    Examples
    --------
    >>> which_set("yes/0a7c2a8d_nohash_0.wav") == which_set("no/0a7c2a8d_nohash_1.wav")
    True
    """
    base = re.sub(r"_nohash_.*$", "", name.rsplit("/", 1)[-1])
    most = 2**27 - 1  # MAX_NUM_WAVS_PER_CLASS
    number = int(hashlib.sha1(base.encode("utf-8", "surrogateescape")).hexdigest(), 16)
    percent = (number % (most + 1)) * (100.0 / most)
    if percent < validation_percent:
        return "validation"
    return "test" if percent < test_percent + validation_percent else "train"


def fold_numbers(clips: Sequence[Clip], folds: int, *, seed: int = 0, same: Mapping[str, str] | None = None) -> list[int]:
    """The fold 0 to ``folds - 1`` of each clip: by speaker where at least `folds` speakers are known, else stratified by source."""
    table = _Table(clips, shared_sources(clips, same or {}), seed)
    numbers = [0] * len(clips)
    known = [i for i, clip in enumerate(clips) if clip.speaker]
    people = table.people(known) if len({clips[i].speaker for i in known}) >= folds else []
    done, total = 0, sum(map(len, people))
    for rows in people:
        for i in rows:
            numbers[i] = min(folds - 1, folds * (2 * done + len(rows)) // (2 * total))
        done += len(rows)
    alone = sorted(set(range(len(clips))) - {i for rows in people for i in rows})
    for groups in table.by_label(alone):
        done, total = 0, sum(map(len, groups))
        for rows in groups:
            for i in rows:
                numbers[i] = folds * done // total
            done += len(rows)
    return numbers


def speakers_in_several_splits(clips: Sequence[Clip]) -> list[str]:
    """The known speakers who are in more than one part, sorted: empty is what one wants."""
    parts = defaultdict(set)
    for clip in clips:
        if clip.speaker:
            parts[clip.speaker].add(clip.split)
    return sorted(speaker for speaker, splits in parts.items() if len(splits) > 1)


def empty_classes(clips: Sequence[Clip], labels: Sequence[str]) -> dict[str, list[str]]:
    """For each split that has clips, the labels of which it has none."""
    has = defaultdict(set)
    for clip in clips:
        has[clip.split].add(clip.label)
    missing = {split: [label for label in labels if label not in has[split]] for split in SPLITS if split in has}
    return {split: names for split, names in missing.items() if names}


@dataclass(frozen=True)
class _Table:
    """The clips with the source of each, and the order that the seed gives them."""

    clips: Sequence[Clip]
    sources: Sequence[str]
    seed: int

    def by_label(self, rows: Sequence[int]) -> list[list[list[int]]]:
        """Of each label, groups of rows that share a source, in the order of their hashes."""
        groups: dict[str, list[int]] = defaultdict(list)
        for i in rows:
            groups[self.sources[i]].append(i)
        labels: dict[str, list[list[int]]] = defaultdict(list)
        for members in groups.values():
            labels[self.clips[members[0]].label].append(members)
        return [sorted(found, key=lambda members: min(clip_hash(self.seed, self.clips[i]) for i in members)) for found in labels.values()]

    def people(self, rows: Sequence[int]) -> list[list[int]]:
        """The rows of each speaker, in the order of the hashes of their names; speakers who share a source count as one."""
        speaker_of: dict[str, str] = {}
        one_of: dict[str, str] = {}

        def first(name: str) -> str:
            while (other := one_of.get(name, name)) != name:
                name = other
            return name

        for i in rows:
            speaker = self.clips[i].speaker
            other = first(speaker_of.setdefault(self.sources[i], speaker))
            one_of[max(other, first(speaker))] = min(other, first(speaker))
        members: dict[str, list[int]] = defaultdict(list)
        for i in rows:
            members[first(self.clips[i].speaker)].append(i)
        return [members[name] for name in sorted(members, key=lambda name: _hash_text(self.seed, name))]


def _given(table: _Table, rows: Sequence[int], shares: tuple[float, float, float]) -> dict[int, str]:
    """Keep what is given; of a label with a given test part the rest trains and validates, other labels are cut in three."""
    has = defaultdict(set)
    for i in rows:
        has[table.clips[i].label].add(table.clips[i].split)
    parts = {i: table.clips[i].split for i in rows if table.clips[i].split}
    given = {table.sources[i]: split for i, split in parts.items()}
    parts |= {i: given[table.sources[i]] for i in rows if i not in parts and table.sources[i] in given}
    for label, splits in has.items():
        open_parts = [share if split not in splits else 0.0 for split, share in zip(SPLITS[1:], shares[1:], strict=True)]
        left = [i for i in rows if table.clips[i].label == label and i not in parts]
        parts |= _stratified(table, left, (1.0 - sum(open_parts), open_parts[0], open_parts[1]))
    return parts


def _by_hash(table: _Table, rows: Sequence[int], shares: tuple[float, float, float]) -> dict[int, str]:
    """Speech Commands' rule, of the speaker; of the name where there is none."""
    return {
        i: which_set(
            table.clips[i].speaker or table.clips[i].path.rsplit("/", 1)[-1],
            validation_percent=100 * shares[1],
            test_percent=100 * shares[2],
        )
        for i in rows
    }


def _stratified(table: _Table, rows: Sequence[int], shares: tuple[float, float, float]) -> dict[int, str]:
    parts = dict.fromkeys(rows, "train")
    for groups in table.by_label(rows):
        total = sum(map(len, groups))
        left = groups
        for split, share, n_later in (("test", shares[2], 1 + (shares[1] > 0)), ("validation", shares[1], 1)):
            chosen = _fill(left, round(share * total), n_later)
            parts |= {i: split for k in chosen for i in left[k]}
            left = [group for k, group in enumerate(left) if k not in chosen]
    return parts


def _fill(groups: Sequence[Sequence[int]], wanted: int, n_later: int) -> set[int]:
    """Which of the groups, in their order, come nearest to `wanted` rows; later parts keep a group each where groups are large."""
    chosen: set[int] = set()
    taken = 0
    for k, group in enumerate(groups):
        if taken + len(group) / 2 <= wanted and (len(group) == 1 or len(groups) - len(chosen) > n_later):
            chosen.add(k)
            taken += len(group)
    if not chosen and wanted and len(groups) > n_later:
        chosen = {min(range(len(groups)), key=lambda k: len(groups[k]))}
    return chosen


def _by_speaker(table: _Table, rows: Sequence[int], shares: tuple[float, float, float]) -> dict[int, str]:
    """Whole speakers; clips without one are cut stratified."""
    known = [i for i in rows if table.clips[i].speaker]
    people = table.people(known)
    n_parts = sum(share > 0 for share in shares)
    if len(people) < n_parts:
        raise CorpusError(f"split 'by-speaker' needs at least {n_parts} known speakers, and the corpus has {len(people)}: use stratified")
    parts = dict.fromkeys(known, "train")
    n_later = n_parts
    for split, share in (("test", shares[2]), ("validation", shares[1])):  # what they leave is the train part
        if share == 0:
            continue
        n_later -= 1
        taken = 0
        while len(people) > n_later:  # each later part keeps at least one speaker
            if taken and taken + len(people[0]) / 2 > share * len(known):
                break
            taken += len(people[0])
            parts |= dict.fromkeys(people.pop(0), split)
        taken_by = {table.clips[i].label for i in known if parts[i] == split}
        _complete(table, people, parts, split, {table.clips[i].label for i in known} - taken_by, n_later)
    return parts | _stratified(table, [i for i in rows if i not in parts], shares)


def _complete(table: _Table, people: list[list[int]], parts: dict[int, str], split: str, missing: set[str], n_later: int) -> None:
    """Move to `split` the first speakers who say words that it lacks, where others still say everything they say."""
    says = Counter(label for rows in people for label in {table.clips[i].label for i in rows})
    for rows in list(people):
        labels = {table.clips[i].label for i in rows}
        if labels & missing and len(people) > n_later and all(says[label] > n_later for label in labels):
            people.remove(rows)
            parts |= dict.fromkeys(rows, split)
            says.subtract(labels)
            missing -= labels


def _hash_text(seed: int, text: str) -> str:
    return hashlib.blake2b(f"{seed}\0{text}".encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()
