"""kwsfeat: recordings to a self-describing, memory-mapped HDF5 file of speech features, fast."""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

# Public name -> module that defines it, with ":name" where it is called otherwise there.
# Resolved on first use, so that `import kwsfeat` loads neither numba nor h5py.
_PUBLIC = {
    "FeatureConfig": "config",
    "PRESETS": "presets",
    "preset": "presets",
    "FrontEnd": "frontend",
    "stft": "spectral",
    "istft": "spectral",
    "spectrogram": "spectral",
    "melspectrogram": "spectral",
    "power_to_db": "spectral",
    "amplitude_spectrum": "spectral",
    "mel_filterbank": "mel",
    "analysis_window": "windows",
    "mfcc": "cepstral",
    "delta": "cepstral",
    "butter_sos": "filters",
    "sosfilt": "filters",
    "Reader": "store",
    "Writer": "store",
    "verify_file": "verify",
    "KwsError": "errors",
    "ConfigError": "errors",
    "AudioError": "errors",
    "CorpusError": "errors",
    "StoreError": "errors",
    "VerificationError": "errors",
    "MissingExtraError": "errors",
    "nearest": "errors",
    "load_clip": "audio",
    "plan_recordings": "build",
    "build_file": "build:build",  # kwsfeat.build is the module
    "augment_source": "augmented",
    "named_config": "config_file",
    "FreshFeatures": "fresh",
    "load_recipe": "augment",
    "recipe_names": "augment",
    "time_stretch": "augment",
    "pitch_shift": "augment",
}

__all__ = sorted(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'kwsfeat' has no attribute {name!r}")
    module, _, defined_as = _PUBLIC[name].partition(":")
    value = getattr(import_module(f"kwsfeat.{module}"), defined_as or name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
