"""Augmentation: transforms of waveforms and features, and recipes made of them."""

from kwsfeat.augment.stretch import pitch_shift, time_stretch

__all__ = ["pitch_shift", "time_stretch"]
