"""Which clips train, which validate, which test.

Every rule depends on names and a seed only, never on the order in which files are found. ``speaker-hash`` decides each
speaker alone, so a clip never changes its part when files are added. The rules with exact counts (stratified, by-speaker,
folds) put the clips into an order given by a hash of seed and name and cut it at the counts: an added file moves at most the
one clip at each border, never reshuffles.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from kwsfeat.config.splits import SPLITS
from kwsfeat.corpus.clip import Clip
from kwsfeat.corpus.labels import clip_hash
from kwsfeat.errors import ConfigError, CorpusError, unknown_name

RULES = {
    "auto": "the corpus's own parts where it has them, else speaker-hash where names carry _nohash_, else stratified",
    "given": "the corpus's own parts (lists, a manifest's column, FSDD's official test part); what they leave open is cut stratified",
    "speaker-hash": "Speech Commands' rule: a hash of the speaker (of the file's name where there is none) decides",
    "stratified": "the same share of every label, exact counts, random",
    "by-speaker": "whole speakers, random, until the share of clips is reached",
    "folds": "cross-validation: fold K tests, the next one validates, the others train; by speaker where speakers are known",
}
_DEFAULT_SHARES = (0.8, 0.1, 0.1)


def assign_splits(clips: Sequence[Clip], rule: str = "auto", *, seed: int = 0, folds: int = 5, fold: int = 0) -> list[Clip]:
    """The same clips with their `split` decided.

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

    Raises
    ------
    ConfigError
        For an unknown rule, or shares that do not add up to 100.
    CorpusError
        For a corpus that the rule does not fit.
    """
    name, shares = parse_rule(chosen_rule(clips, rule))
    if name == "given":
        if not any(clip.split for clip in clips):
            raise CorpusError(
                "split 'given' needs lists, a manifest with a split column or FSDD names: this corpus has none, use stratified"
            )
        return _given(clips, shares, seed)
    if name == "speaker-hash":
        return [
            replace(clip, split=which_set(_hash_name(clip), validation_percent=100 * shares[1], test_percent=100 * shares[2]))
            for clip in clips
        ]
    if name == "stratified":
        return _stratified(clips, shares, seed)
    if name == "by-speaker":
        return _by_speaker(clips, shares, seed)
    if folds < 2 or not 0 <= fold < folds:
        raise ConfigError(f"folds={folds} must be >= 2 and fold={fold} between 0 and folds - 1")
    part = {fold: "test", (fold + 1) % folds: "validation"} if folds > 2 else {fold: "test"}
    return [replace(clip, split=part.get(k, "train")) for clip, k in zip(clips, fold_numbers(clips, folds, seed=seed), strict=True)]


def chosen_rule(clips: Sequence[Clip], rule: str) -> str:
    """`rule`, or what "auto" means for these clips, with the same shares."""
    if parse_rule(rule)[0] != "auto":
        return rule
    if any(clip.split for clip in clips):
        name = "given"
    else:
        name = "speaker-hash" if sum("_nohash_" in clip.path for clip in clips) > len(clips) // 2 else "stratified"
    return name + rule.removeprefix("auto")


def parse_rule(rule: str) -> tuple[str, tuple[float, float, float]]:
    """``"stratified:80/20"`` as ``("stratified", (0.8, 0.0, 0.2))``."""
    name, _, text = rule.partition(":") if not re.match(r"\d", rule) else ("stratified", ":", rule)
    if name not in RULES:
        raise unknown_name("split rule", name, [*RULES, "percentages such as 80/10/10"])
    if not text:
        return name, _DEFAULT_SHARES
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
    """
    base = re.sub(r"_nohash_.*$", "", name.rsplit("/", 1)[-1])
    most = 2**27 - 1  # MAX_NUM_WAVS_PER_CLASS
    number = int(hashlib.sha1(base.encode("utf-8", "surrogateescape")).hexdigest(), 16)
    percent = (number % (most + 1)) * (100.0 / most)
    if percent < validation_percent:
        return "validation"
    return "test" if percent < test_percent + validation_percent else "train"


def fold_numbers(clips: Sequence[Clip], folds: int, *, seed: int = 0) -> list[int]:
    """The fold 0 to ``folds - 1`` of each clip: by speaker where at least `folds` speakers are known, else stratified."""
    numbers = [0] * len(clips)
    speakers = {clip.speaker for clip in clips if clip.speaker}
    grouped = [i for i, clip in enumerate(clips) if clip.speaker] if len(speakers) >= folds else []
    members = _members(clips, grouped, by="speaker")
    done, total = 0, len(grouped)
    for speaker in sorted(members, key=lambda name: _hash_text(seed, name)):
        for i in members[speaker]:
            numbers[i] = min(folds - 1, folds * (2 * done + len(members[speaker])) // (2 * total))
        done += len(members[speaker])
    alone = sorted(set(range(len(clips))) - set(grouped))
    for rows in _members(clips, alone, by="label").values():
        ordered = sorted(rows, key=lambda i: clip_hash(seed, clips[i]))
        for rank, i in enumerate(ordered):
            numbers[i] = folds * rank // len(ordered)
    return numbers


def speakers_in_several_splits(clips: Sequence[Clip]) -> list[str]:
    """The known speakers who are in more than one part, sorted: empty is what one wants."""
    parts = defaultdict(set)
    for clip in clips:
        if clip.speaker:
            parts[clip.speaker].add(clip.split)
    return sorted(speaker for speaker, splits in parts.items() if len(splits) > 1)


def _given(clips: Sequence[Clip], shares: tuple[float, float, float], seed: int) -> list[Clip]:
    """Keep what is given; of a label with a given test part the rest trains and validates, other labels are cut in three."""
    has = defaultdict(set)
    for clip in clips:
        has[clip.label].add(clip.split)
    out = list(clips)
    for label, splits in has.items():
        rows = [i for i, clip in enumerate(clips) if clip.label == label and not clip.split]
        open_parts = [share if split not in splits else 0.0 for split, share in zip(SPLITS[1:], shares[1:], strict=True)]
        train = 1.0 - sum(open_parts)
        for i, clip in zip(rows, _stratified([clips[i] for i in rows], (train, open_parts[0], open_parts[1]), seed), strict=True):
            out[i] = clip
    return out


def _stratified(clips: Sequence[Clip], shares: tuple[float, float, float], seed: int) -> list[Clip]:
    out = list(clips)
    for rows in _members(clips, range(len(clips)), by="label").values():
        ordered = sorted(rows, key=lambda i: clip_hash(seed, clips[i]))
        n_test = round(shares[2] * len(rows))
        n_validation = round(shares[1] * len(rows))
        for rank, i in enumerate(ordered):
            split = "test" if rank < n_test else "validation" if rank < n_test + n_validation else "train"
            out[i] = replace(clips[i], split=split)
    return out


def _by_speaker(clips: Sequence[Clip], shares: tuple[float, float, float], seed: int) -> list[Clip]:
    """Whole speakers; clips without one (silence) are cut stratified."""
    known = [i for i, clip in enumerate(clips) if clip.speaker]
    members = _members(clips, known, by="speaker")
    n_parts = sum(share > 0 for share in shares)
    if len(members) < n_parts:
        raise CorpusError(f"split 'by-speaker' needs at least {n_parts} known speakers, and the corpus has {len(members)}: use stratified")
    order = sorted(members, key=lambda name: _hash_text(seed, name))
    part: dict[str, str] = {}
    n_later = n_parts
    for split, share in (("test", shares[2]), ("validation", shares[1])):  # what they leave is the train part
        if share == 0:
            continue
        n_later -= 1
        taken = 0
        while len(order) > n_later:  # each later part keeps at least one speaker
            size = len(members[order[0]])
            if taken and taken + size / 2 > share * len(known):
                break
            part[order.pop(0)] = split
            taken += size
    out = [replace(clip, split=part.get(clip.speaker, "train")) if clip.speaker else clip for clip in clips]
    alone = [i for i, clip in enumerate(clips) if not clip.speaker]
    for i, clip in zip(alone, _stratified([clips[i] for i in alone], shares, seed), strict=True):
        out[i] = clip
    return out


def _members(clips: Sequence[Clip], rows: Sequence[int], *, by: str) -> dict[str, list[int]]:
    members: dict[str, list[int]] = defaultdict(list)
    for i in rows:
        members[getattr(clips[i], by)].append(i)
    return members


def _hash_name(clip: Clip) -> str:
    """What the speaker hash is taken of: the speaker; a piece of a noise file counts as a speaker of its own."""
    if clip.speaker:
        return clip.speaker
    name = clip.path.rsplit("/", 1)[-1]
    return f"{name}@{clip.start}" if clip.start or clip.stop is not None else name


def _hash_text(seed: int, text: str) -> str:
    return hashlib.blake2b(f"{seed}\0{text}".encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()
