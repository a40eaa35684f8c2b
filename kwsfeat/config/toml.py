"""FeatureConfig as a TOML file to write, edit and build from."""

from __future__ import annotations

import textwrap
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

from kwsfeat.config.documentation import accepted, grouped, toml_value
from kwsfeat.config.features import FeatureConfig, good_fft_sizes
from kwsfeat.config.option import about, shown
from kwsfeat.config.presets import preset
from kwsfeat.errors import ConfigError

_LARGEST = 1 << 20  # bytes; a complete file has ten thousand
_LENGTHS = [one.name for one in fields(FeatureConfig) if about(one).unit == "samples"]


def named_config(name_or_path: str) -> tuple[str, FeatureConfig]:
    """The feature set that ``--features`` names: a preset, or what a TOML file says.

    Parameters
    ----------
    name_or_path : str
        A name of ``kwsfeat presets``, or a path that ends with ``.toml``.

    Returns
    -------
    name : str
        That of the preset, or of the file without ``.toml``.
    config : FeatureConfig
        Fields that a file does not give have their defaults, or those of its ``preset``.

    Raises
    ------
    UnknownNameError
        For an unknown preset, with the nearest ones.
    ConfigError
        For a file that is missing, not TOML, or names an unknown field.

    Examples
    --------
    >>> name, config = named_config("mfcc")
    >>> name, config.shape
    ('mfcc', (101, 13))
    """
    if not name_or_path.endswith(".toml"):
        return name_or_path, preset(name_or_path)
    path = Path(name_or_path)
    return path.stem, read_toml(path)


def chooses_clip(name_or_path: str) -> bool:
    """Whether a TOML file itself says how long a clip is, or what is kept of longer recordings; a preset leaves both open."""
    return name_or_path.endswith(".toml") and not {"n_samples", "n_samples_ms", "crop"}.isdisjoint(_parsed(Path(name_or_path)))


def read_toml(path: Path) -> FeatureConfig:
    """The configuration in a TOML file; a field that it does not give has its default, or that of the file's ``preset``.

    A length that it does not give lasts as long as there: at another `sr`, `n_samples`, `win_length` and `hop_length` are other
    numbers of samples, and `n_fft` is another size. Each of the three lengths may be given in milliseconds instead, as
    ``win_length_ms = 25``; an `n_fft` that the file does not give is then at least the window.

    Raises
    ------
    ConfigError
        If the file cannot be read, is not TOML, names an unknown field or gives a wrong value.
    """
    values = _parsed(path)
    name = values.pop("preset", None)
    if not isinstance(name, str | None):
        raise ConfigError(f"{path}: preset={shown(name)} must be the name of a preset: kwsfeat presets lists them")
    try:
        base = preset(name) if name is not None else FeatureConfig()
        return FeatureConfig.from_partial(_in_samples(values, base), base)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def write_toml(config: FeatureConfig, path: Path) -> None:
    """Write every field with its meaning, for :func:`read_toml`.

    TOML has no word for None, so that a field without a value is a comment. Lengths are written in milliseconds, so that they
    last as long when somebody changes `sr`.

    Raises
    ------
    ConfigError
        If `path` exists.
    """
    if path.exists():
        raise ConfigError(f"{path} exists: give another name with --out")
    lines = ["# kwsfeat build SOURCE OUT.h5 --features THIS_FILE", f"config_version = {config.VERSION}"]
    for group, members in grouped(FeatureConfig):
        lines += ["", f"# {group} {'-' * (100 - len(group))}"]
        for one in members:
            value = getattr(config, one.name)
            lines += ["", *textwrap.wrap(about(one).doc, 100, initial_indent="# ", subsequent_indent="# ")]
            lines += textwrap.wrap(accepted(FeatureConfig, one), 100, initial_indent="# - ", subsequent_indent="#   ")
            in_ms = one.name in _LENGTHS
            lines.append(f"{'# ' if value is None or in_ms else ''}{one.name} = {toml_value(value)}".rstrip())
            if in_ms:
                lines.append(f"{one.name}_ms = {round(1000 * value / config.sr, 6)}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _parsed(path: Path) -> dict[str, Any]:
    try:
        if path.exists() and not path.is_file():
            raise ConfigError(f"{path} is not a file: kwsfeat presets --write NAME makes one")
        if path.stat().st_size > _LARGEST:
            raise ConfigError(f"{path} has more than {_LARGEST:,} bytes: it is not a feature configuration")
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}; kwsfeat presets --write NAME makes one") from None
    except RecursionError:
        raise ConfigError(f"{path}: not TOML: too deeply nested") from None
    except ConfigError:
        raise
    except ValueError as error:  # also of text that is not UTF-8, and of numbers with thousands of digits
        raise ConfigError(f"{path}: not TOML: {error}") from None


def _in_samples(values: dict[str, Any], base: FeatureConfig) -> dict[str, Any]:
    """`values` with milliseconds as samples, and with the lengths of `base` at another rate."""
    checked = FeatureConfig.from_partial({"sr": values["sr"], **_WAVEFORM}) if "sr" in values else base
    ratio = checked.sr / base.sr
    found, in_ms = dict(values), False
    for name in _LENGTHS:
        if (milliseconds := found.pop(f"{name}_ms", None)) is not None:
            if name in found:
                raise ConfigError(f"{name} and {name}_ms are the same length: give one of them")
            found[name], in_ms = _samples(f"{name}_ms", milliseconds, checked.sr), True
        elif name not in found and ratio != 1:
            found[name] = max(1, round(getattr(base, name) * ratio))
    if "n_fft" not in found and (ratio != 1 or in_ms):
        at_least = max(round(base.n_fft * ratio), found.get("win_length", base.win_length), 4)
        found["n_fft"] = good_fft_sizes(at_least)[1] if at_least <= 1 << 20 else at_least
    return found


_WAVEFORM = {"output": "waveform", "lowpass_hz": None, "fmax_hz": None}  # a config that any rate fits


def _samples(name: str, milliseconds: Any, sr: int) -> int:
    if isinstance(milliseconds, bool) or not isinstance(milliseconds, int | float) or not 0 < milliseconds < 1e12:
        raise ConfigError(f"{name}={shown(milliseconds)} must be a number of milliseconds > 0")
    return max(1, round(milliseconds * sr / 1000))
