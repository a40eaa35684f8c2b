"""What a reader should know about the splits before believing a score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kwsfeat.corpus.clip import Clip
from kwsfeat.corpus.same_source import is_noise_piece, twins
from kwsfeat.corpus.splits import RULES, empty_classes, parse_rule, speakers_in_several_splits

_LISTED = 8


def split_notes(clips: Sequence[Clip], labels: Sequence[str], rule: str, same: Mapping[str, str]) -> list[str]:
    """Sentences about clips that `rule` has split: which rule and why, who is known, what is copied, what is missing.

    Parameters
    ----------
    clips : sequence of Clip
    labels : sequence of str
        The classes of the file.
    rule : str
        The rule with its shares, no longer ``auto``.
    same : mapping of str to str
        Paths of equal recordings, see :func:`~kwsfeat.corpus.same_source.equal_recordings`.
    """
    name = parse_rule(rule)[0]
    notes = [f"split {rule}: {RULES[name]}"]
    words = [clip for clip in clips if not is_noise_piece(clip)]
    speakers = {clip.speaker for clip in words} - {""}
    shared = speakers_in_several_splits(clips)
    if shared:
        notes.append(
            f"{len(shared):,} of {len(speakers):,} speakers, {shared[0]} for one, are in more than one split: by-speaker keeps them apart"
        )
    elif speakers:
        notes.append(f"no speaker is in two splits ({len(speakers):,} speakers)")
    if name != "given" and 2 * sum(not clip.speaker for clip in words) > len(words):
        notes.append(
            "speakers unknown: the same voices may train and test, the score will be too good; "
            "--pattern '{label}/{speaker}/*' or a manifest with a column speaker names them"
        )
    if copies := sum(clip.path != same.get(clip.path, clip.path) for clip in words):
        notes.append(f"{copies:,} recordings are exact copies of others: copies stay in one split, but where the corpus itself parts them")
    if pairs := _contradictions(words, same):
        first, other = pairs[0]
        notes.append(
            f"{len(pairs):,} recordings are there under another label, too: {first.path} is {first.label!r} and {other.path} "
            f"is {other.label!r}, for one: keep the one that is right"
        )
    if found := twins(clip.path for clip in words):
        path, twin = next(iter(found.items()))
        notes.append(
            f"{len(found):,} recordings lie beside one of the same name with another suffix, {path} beside {twin} for one: "
            "they count as copies and stay in one split, but where the corpus itself parts them"
        )
    for split, missing in empty_classes(clips, labels).items():
        more = f" and {len(missing) - _LISTED:,} more" if len(missing) > _LISTED else ""
        notes.append(f"no clips in {split} of {', '.join(missing[:_LISTED])}{more}")
    return notes


def _contradictions(clips: Sequence[Clip], same: Mapping[str, str]) -> list[tuple[Clip, Clip]]:
    """Each clip that has another label than the first of the same samples, and that first one."""
    firsts: dict[tuple[str, int, int | None], Clip] = {}
    pairs = [(firsts.setdefault((same.get(clip.path, clip.path), clip.start, clip.stop), clip), clip) for clip in clips]
    return [(first, clip) for first, clip in pairs if first.label != clip.label]
