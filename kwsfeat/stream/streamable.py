"""Which configurations stream, and why the others do not."""

from __future__ import annotations

from kwsfeat.config.features import FeatureConfig
from kwsfeat.errors import ConfigError

_LOWEST_HZ, _HIGHEST_HZ = 1000, 1_000_000
_WINDOWED = "a stream does not know the whole clip: choose another value, or compute the features of a window at a time with FrontEnd"


def check_streams(config: FeatureConfig, sr: int) -> None:
    """Refuse a configuration whose features need samples that a stream, pushed at `sr` Hz, has not heard yet.

    Raises
    ------
    ConfigError
        With the field, its value and the reason; for an `sr` out of bounds.
    """
    if sr != config.sr and not _LOWEST_HZ <= sr <= _HIGHEST_HZ:
        raise ConfigError(f"sr={sr} must be from {_LOWEST_HZ:,} to {_HIGHEST_HZ:,} Hz")
    c = config
    for needs_all, field, reason in (
        (c.peak_normalize, "peak_normalize=True", "divides by the clip's largest sample"),
        (c.log_ref == "max", "log_ref='max'", "measures from the clip's largest value"),
        (c.top_db is not None, f"top_db={c.top_db}", "clips below the clip's largest value"),
        (c.normalize not in ("none", "global"), f"normalize={c.normalize!r}", "takes sums over the clip"),
        (c.resample_from_hz > 0, f"resample_from_hz={c.resample_from_hz}", "resamples the clip of fixed length"),
        (c.resample == "fft" and sr != c.sr, f"resample='fft' from {sr} to {c.sr} Hz", "transforms the whole clip"),
    ):
        if needs_all:
            raise ConfigError(f"{field} cannot stream: it {reason}, and {_WINDOWED}")
