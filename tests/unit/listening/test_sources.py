"""Samples on a pipe: raw, or the WAV of a recorder that does not know when it will end; and a microphone that is a fake."""

from __future__ import annotations

import io
import struct
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import soundfile

from kwsfeat import AudioError, ConfigError

pytest.importorskip("jax")

from kwstrain.listening import microphone
from kwstrain.listening.sources import from_pipe, from_recording

Y = np.random.default_rng(0).integers(-30000, 30000, 5001, np.int16)


class Trickle(io.RawIOBase):
    """A pipe that gives what it has in uneven parts."""

    def __init__(self, data: bytes) -> None:
        self.data, self.rng = io.BytesIO(data), np.random.default_rng(1)

    def read(self, n: int = -1) -> bytes:
        return self.data.read(n)

    def read1(self, n: int) -> bytes:
        return self.data.read(min(n, int(self.rng.integers(1, 700))))


def joined(data: bytes, raw: str = "s16:16000") -> tuple[np.ndarray, int, list[str]]:
    said: list[str] = []
    pieces = list(from_pipe(Trickle(data), raw, said.append))  # type: ignore[arg-type]
    return np.concatenate([piece.samples for piece in pieces]), pieces[0].sr, said


def test_raw_samples_in_any_parts():
    y, sr, said = joined(Y.tobytes() + b"\x01", "s16:8000")
    np.testing.assert_array_equal(y, Y)
    assert sr == 8000
    assert said == ["the stream ends in the middle of a sample: 1 of its 2 bytes are left out"]
    x = (Y / 32768).astype("<f4")
    np.testing.assert_array_equal(joined(x.tobytes(), "f32:48000")[0], x)
    assert list(from_pipe(io.BytesIO(b""), "s16:16000", print)) == []


@pytest.mark.parametrize(("subtype", "sr"), [("PCM_16", 16000), ("FLOAT", 44100)])
def test_a_wav_on_a_pipe_says_itself_what_it_is(subtype, sr):
    file = io.BytesIO()
    soundfile.write(file, Y if subtype == "PCM_16" else Y / 32768, sr, subtype=subtype, format="WAV")
    data = file.getvalue()
    at = data.index(b"data") + 4
    y, found, _ = joined(data[:at] + struct.pack("<I", 0x7FFFFFFF) + data[at + 4 :], "s16:999")  # no recorder knows its length
    assert found == sr
    np.testing.assert_array_equal(y if subtype == "PCM_16" else np.round(y * 32768).astype(np.int16), Y)


@pytest.mark.parametrize("n", [17, 18, 5 << 20, (5 << 20) + 1])
def test_what_stands_before_the_samples_is_passed_over(n):
    file = io.BytesIO()
    soundfile.write(file, Y, 16000, format="WAV")
    data = file.getvalue()
    at = data.index(b"data")
    for before in (12, at):  # in front of what the samples are, or behind
        chunk = b"LIST" + struct.pack("<I", n) + b"dataabcd" + bytes(n - 8) + bytes(n % 2)
        y, sr, said = joined(data[:before] + chunk + data[before:])
        assert (sr, said) == (16000, [])
        np.testing.assert_array_equal(y, Y)


def test_what_cannot_be_heard_is_refused():
    for raw in ("mp3:16000", "s16", "s16:0", "s16:-5", "s16:99999999999999999999"):
        with pytest.raises(ConfigError, match="CODING:HZ"):
            list(from_pipe(io.BytesIO(b"1234"), raw, print))
    file = io.BytesIO()
    soundfile.write(file, np.stack([Y, Y], axis=1), 16000, subtype="PCM_24", format="WAV")
    with pytest.raises(AudioError, match="2 channels of 24 bits"):
        list(from_pipe(io.BytesIO(file.getvalue()), "s16:16000", print))
    with pytest.raises(AudioError, match="ends before its samples"):
        list(from_pipe(io.BytesIO(file.getvalue()[:30]), "s16:16000", print))


def test_pieces_of_a_recording_are_the_recording(tmp_path):
    soundfile.write(tmp_path / "a.wav", Y, 22050)
    pieces = list(from_recording(tmp_path / "a.wav", print))
    assert {piece.sr for piece in pieces} == {22050}
    assert max(len(piece.samples) for piece in pieces) == round(0.08 * 22050)
    np.testing.assert_array_equal(np.concatenate([piece.samples for piece in pieces]), Y)


class FakeSound(ModuleType):
    """sounddevice with a microphone that gives what `scripts` say, one list of blocks for each time that it is opened."""

    class PortAudioError(Exception):
        pass

    def __init__(self, scripts: list[object]) -> None:
        super().__init__("sounddevice")
        self.scripts, self.default = scripts, SimpleNamespace(device=(1, 0))

    def query_devices(self, device=None, kind=None):
        listed = [
            {"name": "out", "max_input_channels": 0, "default_samplerate": 48000.0},
            {"name": "mic", "max_input_channels": 2, "default_samplerate": 48000.0},
        ]
        if device == 7:
            raise ValueError("No input device matching 7")
        return listed[1] if kind else listed

    def InputStream(self, *, callback, samplerate, **_):
        script = self.scripts.pop(0)
        if isinstance(script, Exception):
            raise script

        class Stream:
            def __enter__(self):
                adc_s = 100.0
                for n, lost_s in script:
                    adc_s += lost_s
                    callback(
                        np.zeros((n, 1), np.float32),
                        n,
                        SimpleNamespace(inputBufferAdcTime=adc_s),
                        SimpleNamespace(input_overflow=lost_s > 0),
                    )
                    adc_s += n / samplerate

            def __exit__(self, *error):
                pass

        return Stream()


def test_a_microphone_counts_what_it_loses_and_survives_being_unplugged(monkeypatch):
    fake = FakeSound([[(480, 0.0), (480, 0.0), (480, 0.25)], FakeSound.PortAudioError("Device unavailable\nmore"), [(480, 0.0)]])
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    monkeypatch.setattr(microphone, "SILENT_S", 0.01)
    said: list[str] = []
    pieces = []
    for piece in microphone.from_microphone(None, said.append, retry_s=0.01):
        pieces.append(piece)
        if len(pieces) == 4:
            break
    assert [piece.sr for piece in pieces] == [48000] * 4
    assert [round(piece.lost_s, 6) for piece in pieces[:3]] == [0, 0, 0.25]
    assert pieces[3].lost_s > 0
    assert said[0] == "the microphone is gone (it gives no more samples): waiting for it"
    assert said[1].startswith("mic is back after")
    assert len(said) == 2


def test_what_is_missing_is_said_with_its_cure(monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", FakeSound([]))
    assert microphone.devices() == [{"index": 1, "name": "mic", "channels": 2, "sr": 48000, "default": True}]
    with pytest.raises(AudioError, match=r"microphone 7 cannot be opened: No input device matching 7; kwstrain listen --devices"):
        next(microphone.from_microphone(7, print))
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(AudioError, match=r"pip install '.\[listen\]'"):
        microphone.devices()


def test_without_portaudio_the_line_that_installs_it(monkeypatch, tmp_path):
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    with pytest.raises(AudioError, match="sudo apt install libportaudio2"):
        microphone.devices()
