"""Augmentation: transforms of waveforms and features, and recipes made of them.

Every transform is a frozen description with ``draw(rng) -> parameters`` and ``apply(y, parameters)``.
"""

from kwsfeat.augment.noise import Noise, noise_of, synthetic_noise
from kwsfeat.augment.recipe import Grid, Recipe, augmented, draw_variants, load_recipe, real_part, recipe_names, variants
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
    "Recipe",
    "Room",
    "SpecMasks",
    "Tanh",
    "TimeShift",
    "TimeStretch",
    "Transform",
    "augmented",
    "draw_variants",
    "load_recipe",
    "noise_of",
    "pitch_shift",
    "real_part",
    "recipe_names",
    "stretch_and_shift",
    "synthetic_noise",
    "time_stretch",
    "uniforms",
    "variants",
]
