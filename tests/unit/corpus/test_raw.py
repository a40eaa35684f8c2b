"""Recordings without a header: what they hold is an option, and everything reads them by it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from kwsfeat.audio.clip import load_clip
from kwsfeat.audio.raw import Raw, parse_raw
from kwsfeat.cli import main
from kwsfeat.config.clip import ClipConfig
from kwsfeat.corpus.find import find_corpus
from kwsfeat.dataset.reader import Reader
from kwsfeat.errors import AudioError, ConfigError

TONE = np.rint(9000 * np.sin(2 * np.pi * 440 * np.arange(8000) / 8000)).astype(np.int16)


@pytest.mark.parametrize(
    ("coding", "subtype", "suffix", "worst"),
    [("ulaw", "ULAW", ".ulaw", 300), ("alaw", "ALAW", ".al", 300), ("s16", "PCM_16", ".pcm", 0), ("s16", "PCM_16", ".raw", 0)],
)
def test_headerless_samples_are_read_by_the_option(tmp_path: Path, coding: str, subtype: str, suffix: str, worst: int) -> None:
    for path in ("yes/a", "no/a", "noise/hum"):
        (tmp_path / path).parent.mkdir()
        soundfile.write(tmp_path / (path + suffix), TONE, 8000, format="RAW", subtype=subtype)
    corpus = find_corpus(tmp_path, raw=f"{coding}:8000")
    assert corpus.words == ["no", "yes"]
    y, length = load_clip(corpus.open(corpus.clips[0]), ClipConfig(sr=8000, n_samples=8000))
    assert length == 8000
    assert np.abs(y.astype(int) - TONE).max() <= worst
    out = tmp_path.parent / f"{coding}{suffix}.h5"
    assert main(["build", str(tmp_path), str(out), "--raw", f"{coding}:8000", "-q"]) == 0
    with Reader(out) as reader:
        assert reader.labels == ("no", "yes", "silence")
    assert main(["scan", str(tmp_path), "--raw", f"{coding}:8000"]) == 0


@pytest.mark.parametrize("layout", ["manifest", "commonvoice"])
def test_a_row_of_a_manifest_is_its_piece(tmp_path: Path, layout: str) -> None:
    (tmp_path / "clips").mkdir()
    soundfile.write(tmp_path / "clips" / "l.ulaw", np.repeat([1, 2, 3], 8000).astype(np.int16), 8000, format="RAW", subtype="ULAW")
    source = tmp_path / "train.tsv"
    source.write_text("path\tlabel\tstart\tend\nl.ulaw\ta\t0\t1\nl.ulaw\tb\t1\t2.5\nl.ulaw\tc\t2.5\t\n")
    corpus = find_corpus(source if layout == "manifest" else tmp_path, raw="ulaw:8000")
    assert corpus.layout == layout
    assert [(clip.start, clip.stop) for clip in corpus.clips] == [(0, 8000), (8000, 20000), (20000, None)]


@pytest.mark.parametrize("suffix", [".raw", ".pcm", ".al"])
def test_samples_that_nobody_said_what_they_are_name_the_option(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(TONE.tobytes())
    with pytest.raises(AudioError, match=rf"a\{suffix}: no header says what it holds: build and scan read it with --raw"):
        load_clip(path, ClipConfig())
    path.unlink()
    with pytest.raises(AudioError, match="no such file"):
        load_clip(path, ClipConfig())


def test_the_option_is_checked() -> None:
    assert parse_raw("ulaw") == parse_raw("ulaw:8000") == Raw("ulaw", 8000)
    with pytest.raises(ConfigError, match="'mulaw' is not a coding of headerless samples: did you mean ulaw"):
        parse_raw("mulaw:8000")
    for text in ("ulaw:8k", "ulaw:1", "s16:99999999"):
        with pytest.raises(ConfigError, match=r"must be between \d+ and \d+ Hz, as in ulaw:8000"):
            parse_raw(text)
