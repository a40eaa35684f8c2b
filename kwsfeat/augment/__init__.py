"""Augmentation: transforms of waveforms and features, and policies made of them.

Every transform is a frozen description with ``draw(rng) -> parameters`` and ``apply(y, parameters)``. A new one is a file in
``transforms/``.
"""

from kwsfeat.augment.compose import Compose, OneOf
from kwsfeat.augment.grid import Grid
from kwsfeat.augment.noise import Noise, synthetic_noise
from kwsfeat.augment.policy import Policy, load_policy, policy_names
from kwsfeat.augment.spectrogram import Mixup, SpecMasks
from kwsfeat.augment.stretch import pitch_shift, stretch_and_shift, time_stretch
from kwsfeat.augment.transform import Parameters, Transform, uniforms
from kwsfeat.augment.transforms import transform_kinds
from kwsfeat.augment.transforms.distortion import Clipping, Tanh
from kwsfeat.augment.transforms.filter import Filter
from kwsfeat.augment.transforms.gain import Gain
from kwsfeat.augment.transforms.mix_noise import MixNoise
from kwsfeat.augment.transforms.room import Room
from kwsfeat.augment.transforms.stretching import PitchShift, TimeStretch
from kwsfeat.augment.transforms.time_shift import TimeShift
from kwsfeat.augment.variants import augmented, draw_variants, real_part, variants

__all__ = [
    "Clipping",
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
    "transform_kinds",
    "uniforms",
    "variants",
]
