"""What the columns of a manifest are called, in this project and elsewhere (Common Voice, NeMo, Kaldi-like lists)."""

from __future__ import annotations

from collections.abc import Iterable

COLUMNS = ("path", "label", "speaker", "split", "start", "end")
_SYNONYMS = {
    "path": (
        "path", "audio_filepath", "audio_file_path", "audio_path", "filepath", "file_path", "filename", "file_name", "file", "audio",
        "audio_file", "wav", "wav_path", "wav_filename", "clip", "recording", "link",
    ),
    "label": (
        "label", "word", "keyword", "command", "class", "class_name", "category", "text", "sentence", "transcript", "transcription",
        "is_hotword", "keyword_id",
    ),
    "speaker": (
        "speaker", "speaker_id", "client_id", "spk", "spk_id", "speakerid", "user_id", "userid", "worker_id", "participant", "subject",
    ),
    "split": ("split", "subset", "partition", "set"),
    "start": ("start", "start_time", "start_s", "offset", "begin"),
    "end": ("end", "end_time", "end_s", "stop"),
    "duration": ("duration",),
}  # fmt: skip


def find_columns(names: Iterable[str]) -> dict[str, str]:
    """Which of the columns that occur holds what: what a column is for, in :data:`COLUMNS` or "duration", and its name.

    Of several synonyms the first of the list counts; capitals do not.
    """
    by_name = {name.strip().lower().replace(" ", "_").replace("-", "_"): name for name in reversed(list(names))}
    return {
        purpose: by_name[found]
        for purpose, synonyms in _SYNONYMS.items()
        if (found := next((name for name in synonyms if name in by_name), None)) is not None
    }
