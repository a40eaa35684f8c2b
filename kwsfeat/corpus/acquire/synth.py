"""A synthetic corpus: words spoken by espeak-ng with many voices, and noise. For trying the tools, not for judging a spotter."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kwsfeat.audio.synthetic import COLOURS, SR, babble, coloured, hum
from kwsfeat.audio.waveform import write_waveform
from kwsfeat.corpus.acquire.espeak import Espeak, Voice
from kwsfeat.corpus.clip import NOISE_FOLDER
from kwsfeat.corpus.splits import which_set
from kwsfeat.errors import CorpusError

_ACCENTS = ("en-us", "en", "en-gb-x-rp", "en-gb-scotland", "en-us-nyc", "en-029", "en-gb-x-gbclan", "en-gb-x-gbcwmd")
# Without the variants made with Klatt's synthesiser: some of those never say a word twice alike.
_VARIANTS = (
    "m1", "f1", "m2", "f2", "m3", "f3", "m4", "f4", "m5", "f5", "m6", "m7", "m8", "Alex", "Alicia", "Andrea", "Andy", "Annie", "Denis",
    "Diogo", "Gene", "Henrique", "Hugo", "Jacky", "Lee", "Marco", "Mario", "Michael", "Mike", "Nguyen", "anika", "antonio",
    "belinda", "boris", "ed", "grandma", "grandpa", "gustave", "ian", "iven", "john", "linda",
    "marcelo", "max", "michel",
)  # fmt: skip


_BABBLING = 20  # voices that are heard in the babble
_NOISES = (*COLOURS, "hum", "babble")


def synth_corpus(
    folder: str | os.PathLike[str],
    words: Sequence[str],
    *,
    n_voices: int = 60,
    n_takes: int = 5,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> int:
    """Write ``<word>/<voice>_nohash_<take>.wav`` and ``_background_noise_/*.wav``: 16 kHz, mono, 16-bit.

    Each clip is 1 s long (longer when the word is): the word at a random place, at a random level, in a little noise. Equal
    arguments give equal bytes. The voices' names are chosen so that Speech Commands' rule tests the second of every ten
    voices and validates with the third.

    Parameters
    ----------
    folder : path
        Made when it is missing. It may hold an earlier run of the same words and voices, and nothing else.
    words : sequence of str
        At least one. Folder and spoken text in one.
    n_voices, n_takes : int, >= 1
        `n_takes` recordings of each word by each voice.
    seed : int
    progress : callable
        Called with (clips done, clips in all).

    Returns
    -------
    int
        Clips written.

    Raises
    ------
    MissingExtraError
        Without espeak-ng's library.
    CorpusError
        For words that cannot be folders, and a folder that holds something else.
    """
    folder = Path(folder)
    _check_words(words)
    if n_voices < 1 or n_takes < 1:
        raise CorpusError(f"voices={n_voices} and takes={n_takes} must be >= 1")
    voices = [draw_voice(i, seed) for i in range(n_voices)]
    names = [f"{voice.name}_nohash_{take}.wav" for voice in voices for take in range(n_takes)]
    _check_folder(folder, words, names)

    spoken: list[NDArray[np.float32]] = []
    done, total = 0, len(words) * len(names)
    with Espeak() as espeak:
        for w, word in enumerate(words):
            (folder / word).mkdir(parents=True, exist_ok=True)
            for v, voice in enumerate(voices):
                for take in range(n_takes):
                    rng = np.random.default_rng((seed, w, v, take))
                    y = espeak(word, voice, rng)
                    if v < _BABBLING and take == 0:
                        spoken.append(y)
                    write_waveform(folder / word / names[v * n_takes + take], _place(y, rng), SR)
                    done += 1
                    progress(done, total)
    (folder / NOISE_FOLDER).mkdir(exist_ok=True)
    n_noise = SR * max(10, n_voices * n_takes // len(_NOISES))  # cut into 1 s pieces, as much silence as there is of a word
    for k, name in enumerate(_NOISES):
        rng = np.random.default_rng((seed, 0xBAD, k))
        y = hum(n_noise, rng) if name == "hum" else babble(n_noise, rng, spoken) if name == "babble" else coloured(n_noise, rng, name)
        write_waveform(folder / NOISE_FOLDER / f"{name}.wav", 0.1 * y, SR)
    return total


def speak(text: str, n_voices: int = 60, *, seed: int = 0) -> list[tuple[str, NDArray[np.float32]]]:
    """A text spoken by espeak-ng's voices, once by each.

    Parameters
    ----------
    text : str
        One word or several, in English spelling; ``[[...]]`` holds phonemes as espeak-ng writes them, for names.
    n_voices : int, >= 1
        Different voices: accents, speakers, speeds and pitches are drawn from `seed`.
    seed : int

    Returns
    -------
    list of tuple of str and ndarray
        The voice's name, and float32 samples at 16 kHz with a peak of 1, without silence around them.

    Raises
    ------
    MissingExtraError
        Without espeak-ng's library.
    AudioError
        If nothing is heard.
    CorpusError
        If `n_voices` is below 1.

    Examples
    --------
    >>> [(name.split("-")[0], len(y) > 4000) for name, y in speak("hey marvin", 2)]
    [('en', True), ('en', True)]
    """
    if n_voices < 1:
        raise CorpusError(f"n_voices={n_voices} must be >= 1")
    voices = [draw_voice(i, seed) for i in range(n_voices)]
    with Espeak() as espeak:
        return [(voice.name, espeak(text, voice, np.random.default_rng((seed, 0x5EA, i)))) for i, voice in enumerate(voices)]


def speak_lines(lines: Iterable[str], *, seed: int = 0) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Texts spoken by espeak-ng, each by a voice of its own.

    Parameters
    ----------
    lines : iterable of str
        As :func:`speak` takes them.
    seed : int

    Yields
    ------
    tuple of str and ndarray
        The voice's name, and float32 samples at 16 kHz with a peak of 1, without silence around them.

    Raises
    ------
    MissingExtraError
        Without espeak-ng's library.
    AudioError
        If nothing is heard.

    Examples
    --------
    >>> [len(y) > 4000 for _, y in speak_lines(["hey marvin", "good morning"])]
    [True, True]
    """
    with Espeak() as espeak:
        for i, line in enumerate(lines):
            rng = np.random.default_rng((seed, 0x11E5, i))
            voice = draw_voice(int(rng.integers(1 << 20)), seed)
            yield voice.name, espeak(line, voice, rng)


def read_words(text: str) -> list[str]:
    """The words of "yes,no,up", or of a file with one word a line when `text` is the path of one."""
    path = Path(text)
    parts = path.read_text(encoding="utf-8-sig").splitlines() if path.is_file() else text.split(",")
    return list(dict.fromkeys(word.strip() for word in parts if word.strip()))


def draw_voice(index: int, seed: int) -> Voice:
    """The voice number `index`: accent, speaker, speed, pitch and volume, drawn from the seed."""
    rng = np.random.default_rng((seed, 0x501CE, index))
    accent, variant = _ACCENTS[rng.integers(len(_ACCENTS))], _VARIANTS[(index + seed) % len(_VARIANTS)]
    wanted = {1: "test", 2: "validation"}.get(index % 10, "train")
    while which_set(name := f"{accent}-{variant.lower()}-{rng.integers(16**4):04x}") != wanted:
        pass
    return Voice(name, f"{accent}+{variant}", *(int(rng.integers(low, high)) for low, high in ((110, 210), (20, 81), (30, 71), (60, 121))))


def _place(y: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """The word at a random place of a second (of its own length and 0.1 s when it is longer), in noise of 10 to 45 dB below."""
    out = np.zeros(max(SR, len(y) + SR // 10), np.float32)
    first = int(rng.integers(len(out) - len(y) + 1))
    level = 10.0 ** (rng.uniform(-20.0, -1.0) / 20.0)
    out[first : first + len(y)] = level * y
    noise = coloured(len(out), rng, list(COLOURS)[rng.integers(3)])
    snr_db = rng.uniform(10.0, 45.0)
    return out + noise * np.float32(np.sqrt(np.mean(np.square(level * y))) * 10.0 ** (-snr_db / 20.0))


def _check_words(words: Sequence[str]) -> None:
    if not words:
        raise CorpusError("no words to speak: give some, such as yes,no,up")
    for word in words:
        if word.startswith((".", "_")) or "/" in word or "\\" in word or "\0" in word:
            raise CorpusError(f"the word {word!r} cannot be a folder: leave out slashes, and dots and underscores in front")


def _check_folder(folder: Path, words: Sequence[str], names: Sequence[str]) -> None:
    """Refuse a folder with anything that this run would not write: it would become a class, or a voice, of the corpus."""
    if folder.exists() and not folder.is_dir():
        raise CorpusError(f"{folder}: is not a folder: choose another")
    ours = {f"{word}/{name}" for word in words for name in names} | {f"{NOISE_FOLDER}/{name}.wav" for name in _NOISES}
    for path in folder.rglob("*"):
        if path.is_file() and (other := path.relative_to(folder).as_posix()) not in ours:
            raise CorpusError(f"{folder}: already holds {other}, which is not part of this corpus: choose another folder or remove it")
