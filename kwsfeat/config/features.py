"""FeatureConfig: every choice that changes a feature value, and nothing else.

It travels as JSON in the HDF5 file and in the trained bundle; build, evaluate and predict all construct the same
``FrontEnd(config)`` from it. A wrong combination is refused here, when it is made.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from kwsfeat.design.mel import MelNorm, MelScale, TriangleDomain, mel_filterbank
from kwsfeat.design.windows import Window
from kwsfeat.errors import ConfigError, unknown_name
from kwsfeat.renamed import renamed, with_new_names

Pad = Literal["end", "front", "center"]
Crop = Literal["start", "center", "random", "loudest"]
Framing = Literal["zero", "reflect", "symmetric", "none", "end"]
Log = Literal["none", "ln", "log10", "db", "pcen"]
Normalize = Literal["none", "row-l1", "mean", "mean-variance", "global"]


_OLD_NAMES = {"kind": "output", "edges": "framing", "mel_formula": "mel_scale", "mel_weights": "triangle_domain"}


@dataclass(frozen=True, kw_only=True)
class FeatureConfig:
    """The whole description of a feature: recording in, ``(n_frames, n_features)`` float32 out.

    Fields are in the order in which the signal meets them. Lengths are samples at `sr` unless the name says otherwise.

    Clip
        `sr` (Hz, >= 1), `n_samples` (>= 1): every clip has this length. `pad`: where zeros go when it is shorter.
        `crop`: what is kept when it is longer (``random`` is drawn from the seed given to build or extract). `resample`:
        ``soxr`` (band-limited) or ``fft`` (``scipy.signal.resample``, system C); `resample_from_hz` > 0 fixes the length at
        that rate first and resamples the fixed clip, as system C does.
    Conditioning
        `peak_normalize`: divide by the largest sample (MLPerf Tiny). `input_scale`: factor on [-1, 1] (Kaldi: 32768).
        `lowpass_hz`, `lowpass_order`: causal Butterworth (system A: 3000 Hz, order 35), None is off. `dither`: standard
        deviation of seeded Gaussian noise, in scaled units; 0 is off.
    Frames
        `output`: ``waveform``, ``spectrum``, ``mel`` or ``mfcc``. `n_fft` (prime factors 2, 3, 5), `win_length` (<= n_fft),
        `hop_length` (>= 1). `window`: periodic unless named symmetric; ``hann-offset`` is shifted by half a sample
        (micro_frontend). `window_align`: where a window shorter than n_fft lies in the frame. `framing`: frames centred with
        ``zero`` or ``reflect`` padding (librosa, torchaudio), ``symmetric`` (Kaldi without snip_edges), ``none`` (whole frames
        only; a frame is `win_length` long when the window is left-aligned, else `n_fft`), ``end`` (zeros so that no sample
        is dropped, python_speech_features). `drop_last_frame`: Whisper. `remove_dc`: subtract each frame's mean. `preemph`
        with `preemph_mode`: ``clip`` (y[t] - c y[t-1], y[-1] = 0) or ``frame`` (Kaldi: first sample x0 - c x0).
    Spectrum
        `spectrum`: ``power`` or ``magnitude``. `spectrum_norm` divides the power by the window's energy (``window``),
        `win_length`, `n_fft`, or gives ``scipy.signal.spectrogram``'s one-sided ``density``.
    Mel
        `n_mels`, `fmin_hz`, `fmax_hz` (None is sr / 2), `mel_scale`, `triangle_domain`, `mel_norm`: see ``mel_filterbank``.
    Logarithm
        `log`: ``none``, ``ln``, ``log10``, ``db`` (10 log10) or ``pcen``. The argument is ``max(x, log_floor) + log_offset``.
        `log_ref`: value that becomes 0 (a number, or ``max`` of the clip). `top_db`: clip to this far (in dB) below the
        clip's largest value; None is off. `pcen_*`: librosa's parameters.
    Cepstrum
        `n_mfcc` (<= n_mels), `dct_norm`: ``ortho``, ``htk`` (sqrt(2/N) on all rows) or ``none``. `lifter` (0 is off) with
        `lifter_kind` ``htk`` (1 + L/2 sin(pi n/L)) or ``librosa`` (n + 1).
    Energy
        `energy`: ``none``, ``raw`` (ln of a frame's energy before pre-emphasis and window) or ``windowed``; it takes the
        place of c0 in an MFCC and comes before the bands otherwise, or last with `energy_last`. `energy_floor` >= 0.
    After
        `deltas` 0, 1 or 2 with `delta_width` (odd, >= 3) and `delta_kind` ``librosa`` (Savitzky-Golay) or ``htk`` (regression
        with repeated edges, applied twice). `normalize`: ``row-l1`` (system A: each band over time divided by its L1 norm),
        ``mean``, ``mean-variance`` (per utterance and feature) or ``global`` with `global_mean` and `global_std`. Then
        ``(x + post_add) / post_divide``, clipped to `post_clip` when given.

    Raises
    ------
    ConfigError
        Naming the field, its value, the bound and the cure.
    """

    sr: int = 16000
    n_samples: int = 16000
    pad: Pad = "end"
    crop: Crop = "center"
    resample: Literal["soxr", "fft"] = "soxr"
    resample_from_hz: int = 0

    peak_normalize: bool = False
    input_scale: float = 1.0
    lowpass_hz: float | None = None
    lowpass_order: int = 35
    dither: float = 0.0

    output: Literal["waveform", "spectrum", "mel", "mfcc"] = "mel"
    n_fft: int = 512
    win_length: int = 400
    hop_length: int = 160
    window: Window = "hann"
    window_align: Literal["center", "left"] = "center"
    framing: Framing = "zero"
    drop_last_frame: bool = False
    remove_dc: bool = False
    preemph: float = 0.0
    preemph_mode: Literal["clip", "frame"] = "clip"

    spectrum: Literal["power", "magnitude"] = "power"
    spectrum_norm: Literal["none", "window", "win_length", "n_fft", "density"] = "none"

    n_mels: int = 40
    fmin_hz: float = 0.0
    fmax_hz: float | None = None
    mel_scale: MelScale = "slaney"
    triangle_domain: TriangleDomain = "hz"
    mel_norm: MelNorm = "slaney"

    log: Log = "ln"
    log_floor: float = 1e-10
    log_offset: float = 0.0
    log_ref: float | Literal["max"] = 1.0
    top_db: float | None = None
    pcen_gain: float = 0.98
    pcen_bias: float = 2.0
    pcen_power: float = 0.5
    pcen_time_s: float = 0.4
    pcen_eps: float = 1e-6

    n_mfcc: int = 13
    dct_norm: Literal["ortho", "htk", "none"] = "ortho"
    lifter: float = 0.0
    lifter_kind: Literal["htk", "librosa"] = "htk"

    energy: Literal["none", "raw", "windowed"] = "none"
    energy_floor: float = 0.0
    energy_last: bool = False

    deltas: int = 0
    delta_width: int = 9
    delta_kind: Literal["librosa", "htk"] = "librosa"
    normalize: Normalize = "none"
    global_mean: tuple[float, ...] = ()
    global_std: tuple[float, ...] = ()
    post_add: float = 0.0
    post_divide: float = 1.0
    post_clip: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        for name in ("global_mean", "global_std", "post_clip"):  # JSON and TOML know lists only
            if isinstance(value := getattr(self, name), list):
                object.__setattr__(self, name, tuple(value))
        _check_types(self)
        _check_bounds(self)
        if self.output != "waveform":
            _check_frames(self)
        if self.output in ("mel", "mfcc"):
            mel_filterbank(
                sr=self.sr, n_fft=self.n_fft, n_mels=self.n_mels, fmin_hz=self.fmin_hz, fmax_hz=self.fmax_hz,
                mel_scale=self.mel_scale, triangle_domain=self.triangle_domain, norm="none",
            )  # fmt: skip
        if self.normalize == "global":
            for name in ("global_mean", "global_std"):
                if len(getattr(self, name)) != self.n_features:
                    raise ConfigError(
                        f"{name} has {len(getattr(self, name))} values and needs n_features={self.n_features}: one for each feature"
                    )

    def __getattr__(self, name: str) -> Any:
        if name in _OLD_NAMES:
            return getattr(self, _OLD_NAMES[name])
        raise AttributeError(f"FeatureConfig has no field {name!r}")

    @cached_property
    def frame_length(self) -> int:
        """Samples that one frame spans: `win_length` for left-aligned windows, else `n_fft`."""
        return self.win_length if self.window_align == "left" else self.n_fft

    def frames_of(self, n_samples: int) -> int:
        """Number of frames of a clip of `n_samples` (>= 0)."""
        if self.output == "waveform":
            return n_samples
        if self.framing in ("zero", "reflect"):
            n = 1 + (n_samples - self.n_fft % 2) // self.hop_length  # an odd n_fft is padded by one sample less than it spans
        elif self.framing == "symmetric":
            n = (n_samples + self.hop_length // 2) // self.hop_length
        elif self.framing == "end":
            n = 1 + max(0, -(-(n_samples - self.frame_length) // self.hop_length))
        else:
            n = max(0, 1 + (n_samples - self.frame_length) // self.hop_length)
        return n - 1 if self.drop_last_frame else n

    @cached_property
    def n_frames(self) -> int:
        """Frames of one clip."""
        return self.frames_of(self.n_samples)

    @cached_property
    def n_features(self) -> int:
        """Values of one frame."""
        if self.output == "waveform":
            return 1
        base = {"spectrum": self.n_fft // 2 + 1, "mel": self.n_mels, "mfcc": self.n_mfcc}[self.output]
        extra = 1 if self.energy != "none" and self.output != "mfcc" else 0
        return (base + extra) * (1 + self.deltas)

    @property
    def shape(self) -> tuple[int, int]:
        """(n_frames, n_features) of one clip."""
        return self.n_frames, self.n_features

    def to_dict(self) -> dict[str, Any]:
        """All fields, JSON types only."""
        return {f.name: list(v) if isinstance(v := getattr(self, f.name), tuple) else v for f in fields(self)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> FeatureConfig:
        """The strict inverse of :meth:`to_dict`: every field must be there, and no other."""
        values = with_new_names(values, _OLD_NAMES)
        names = {f.name for f in fields(cls)}
        if missing := names - values.keys():
            raise ConfigError(f"feature config lacks {_listed(missing)}: written by another version, or edited")
        return cls.from_partial(values)

    @classmethod
    def from_partial(cls, values: Mapping[str, Any], base: FeatureConfig | None = None) -> FeatureConfig:
        """`base` (the defaults without it) with some fields replaced; refuses names that are no fields."""
        values = with_new_names(values, _OLD_NAMES)
        names = [f.name for f in fields(cls)]
        if unknown := [name for name in values if name not in names]:
            raise unknown_name("field of FeatureConfig", unknown[0], names)
        return cls(**{**(base.to_dict() if base else {}), **values})

    def to_json(self) -> str:
        """The fields as one line of JSON."""
        return json.dumps(self.to_dict())

    @classmethod
    def from_json(cls, text: str) -> FeatureConfig:
        """The inverse of :meth:`to_json`."""
        try:
            values = json.loads(text)
        except json.JSONDecodeError as error:
            raise ConfigError(f"feature config is not JSON: {error}") from None
        if not isinstance(values, dict):
            raise ConfigError(f"feature config must be a JSON object, not {type(values).__name__}")
        return cls.from_dict(values)

    @cached_property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that differ whenever a field differs."""
        old = {new: old for old, new in _OLD_NAMES.items()}  # a better name is not another configuration
        text = json.dumps({old.get(name, name): value for name, value in self.to_dict().items()}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def differences(self, other: FeatureConfig) -> list[str]:
        """One ``name: ours != theirs`` for each field in which the two differ."""
        ours, theirs = self.to_dict(), other.to_dict()
        return [f"{name}: {ours[name]!r} != {theirs[name]!r}" for name in ours if ours[name] != theirs[name]]


FeatureConfig.__init__ = renamed(**_OLD_NAMES)(FeatureConfig.__init__)  # type: ignore[method-assign]


def good_fft_sizes(n: int) -> tuple[int, int]:
    """The nearest sizes at or below and at or above `n` whose prime factors are 2, 3 and 5."""
    below, above = n, n
    while not _is_5_smooth(below):
        below -= 1
    while not _is_5_smooth(above):
        above += 1
    return below, above


def _is_5_smooth(n: int) -> bool:
    for p in (2, 3, 5):
        while n % p == 0:
            n //= p
    return n == 1


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names))


_HINTS: dict[str, Any] = {}


def _check_types(config: FeatureConfig) -> None:
    """Fields come from JSON and TOML files written by hand: each must have the type it is declared with."""
    if not _HINTS:
        _HINTS.update(get_type_hints(FeatureConfig))
    for f in fields(config):
        value, hint = getattr(config, f.name), _HINTS[f.name]
        options = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
        choices = [c for option in options if get_origin(option) is Literal for c in get_args(option)]
        if value in choices or (value is None and type(None) in options):
            continue
        wanted = " or ".join([_KIND_NAMES[o] for o in options if o in _KIND_NAMES] + ([f"one of {', '.join(choices)}"] if choices else []))
        if any(get_origin(option) is tuple for option in options):
            if not isinstance(value, tuple) or not all(_is_number(v) for v in value):
                raise ConfigError(f"{f.name}={value!r} must be a list of numbers")
            object.__setattr__(config, f.name, tuple(float(v) for v in value))
        elif float in options and _is_number(value):
            object.__setattr__(config, f.name, float(value))  # 1 and 1.0 are the same configuration
        elif type(value) not in options or type(value) is float:
            raise ConfigError(f"{f.name}={value!r} must be {wanted}")


_KIND_NAMES: dict[Any, str] = {bool: "true or false", int: "a whole number", float: "a finite number"}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


_AT_LEAST: dict[str, float] = {
    "sr": 1, "n_samples": 1, "resample_from_hz": 0, "lowpass_order": 1, "dither": 0, "n_fft": 4, "win_length": 1, "hop_length": 1,
    "n_mels": 1, "n_mfcc": 1, "log_floor": 0, "log_offset": 0, "lifter": 0, "energy_floor": 0, "delta_width": 3,
    "pcen_gain": 0, "pcen_bias": 0, "pcen_power": 0,
}  # fmt: skip


def _check_bounds(c: FeatureConfig) -> None:
    for name, bound in _AT_LEAST.items():
        if getattr(c, name) < bound:
            raise ConfigError(f"{name}={getattr(c, name)} must be >= {bound:g}")
    for name in ("input_scale", "post_divide", "pcen_time_s", "pcen_eps"):
        if getattr(c, name) <= 0:
            raise ConfigError(f"{name}={getattr(c, name)} must be > 0")
    if c.lowpass_hz is not None and not 0 < c.lowpass_hz < c.sr / 2:
        raise ConfigError(f"lowpass_hz={c.lowpass_hz:g} must lie between 0 and sr / 2 = {c.sr / 2:g}")
    if c.lowpass_order > 60:
        raise ConfigError(f"lowpass_order={c.lowpass_order} must be <= 60: higher orders are not stable in float32")
    if not -1.0 < c.preemph < 1.0:
        raise ConfigError(f"preemph={c.preemph} must lie between -1 and 1")
    if c.top_db is not None and c.top_db <= 0:
        raise ConfigError(f"top_db={c.top_db} must be > 0, or none to switch it off")
    if c.deltas not in (0, 1, 2):
        raise ConfigError(f"deltas={c.deltas} must be 0, 1 or 2")
    if c.delta_width % 2 == 0:
        raise ConfigError(f"delta_width={c.delta_width} must be odd")
    if isinstance(c.log_ref, float) and c.log_ref <= 0:
        raise ConfigError(f"log_ref={c.log_ref} must be > 0, or 'max'")
    if c.log in ("ln", "log10", "db") and c.log_floor + c.log_offset < 1e-37:
        raise ConfigError(f"log_floor={c.log_floor:g} plus log_offset={c.log_offset:g} must be >= 1e-37: silence has no logarithm")
    if c.log in ("none", "pcen") and (c.top_db is not None or c.log_ref != 1.0):
        raise ConfigError(f"top_db={c.top_db} and log_ref={c.log_ref} need a logarithm: choose log ln, log10 or db, not {c.log!r}")
    if c.peak_normalize and c.input_scale != 1.0:
        raise ConfigError(f"input_scale={c.input_scale:g} has no effect with peak_normalize: leave it at 1")
    if c.log == "pcen" and (c.output == "mfcc" or c.energy != "none"):
        raise ConfigError(
            f"log='pcen' fits neither output 'mfcc' nor an energy (output={c.output!r}, energy={c.energy!r}): choose another log"
        )
    if c.post_clip is not None and (len(c.post_clip) != 2 or c.post_clip[0] >= c.post_clip[1]):
        raise ConfigError(f"post_clip={c.post_clip} must be a lower and a higher bound")
    if c.normalize == "global" and any(s <= 0 for s in c.global_std):
        raise ConfigError(f"global_std has the value {min(c.global_std):g}: each must be > 0")


def _check_frames(c: FeatureConfig) -> None:
    if c.win_length > c.n_fft:
        raise ConfigError(f"win_length={c.win_length} must be <= n_fft={c.n_fft}: raise n_fft to {good_fft_sizes(c.win_length)[1]} or more")
    if not _is_5_smooth(c.n_fft):
        below, above = good_fft_sizes(c.n_fft)
        raise ConfigError(f"n_fft={c.n_fft} has a prime factor above 5: the nearest good sizes are {below} and {above}")
    if c.output == "mfcc" and c.n_mfcc > c.n_mels:
        raise ConfigError(f"n_mfcc={c.n_mfcc} must be <= n_mels={c.n_mels}")
    if c.framing == "reflect" and c.n_samples <= c.n_fft // 2:
        raise ConfigError(
            f"n_samples={c.n_samples} must be > n_fft / 2 = {c.n_fft // 2} to reflect at the ends: choose framing 'zero' or a smaller n_fft"
        )
    if c.n_frames < 1:
        raise ConfigError(f"n_samples={c.n_samples} gives no frame of {c.frame_length} samples: lengthen the clip or shorten the window")
    if c.deltas and c.delta_kind == "librosa" and c.n_frames < c.delta_width:
        raise ConfigError(f"delta_width={c.delta_width} must be <= n_frames={c.n_frames}: choose a narrower one, or delta_kind 'htk'")
