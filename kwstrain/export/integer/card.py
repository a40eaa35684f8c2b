"""The description in a file for a microcontroller: that of every export, and the word."""

from __future__ import annotations

from kwstrain.export.card import describe
from kwstrain.export.integer.wake import WakeWord
from kwstrain.export.target import Job


def described(job: Job, wake: WakeWord) -> dict[str, str]:
    """Texts by name, as :meth:`kwstrain.inference.description.Description.from_properties` reads them, and those of the word."""
    config = job.bundle.feature_config
    latency_s = (config.win_length + (wake.network.stride - 1) * config.hop_length) / config.sr
    properties = describe(job.bundle, "stream", license=job.license, latency_s=latency_s).to_properties()
    return {
        **properties,
        "input": f"int16 at {config.sr} Hz",
        "word": wake.word,
        "probability_cutoff": f"{wake.cutoff:g}",
        "sliding_window_size": str(wake.window),
    }
