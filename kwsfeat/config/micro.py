"""What can be chosen of the integer micro front end: little, because devices have its arithmetic built in."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from kwsfeat.config.clip import ClipConfig
from kwsfeat.config.option import shown
from kwsfeat.errors import ConfigError

if TYPE_CHECKING:
    from kwsfeat.config.features import FeatureConfig

FIXED: dict[str, Any] = {
    "n_fft": 512, "window": "hann-offset", "window_align": "left", "framing": "none", "spectrum": "magnitude", "mel_scale": "htk",
    "triangle_domain": "mel", "mel_norm": "none",
}  # fmt: skip
_CHOSEN = {"output", "win_length", "hop_length", "n_mels", "fmin_hz", "fmax_hz"}


def check_micro(config: FeatureConfig) -> None:
    """Refuse fields that output ``micro`` does not have, and lengths and bands that its tables do not hold.

    Raises
    ------
    ConfigError
        Naming the field, its value and what it must be.
    """
    c, clip = config, {one.name for one in fields(ClipConfig)}
    for one in fields(c):
        if one.name in clip or one.name in _CHOSEN:
            continue
        value, only = getattr(c, one.name), FIXED.get(one.name, one.default)
        if value != only:
            raise ConfigError(
                f"{one.name}={shown(value)} must be {only!r} with output 'micro', whose arithmetic is fixed: "
                "start from the preset micro-frontend"
            )
    if not c.n_fft // 2 < c.win_length <= c.n_fft:
        raise ConfigError(f"win_length={c.win_length} must be from {c.n_fft // 2 + 1} to {c.n_fft} with output 'micro'")
    if c.fmax_hz is None or not c.fmin_hz < c.fmax_hz < c.sr / 2:
        raise ConfigError(f"fmax_hz={c.fmax_hz} must lie between fmin_hz={c.fmin_hz:g} and sr / 2 = {c.sr / 2:g} with output 'micro'")
