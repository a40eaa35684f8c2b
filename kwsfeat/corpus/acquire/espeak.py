"""espeak-ng's library: a text as a waveform, and as phonemes."""

from __future__ import annotations

import ctypes
import re
import shutil
import sys
import tempfile
from contextlib import suppress
from ctypes.util import find_library
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kwsfeat.audio.clip import resample, trim_silence
from kwsfeat.audio.synthetic import SR
from kwsfeat.errors import AudioError, MissingExtraError

_IN_PHONEMES = re.compile(r"\[\[(.*?)\]\]")
_PHONEME = re.compile(r"[',%=]*(?:tS|dZ|[aeiouAEIOUV03@][IU:@aL2]*|[^\s_|:',%=])[#;^]*")  # where espeak-ng puts no sign between them


def phonemes(text: str) -> list[list[str]]:
    """The phonemes of each word of an English text.

    Parameters
    ----------
    text : str
        One word or several; what stands in ``[[...]]`` is phonemes already.

    Returns
    -------
    list of list of str
        As espeak-ng writes them in American English: ``'`` and ``,`` stand before a stressed vowel.

    Raises
    ------
    MissingExtraError
        Without espeak-ng's library.

    Examples
    --------
    >>> phonemes("hey [[m'A@vIn]]")
    [['h', "'eI"], ['m', "'A@", 'v', 'I', 'n']]
    """
    words: list[list[str]] = []
    with Espeak() as espeak:
        for i, part in enumerate(_IN_PHONEMES.split(text)):
            spelled = [_PHONEME.findall(word) for word in part.split()] if i % 2 else espeak.phonemes(part)
            words += [word for word in spelled if word]
    return words


@dataclass(frozen=True)
class Voice:
    """How one speaker of the corpus speaks. Rate in words a minute, pitch, its range and volume on espeak-ng's scales."""

    name: str
    espeak_voice: str
    rate: int
    pitch: int
    pitch_range: int
    volume: int


class Espeak:
    """espeak-ng's library, as long as ``with`` holds it; a call gives a word as float32 at 16 kHz with a peak of 1, without the silence
    around it.
    """

    _RATE, _VOLUME, _PITCH, _RANGE = 1, 2, 3, 4  # espeak_PARAMETER
    _SYNCHRONOUS, _DO_NOT_EXIT, _UTF8, _PHONEMES = 2, 0x8000, 1, 0x100

    def __init__(self) -> None:
        self._lib, data = _load_espeak()
        self._own = data is not None
        self._sr = self._lib.espeak_Initialize(self._SYNCHRONOUS, 0, data, self._DO_NOT_EXIT)
        if self._sr <= 0:
            raise MissingExtraError(f"espeak-ng's library finds no voices ({data and data.decode()}): {_ALTERNATIVES}")
        self._heard: list[NDArray[np.int16]] = []
        self._callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)(self._hear)
        self._lib.espeak_SetSynthCallback(self._callback)

    def __enter__(self) -> Espeak:
        return self

    def __exit__(self, *error: object) -> None:
        if self._own:  # nobody else in the process speaks with this copy
            self._lib.espeak_Terminate()
            _unload(self._lib)

    def __call__(self, word: str, voice: Voice, rng: np.random.Generator) -> NDArray[np.float32]:
        self._set_voice(voice.espeak_voice)
        rate, pitch = voice.rate + rng.integers(-10, 11), voice.pitch + rng.integers(-5, 6)  # nobody says a word twice alike
        for parameter, value in ((self._RATE, rate), (self._PITCH, pitch), (self._RANGE, voice.pitch_range), (self._VOLUME, voice.volume)):
            self._lib.espeak_SetParameter(parameter, int(value), 0)
        self._lib.espeak_ng_SetRandSeed(ctypes.c_long(int(rng.integers(1, 2**31))))
        text, how = word.encode(), self._UTF8 | (self._PHONEMES if "[[" in word else 0)
        self._heard.clear()
        self._lib.espeak_Synth(text, ctypes.c_size_t(len(text) + 1), 0, 0, 0, how, None, None)
        y = np.concatenate([np.zeros(0, np.int16), *self._heard])
        if not y.any():
            raise AudioError(f"espeak-ng says nothing for the word {word!r}: choose another word")
        y = resample(trim_silence(y, self._sr, 40.0), self._sr, SR)
        return np.asarray(y / np.abs(y).max(), np.float32)

    def phonemes(self, text: str) -> list[list[str]]:
        """Of each word, in American English."""
        self._set_voice("en-us")
        self._lib.espeak_TextToPhonemes.restype = ctypes.c_char_p
        rest, clauses = ctypes.c_char_p(text.encode()), []
        while rest.value:
            clauses.append(self._lib.espeak_TextToPhonemes(ctypes.byref(rest), self._UTF8, ord("_") << 8).decode())
        return [[one for one in word.split("_") if one] for clause in clauses for word in clause.split()]

    def _set_voice(self, name: str) -> None:
        if self._lib.espeak_SetVoiceByName(name.encode()):
            raise MissingExtraError(f"espeak-ng has no voice {name!r}: {_ALTERNATIVES}")

    def _hear(self, samples: Any, n: int, events: Any) -> int:
        if samples and n > 0:
            self._heard.append(np.ctypeslib.as_array(samples, (n,)).copy())
        return 0


_ALTERNATIVES = (
    "install it in a clone with pip install '.[demo]' (wheels for Linux, macOS and Windows) or as the system's package espeak-ng, "
    "or do without: kwsfeat fetch speech-commands-v2 DIR, or your own recordings in a folder per word"
)


def _unload(library: ctypes.CDLL) -> None:
    import _ctypes  # ctypes itself has no name for it

    with suppress(OSError):
        getattr(_ctypes, "FreeLibrary" if sys.platform == "win32" else "dlclose")(library._handle)


def _load_espeak() -> tuple[ctypes.CDLL, bytes | None]:
    """The library and where its voices are (None: where it was built to look).

    A copy is loaded, because a library is shared by the whole process and this one keeps oscillator phases from one word to
    the next, which no call resets: with a copy each corpus starts from the same state.
    """
    try:
        import espeakng_loader

        library, data = espeakng_loader.get_library_path(), espeakng_loader.get_data_path().encode()
    except (ImportError, RuntimeError) as error:
        if (library := find_library("espeak-ng")) is None:
            raise MissingExtraError(f"kwsfeat synth needs espeak-ng's library ({error}): {_ALTERNATIVES}") from None
        return ctypes.CDLL(library), None
    try:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            return ctypes.CDLL(shutil.copy(library, folder)), data
    except OSError as error:
        raise MissingExtraError(f"espeak-ng's library {library} cannot be loaded ({error}): {_ALTERNATIVES}") from None
