"""Named FeatureConfigs: the five systems' features and each peer library's conventions."""

from __future__ import annotations

from dataclasses import replace

from kwsfeat.config.features import FeatureConfig
from kwsfeat.errors import unknown_name

_DEEP_CNN = FeatureConfig(
    lowpass_hz=3000.0, lowpass_order=35, n_fft=2048, win_length=2048, hop_length=214, n_mels=75,
    log="db", log_floor=1e-10, top_db=80.0, normalize="row-l1",
)  # fmt: skip
_LIGHT_CNN = FeatureConfig(
    pad="front", crop="random", output="spectrum", n_fft=320, win_length=320, hop_length=160, framing="none",
    spectrum_norm="density", log="ln", log_floor=0.0, log_offset=1e-10,
)  # fmt: skip
_LSTM = FeatureConfig(
    sr=22050, n_samples=17640, crop="start", n_fft=2048, win_length=2048, hop_length=512, n_mels=64, log="db",
    log_floor=1e-10, top_db=80.0,
)  # fmt: skip
_KALDI = FeatureConfig(
    input_scale=32768.0, remove_dc=True, preemph=0.97, preemph_mode="frame", window="povey", window_align="left", framing="none",
    fmin_hz=20.0, mel_scale="htk", triangle_domain="mel", mel_norm="none", log="ln", log_floor=1.1920929e-07,
)  # fmt: skip
_MLPERF_TINY = FeatureConfig(
    peak_normalize=True, win_length=480, hop_length=320, window_align="left", framing="none", spectrum="magnitude", fmin_hz=20.0,
    fmax_hz=4000.0, mel_scale="htk", triangle_domain="mel", mel_norm="none", log="ln", log_floor=0.0, log_offset=1e-6,
    output="mfcc", n_mfcc=10, dct_norm="htk",
)  # fmt: skip
_MICRO = FeatureConfig(
    output="micro", win_length=480, fmin_hz=125.0, fmax_hz=7500.0, window="hann-offset", window_align="left", framing="none",
    spectrum="magnitude", mel_scale="htk", triangle_domain="mel", mel_norm="none",
)  # fmt: skip

_SPEECH_EMBEDDING = FeatureConfig(
    n_samples=21472, pad="front", input_scale=32768.0, framing="none", n_mels=32, fmin_hz=60.0, fmax_hz=3800.0, log="db",
    log_floor=100.0, post_add=20.0, post_divide=10.0,
)  # fmt: skip

# name -> (config, what it is)
PRESETS: dict[str, tuple[FeatureConfig, str]] = {
    "logmel": (FeatureConfig(), "log-mel, 40 bands, 25/10 ms (the default)"),
    "mfcc": (FeatureConfig(output="mfcc", log="db", top_db=80.0), "13 MFCC of 40 bands in dB, 25/10 ms"),
    "mel75": (_DEEP_CNN, "of the deep CNN on mel: low-pass, 75 mel bands x 75 frames in dB, rows divided by their L1 norm"),
    "mfcc75": (replace(_DEEP_CNN, output="mfcc", n_mfcc=75, normalize="none"), "of the deep CNN on MFCC: 75 MFCC of the dB mel"),
    "mfcc75-power": (
        replace(_DEEP_CNN, output="mfcc", n_mfcc=75, normalize="none", log="none", top_db=None),
        "of the deep CNN on MFCC as first written: 75 MFCC of the power mel",
    ),
    "logspec16k": (_LIGHT_CNN, "of the light CNN: log-spectrogram 20/10 ms at 16 kHz, 99 x 161"),
    "logspec8k": (
        replace(_LIGHT_CNN, sr=8000, n_samples=8000, resample="fft", resample_from_hz=16000, n_fft=160, win_length=160, hop_length=80),
        "of the light CNN at 8 kHz: log-spectrogram 20/10 ms, 99 x 81",
    ),
    "logmel64": (_LSTM, "of the LSTM on log-mel: 64 mel bands in dB, 22,050 Hz, 0.8 s, 35 frames"),
    "waveform22k": (replace(_LSTM, output="waveform"), "of the LSTM on the waveform: 22,050 Hz, 0.8 s"),
    "librosa": (
        FeatureConfig(
            sr=22050, n_samples=22050, n_fft=2048, win_length=2048, hop_length=512, n_mels=128, log="db", log_floor=1e-10, top_db=80.0
        ),
        "librosa 0.11: power_to_db(feature.melspectrogram(y=y)), all defaults",
    ),
    "torchaudio": (
        FeatureConfig(
            n_fft=400, hop_length=200, framing="reflect", n_mels=64, mel_scale="htk", mel_norm="none", log="db",
            log_floor=1e-10, top_db=80.0
        ),
        "torchaudio: AmplitudeToDB(top_db=80)(MelSpectrogram(n_mels=64)), other defaults",
    ),
    "kaldi": (_KALDI, "Kaldi: compute-fbank-feats, 40 bins, no dither"),
    "kaldi-mfcc": (
        replace(_KALDI, output="mfcc", n_mels=23, n_mfcc=13, lifter=22.0, energy="raw"),
        "Kaldi: compute-mfcc-feats, 13 of 23 bins, liftered, energy for c0, no dither",
    ),
    "whisper": (
        FeatureConfig(
            n_fft=400, framing="reflect", drop_last_frame=True, n_mels=80, log="log10", log_floor=1e-10, top_db=80.0,
            post_add=4.0, post_divide=4.0
        ),
        "Whisper: log-mel, 80 bands, clamped to the largest value - 8, (x + 4) / 4",
    ),
    "tf-mfcc": (
        FeatureConfig(
            output="mfcc", n_fft=1024, win_length=640, hop_length=320, window_align="left", framing="none", spectrum="magnitude",
            fmin_hz=20.0, fmax_hz=7000.0, mel_scale="htk", triangle_domain="mel", mel_norm="none", log="ln", log_floor=1e-12,
            n_mfcc=20, dct_norm="htk",
        ),
        "kws_streaming (mfcc_tf): 20 MFCC of 40 bands, 40/20 ms",
    ),
    "mlperf-tiny": (_MLPERF_TINY, "MLPerf Tiny keyword spotting: 10 MFCC of 40 bands, 30/20 ms, clip divided by its largest sample"),
    "mlperf-tiny-lfbe": (
        replace(
            _MLPERF_TINY, output="mel", preemph=0.96875, window="hamming-symmetric", spectrum="power",
            spectrum_norm="win_length", fmin_hz=0.0,
            fmax_hz=None, log="db", log_floor=1e-30, log_offset=0.0, post_add=52.0, post_divide=64.0, post_clip=(0.0, 1.0),
        ),
        "MLPerf Tiny, log filterbank energies: (dB + 52) / 64 clipped to 0 .. 1",
    ),
    "bcresnet": (
        FeatureConfig(win_length=480, mel_scale="htk", mel_norm="none", framing="reflect", log="ln", log_floor=0.0, log_offset=1e-6),
        "BC-ResNet: 40 HTK bands, 30/10 ms, ln(x + 1e-6), 101 frames",
    ),
    "python-speech-features": (
        FeatureConfig(
            output="mfcc", preemph=0.97, window="rectangular", window_align="left", framing="end", spectrum_norm="n_fft", n_mels=26,
            mel_scale="htk", triangle_domain="bin", mel_norm="none", log="ln", log_floor=2.220446e-16, n_mfcc=13, lifter=22.0,
        ),
        "python_speech_features: mfcc(appendEnergy=False), all other defaults",
    ),
    "speech-embedding": (_SPEECH_EMBEDDING, "of Google's speech embedding: 32 bands of 60 to 3800 Hz in dB, 25/10 ms, 132 frames"),
    "micro-frontend": (_MICRO, "TFLM's integer micro front end, as microWakeWord and ESPHome run it: 40 bands, 30/10 ms, 16 bits"),
}  # fmt: skip


def preset(name: str) -> FeatureConfig:
    """The FeatureConfig called `name`; :data:`PRESETS` lists them.

    Parameters
    ----------
    name : str
        A key of PRESETS, as ``kwsfeat presets`` lists them.

    Returns
    -------
    FeatureConfig
        Frozen; :func:`dataclasses.replace` gives a changed one.

    Raises
    ------
    UnknownNameError
        For an unknown name, with the nearest ones.

    Examples
    --------
    >>> preset("logmel").shape
    (101, 40)
    """
    if name not in PRESETS:
        raise unknown_name("preset", name, PRESETS)
    return PRESETS[name][0]
