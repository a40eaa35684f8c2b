"""kwsfeat: recordings to a self-describing, memory-mapped HDF5 file of speech features, fast."""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

# Public name -> module that defines it, with ":name" where it is called otherwise there.
# Resolved on first use, so that `import kwsfeat` loads neither numba nor h5py.
_PUBLIC = {
    "FeatureConfig": "config.features",
    "PRESETS": "config.presets",
    "preset": "config.presets",
    "FrontEnd": "features.front_end",
    "stft": "features.spectral",
    "istft": "features.spectral",
    "spectrogram": "features.spectral",
    "melspectrogram": "features.spectral",
    "power_to_db": "features.spectral",
    "amplitude_spectrum": "features.spectral",
    "mel_filterbank": "design.mel",
    "analysis_window": "design.windows",
    "mfcc": "features.cepstral",
    "delta": "features.cepstral",
    "butter_sos": "design.butterworth",
    "sosfilt": "features.filtering",
    "Reader": "dataset.reader",
    "Writer": "dataset.writer",
    "verify_file": "dataset.verify",
    "KwsError": "errors",
    "ConfigError": "errors",
    "AudioError": "errors",
    "CorpusError": "errors",
    "StoreError": "errors",
    "VerificationError": "errors",
    "MissingExtraError": "errors",
    "UnknownNameError": "errors",
    "nearest": "errors",
    "unknown_name": "errors",
    "thread_count": "threads",
    "list_recordings": "corpus.files",
    "SPLITS": "config.splits",
    "load_clip": "audio.clip",
    "plan_recordings": "pipeline.sources",
    "build_file": "pipeline.build:build",
    "augment_source": "pipeline.variants",
    "named_config": "config.toml",
    "FreshFeatures": "pipeline.fresh",
    "load_policy": "augment",
    "policy_names": "augment",
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
