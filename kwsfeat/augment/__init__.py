"""Augmentation: transforms of waveforms and features, and policies made of them.

Every transform is a frozen description with ``draw(rng) -> parameters`` and ``apply(y, parameters)``.
"""

from kwsfeat.augment.noise import Noise, synthetic_noise
from kwsfeat.augment.policy import Grid, Policy, augmented, draw_variants, load_policy, policy_names, real_part, variants
from kwsfeat.augment.spectrogram import Mixup, SpecMasks
from kwsfeat.augment.stretch import pitch_shift, stretch_and_shift, time_stretch
from kwsfeat.augment.transform import Compose, OneOf, Parameters, Transform, uniforms
from kwsfeat.augment.waveform import Clip, Filter, Gain, MixNoise, PitchShift, Room, Tanh, TimeShift, TimeStretch

__all__ = [
    "Clip",
    "Compose",
    "Filter",
    "Gain",
    "Grid",
    "MixNoise",
    "Mixup",
    "Noise",
    "OneOf",
    "Parameters",
    "PitchShift",
    "Policy",
    "Room",
    "SpecMasks",
    "Tanh",
    "TimeShift",
    "TimeStretch",
    "Transform",
    "augmented",
    "draw_variants",
    "load_policy",
    "pitch_shift",
    "policy_names",
    "real_part",
    "stretch_and_shift",
    "synthetic_noise",
    "time_stretch",
    "uniforms",
    "variants",
]
