"""FeatureConfig as a TOML file to write, edit and build from."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

from kwsfeat.config.features import FeatureConfig
from kwsfeat.config.presets import preset
from kwsfeat.errors import ConfigError


def named_config(name_or_path: str) -> tuple[str, FeatureConfig]:
    """The name of a feature set and its configuration: of a preset, or of a TOML file (then its name without ``.toml``).

    Raises
    ------
    ConfigError
        For an unknown preset, with the near ones; for a file that is missing, not TOML, or names an unknown field.
    """
    if not name_or_path.endswith(".toml"):
        return name_or_path, preset(name_or_path)
    path = Path(name_or_path)
    return path.stem, read_toml(path)


def read_toml(path: Path) -> FeatureConfig:
    """The configuration in a TOML file; fields that it does not give have their defaults, or those of its ``preset``."""
    try:
        values: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}; kwsfeat presets --write NAME makes one") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not TOML: {error}") from None
    base = values.pop("preset", None)
    try:
        return FeatureConfig.from_partial(values, preset(base) if base is not None else None)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def write_toml(config: FeatureConfig, path: Path) -> None:
    """Write every field that has a value; TOML has no word for None, and None is the default wherever it is allowed.

    Raises
    ------
    ConfigError
        If `path` exists.
    """
    if path.exists():
        raise ConfigError(f"{path} exists: give another name with --out")
    lines = [f"{name} = {json.dumps(value)}\n" for name, value in config.to_dict().items() if value is not None]
    path.write_text("# kwsfeat build SOURCE OUT.h5 --features THIS_FILE\n" + "".join(lines), encoding="utf-8")
