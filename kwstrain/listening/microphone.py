"""The microphone, through PortAudio: samples at the device's own rate; lost samples are counted, an unplugged device is waited for."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kwsfeat import AudioError
from kwstrain.listening.sources import PIECE_S, Piece

QUEUE_S = 10.0  # audio that may wait; if the consumer is slower than that, new samples are lost
SILENT_S = 2.0  # the device is gone if there is no callback for this long
RETRY_S = 1.0


def sound_library() -> ModuleType:
    """The package sounddevice.

    Raises
    ------
    AudioError
        If it or PortAudio is missing; the message has the command that installs it.
    """
    try:
        import sounddevice  # type: ignore[import-untyped]
    except ImportError:
        raise AudioError("a microphone needs the package sounddevice: in a clone, pip install '.[listen]'") from None
    except OSError:  # what sounddevice raises where the library is missing
        raise AudioError("a microphone needs PortAudio: sudo apt install libportaudio2 (macOS and Windows have it)") from None
    return sounddevice  # type: ignore[no-any-return]


def devices() -> list[dict[str, Any]]:
    """The microphones: ``index``, ``name``, ``channels``, ``sr`` (the device's own rate, Hz) and whether it is the ``default``.

    Raises
    ------
    AudioError
        As :func:`sound_library`.
    """
    sounddevice = sound_library()
    default = sounddevice.default.device[0]
    return [
        {
            "index": i,
            "name": str(one["name"]),
            "channels": int(one["max_input_channels"]),
            "sr": round(one["default_samplerate"]),
            "default": i == default,
        }
        for i, one in enumerate(sounddevice.query_devices())
        if one["max_input_channels"] > 0
    ]


def from_microphone(device: int | str | None, remark: Callable[[str], None], *, retry_s: float = RETRY_S) -> Iterator[Piece]:
    """The audio of a microphone, without end; if the device is unplugged, wait for it.

    Parameters
    ----------
    device : int or str, optional
        Number or part of the name, as :func:`devices` lists them; the system's default if None.
    remark : callable
        Called with a sentence when the device disappears and when it is back.
    retry_s : float, s
        Time between two attempts to open a device that is gone.

    Yields
    ------
    Piece
        About 80 ms of mono float32 samples.

    Raises
    ------
    AudioError
        If the device cannot be opened at the beginning.
    """
    sounddevice = sound_library()
    opened, gone_at = False, 0.0
    while True:
        try:
            info = sounddevice.query_devices(device, "input")
            for piece in _pieces(sounddevice, device, round(info["default_samplerate"])):
                if gone_at:
                    lost_s, gone_at = time.monotonic() - gone_at, 0.0
                    remark(f"{info['name']} is back after {lost_s:.1f} s")
                    piece = replace(piece, lost_s=lost_s)
                opened = True
                yield piece
            reason = "it gives no more samples"
        except (ValueError, sounddevice.PortAudioError) as error:
            reason = str(error).partition("\n")[0]
            if not opened:
                which = "" if device is None else f" {device!r}"
                raise AudioError(
                    f"the microphone{which} cannot be opened: {reason}; kwstrain listen --devices lists the microphones"
                ) from None
        if not gone_at:
            gone_at = time.monotonic()
            remark(f"the microphone is gone ({reason}): waiting for it")
        time.sleep(retry_s)


def _pieces(sounddevice: ModuleType, device: int | str | None, sr: int) -> Iterator[Piece]:
    """The pieces that the device delivers until it stops."""
    waiting: queue.Queue[Piece] = queue.Queue(max(1, round(QUEUE_S / PIECE_S)))
    lost_s, expected_s = 0.0, 0.0

    def take(samples: NDArray[np.float32], n: int, times: Any, status: Any) -> None:
        nonlocal lost_s, expected_s
        if status.input_overflow:  # PortAudio does not say how much; its clock does, if it can be believed
            jump_s = times.inputBufferAdcTime - expected_s
            lost_s += min(max(jump_s, 1 / sr), QUEUE_S) if np.isfinite(jump_s) else 1 / sr
        expected_s = times.inputBufferAdcTime + n / sr
        try:
            waiting.put_nowait(Piece(samples[:, 0].copy(), sr, lost_s))
            lost_s = 0.0
        except queue.Full:
            lost_s += n / sr

    stream = sounddevice.InputStream(
        device=device, samplerate=sr, channels=1, dtype="float32", blocksize=round(PIECE_S * sr), callback=take
    )
    with stream:
        while True:
            try:
                yield waiting.get(timeout=SILENT_S)
            except queue.Empty:
                return
