"""The section of a page to look at and listen to: a typical recording of each label in pictures, and some as sound."""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Sequence

from kwsfeat.audio.waveform import Samples, as_int16
from kwsfeat.corpus.clip import Clip, clip_hash
from kwsfeat.errors import AudioError
from kwsfeat.report.figures import clip_picture
from kwsfeat.report.html import figure, link, player, shown
from kwsfeat.report.subject import Progress, Subject

_PICTURED = 60  # labels that get pictures
_PLAYERS = 3  # clips of a label that can be played
_PLAYED_S = 3.0  # of a long recording


def recordings(subject: Subject, labels: Sequence[str], progress: Progress) -> str:
    """For each label a typical recording (the one of median level) in pictures, and some to listen to."""
    by_label = defaultdict(list)
    for m in subject.scan.measured:
        by_label[m.clip.label].append(m)
    drawn = [label for label in labels if by_label[label]][:_PICTURED]
    out = []
    for done, label in enumerate(drawn, start=1):
        members = sorted(by_label[label], key=lambda m: m.level_db)
        typical = members[len(members) // 2].clip
        others = sorted((m.clip for m in members if m.clip != typical), key=lambda clip: clip_hash(0, clip))
        try:
            y, sr = _beginning(*subject.load(typical))
            players = "".join(_sound(subject, clip) for clip in [typical, *others[: _PLAYERS - 1]])
        except AudioError:
            continue  # it went away since it was measured
        alt = f"waveform, amplitude spectrum, spectrogram, mel spectrogram and MFCC of {typical.path}"
        picture = figure(clip_picture(y, sr, ""), alt)
        out.append(f'<h3>{shown(label)}</h3>{picture}<div class="row">{players}</div>')
        progress(done, len(drawn))
    if not out:
        return ""
    left_out = len([label for label in labels if by_label[label]]) - len(drawn)
    head = "<p>Pictured is the recording of median level of each label; it is also the first to listen to. "
    head += "Spectrogram, mel spectrogram and MFCC have 25 ms windows every 10 ms.</p>"
    if left_out:
        head += f"<p class=note>The {len(drawn)} most frequent labels; {left_out:,} are left out.</p>"
    return head + "\n".join(out)


def _beginning(y: Samples, sr: int) -> tuple[Samples, int]:
    return y[: int(_PLAYED_S * sr)], sr


def _sound(subject: Subject, clip: Clip) -> str:
    import soundfile

    y, sr = _beginning(*subject.load(clip))
    file = io.BytesIO()
    soundfile.write(file, as_int16(y), sr, format="WAV", subtype="PCM_16")
    return player(file.getvalue(), link(clip.path, subject.link(clip)))
