"""FeatureConfig: every choice that changes a feature value, and nothing else.

It travels as JSON in the HDF5 file and in the trained bundle; build, evaluate and predict all construct the same
``FrontEnd(config)`` from it. A wrong combination is refused here, when it is made.
"""

from __future__ import annotations

from functools import cached_property
from typing import Literal

from kwsfeat.config.algorithm import algorithm_version
from kwsfeat.config.base import config_class
from kwsfeat.config.clip import ClipConfig
from kwsfeat.config.micro import check_micro
from kwsfeat.config.option import option
from kwsfeat.design.mel import MelNorm, MelScale, TriangleDomain, mel_filterbank
from kwsfeat.design.windows import Window
from kwsfeat.errors import ConfigError

Framing = Literal["zero", "reflect", "symmetric", "none", "end"]
Log = Literal["none", "ln", "log10", "db", "pcen"]
Normalize = Literal["none", "row-l1", "mean", "mean-variance", "global"]

_LONGEST_FFT = 1 << 20
_MOST_VALUES = 1 << 26  # of one clip's features


@config_class
class FeatureConfig(ClipConfig):
    """The whole description of a feature: recording in, ``(n_frames, n_features)`` float32 out.

    Fields are in the order in which the signal meets them. Lengths are samples at `sr` unless the name says otherwise.

    Raises
    ------
    ConfigError
        Naming the field, its value, the bound and the cure.
    """

    # fmt: off
    peak_normalize: bool = option(False, "Divide by the clip's largest sample (MLPerf Tiny).", group="Conditioning")
    input_scale: float = option(1.0, "Factor on samples in [-1, 1]; Kaldi's is 32768.", above=0, group="Conditioning")
    lowpass_hz: float | None = option(
        None, "Cutoff of a causal Butterworth low-pass, below sr / 2 (mel75: 3000); None is off.",
        unit="Hz", above=0, group="Conditioning",
    )
    lowpass_order: int = option(
        35, "Order of the low-pass; higher ones are not stable in float32.", at_least=1, at_most=60, group="Conditioning"
    )
    dither: float = option(
        0.0, "Standard deviation of seeded Gaussian noise, in scaled units; 0 is off.", at_least=0, group="Conditioning"
    )

    output: Literal["waveform", "spectrum", "mel", "mfcc", "micro"] = option(
        "mel", "How far the signal goes. micro is the integer arithmetic of microcontrollers, of which only the lengths, the number of "
        "bands and their range can be chosen: start from the preset micro-frontend.",
        group="Frames", formerly="kind",
    )
    n_fft: int = option(
        512, "Length of the FFT; its prime factors are 2, 3 and 5.", unit="points", at_least=4, at_most=_LONGEST_FFT, group="Frames"
    )
    win_length: int = option(
        400, "Length of the window, at most n_fft.", unit="samples", at_least=1, at_most=_LONGEST_FFT, group="Frames"
    )
    hop_length: int = option(
        160, "From one frame to the next.", unit="samples", at_least=1, at_most=_LONGEST_FFT, group="Frames"
    )
    window: Window = option(
        "hann", "Periodic unless named symmetric; hann-offset is shifted by half a sample (micro_frontend).", group="Frames"
    )
    window_align: Literal["center", "left"] = option("center", "Where a window shorter than n_fft lies in the frame.", group="Frames")
    framing: Framing = option(
        "zero", "Frames centred, with zero or reflect padding (librosa, torchaudio); symmetric (Kaldi without snip_edges); none: whole "
        "frames only, a frame being win_length long when the window is left-aligned, else n_fft; end: zeros at the end, so that no "
        "sample is dropped (python_speech_features).",
        group="Frames", formerly="edges",
    )
    drop_last_frame: bool = option(False, "Leave out the last frame (Whisper).", group="Frames")
    remove_dc: bool = option(False, "Subtract each frame's mean.", group="Frames")
    preemph: float = option(0.0, "Coefficient c of the pre-emphasis; 0 is off.", above=-1, below=1, group="Frames")
    preemph_mode: Literal["clip", "frame"] = option(
        "clip", "clip: y[t] - c y[t-1] with y[-1] = 0; frame: in each frame, the first sample being x0 - c x0 (Kaldi).", group="Frames"
    )

    spectrum: Literal["power", "magnitude"] = option("power", "What the bins hold.", group="Spectrum")
    spectrum_norm: Literal["none", "window", "win_length", "n_fft", "density"] = option(
        "none", "Divide the power by the window's energy (window), by win_length or by n_fft; density is the one-sided density of "
        "scipy.signal.spectrogram.",
        group="Spectrum",
    )

    n_mels: int = option(40, "Number of bands; each must hold an FFT bin.", at_least=1, at_most=8192, group="Mel")
    fmin_hz: float = option(0.0, "Lower edge of the first band.", unit="Hz", at_least=0, group="Mel")
    fmax_hz: float | None = option(None, "Upper edge of the last band, at most sr / 2; None is sr / 2.", unit="Hz", above=0, group="Mel")
    mel_scale: MelScale = option(
        "slaney", "slaney: linear below 1 kHz (librosa); htk: 2595 log10(1 + f/700) (HTK, Kaldi, TensorFlow).",
        group="Mel", formerly="mel_formula",
    )
    triangle_domain: TriangleDomain = option(
        "hz", "Where the triangles have straight sides: over hz (librosa), over mel (Kaldi, TensorFlow), or between edges rounded down to "
        "whole bins (bin, python_speech_features).",
        group="Mel", formerly="mel_weights",
    )
    mel_norm: MelNorm = option(
        "slaney", "slaney divides a band by half its width in Hz (equal area); l1, l2 and linf divide it by that norm.", group="Mel"
    )

    log: Log = option("ln", "db is 10 log10. The argument is max(x, log_floor) + log_offset.", group="Logarithm")
    log_floor: float = option(1e-10, "Smallest value before the logarithm.", at_least=0, group="Logarithm")
    log_offset: float = option(0.0, "Added before the logarithm.", at_least=0, group="Logarithm")
    log_ref: float | Literal["max"] = option(1.0, "The value that becomes 0; max is the clip's largest.", above=0, group="Logarithm")
    top_db: float | None = option(
        None, "Clip to this far below the clip's largest value; None is off.", unit="dB", above=0, group="Logarithm"
    )
    pcen_gain: float = option(0.98, "Gain of librosa.pcen.", at_least=0, group="Logarithm")
    pcen_bias: float = option(2.0, "Bias of librosa.pcen.", at_least=0, group="Logarithm")
    pcen_power: float = option(0.5, "Power of librosa.pcen.", at_least=0, group="Logarithm")
    pcen_time_s: float = option(0.4, "Time constant of librosa.pcen.", unit="s", above=0, group="Logarithm")
    pcen_eps: float = option(1e-6, "Eps of librosa.pcen.", above=0, group="Logarithm")

    n_mfcc: int = option(13, "Coefficients that are kept, at most n_mels.", at_least=1, at_most=8192, group="Cepstrum")
    dct_norm: Literal["ortho", "htk", "none"] = option(
        "ortho", "Scale of the DCT-II; htk is sqrt(2/N) on all rows.", group="Cepstrum"
    )
    lifter: float = option(0.0, "L of the liftering; 0 is off.", at_least=0, group="Cepstrum")
    lifter_kind: Literal["htk", "librosa"] = option(
        "htk", "htk: 1 + L/2 sin(pi n/L); librosa: n + 1 instead of n.", group="Cepstrum"
    )

    energy: Literal["none", "raw", "windowed"] = option(
        "none", "ln of a frame's energy, raw before pre-emphasis and window. It takes the place of c0 in an MFCC and comes before the "
        "bands otherwise.",
        group="Energy",
    )
    energy_floor: float = option(0.0, "Smallest energy before the logarithm.", at_least=0, group="Energy")
    energy_last: bool = option(False, "Put the energy last.", group="Energy")

    deltas: int = option(0, "Orders of differences over time that are appended.", at_least=0, at_most=2, group="After")
    delta_width: int = option(9, "Frames that a difference is taken over; odd.", unit="frames", at_least=3, at_most=9999, group="After")
    delta_kind: Literal["librosa", "htk"] = option(
        "librosa", "librosa: Savitzky-Golay; htk: regression with repeated ends, applied twice.", group="After"
    )
    normalize: Normalize = option(
        "none", "row-l1: each band over time divided by its L1 norm (mel75); mean and mean-variance: per utterance and feature; "
        "global: with global_mean and global_std.",
        group="After",
    )
    global_mean: tuple[float, ...] = option((), "One value for each feature, for normalize global.", group="After")
    global_std: tuple[float, ...] = option((), "One value above 0 for each feature, for normalize global.", group="After")
    post_add: float = option(0.0, "The last steps are (x + post_add) / post_divide, clipped to post_clip.", group="After")
    post_divide: float = option(1.0, "See post_add.", above=0, group="After")
    post_clip: tuple[float, float] | None = option(None, "A lower and a higher bound of all values; None is off.", group="After")
    # fmt: on

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_rules(self)
        if self.output == "micro":
            check_micro(self)
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
        base = {"spectrum": self.n_fft // 2 + 1, "mel": self.n_mels, "mfcc": self.n_mfcc, "micro": self.n_mels}[self.output]
        extra = 1 if self.energy != "none" and self.output != "mfcc" else 0
        return (base + extra) * (1 + self.deltas)

    @property
    def shape(self) -> tuple[int, int]:
        """(n_frames, n_features) of one clip."""
        return self.n_frames, self.n_features

    @property
    def algorithm(self) -> int:
        """Version of the algorithm that computes these features today; stored beside them, and compared."""
        return algorithm_version(self)

    def differences(self, other: FeatureConfig) -> list[str]:
        """One ``name: ours != theirs`` for each field in which the two differ."""
        return [f"{name}: {ours!r} != {theirs!r}" for name, (ours, theirs) in self.differing(other).items()]


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


def _check_rules(c: FeatureConfig) -> None:
    """What one field demands of another; each by itself was checked before."""
    if c.lowpass_hz is not None and c.lowpass_hz >= c.sr / 2:
        raise ConfigError(f"lowpass_hz={c.lowpass_hz:g} must lie between 0 and sr / 2 = {c.sr / 2:g}")
    if c.delta_width % 2 == 0:
        raise ConfigError(f"delta_width={c.delta_width} must be odd")
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
    if c.win_length == 2 and c.window in ("hann-symmetric", "povey"):
        raise ConfigError(f"win_length=2 must be >= 3 for window={c.window!r}, whose ends are zero: lengthen it, or choose another")
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
    if c.n_frames * c.n_features > _MOST_VALUES:
        raise ConfigError(
            f"n_samples={c.n_samples} give {c.n_frames:,} x {c.n_features:,} features, at most {_MOST_VALUES:,} values are possible: "
            "shorten the clip or raise hop_length"
        )
    if c.deltas and c.delta_kind == "librosa" and c.n_frames < c.delta_width:
        raise ConfigError(f"delta_width={c.delta_width} must be <= n_frames={c.n_frames}: choose a narrower one, or delta_kind 'htk'")
