# The public names, where each is defined. `kwsfeat` reads this file when it is imported, and type checkers do.

__version__: str
__all__: list[str]

from .audio.clip import (
    as_clip as as_clip,
    load_clip as load_clip,
    resample as resample,
)
from .audio.describe import clip_parts as clip_parts
from .audio.read import read_blocks as read_blocks
from .audio.waveform import (
    as_float32 as as_float32,
    write_waveform as write_waveform,
)
from .augment import (
    Noise as Noise,
    load_policy as load_policy,
    pitch_shift as pitch_shift,
    policy_names as policy_names,
    synthetic_noise as synthetic_noise,
    time_stretch as time_stretch,
)
from .config.algorithm import check_algorithm as check_algorithm
from .config.base import (
    Config as Config,
    config_class as config_class,
)
from .config.clip import ClipConfig as ClipConfig
from .config.features import FeatureConfig as FeatureConfig
from .config.option import option as option
from .config.presets import (
    PRESETS as PRESETS,
    preset as preset,
)
from .config.splits import SPLITS as SPLITS
from .config.toml import named_config as named_config
from .corpus.acquire.espeak import phonemes as phonemes
from .corpus.acquire.synth import (
    speak as speak,
    speak_lines as speak_lines,
)
from .corpus.files import list_recordings as list_recordings
from .corpus.names.meaning import is_negative as is_negative
from .corpus.same_source import (
    recordings_once as recordings_once,
    repeated_recordings as repeated_recordings,
)
from .corpus.splits import which_set as which_set
from .dataset.reader import Reader as Reader
from .dataset.verify import verify_file as verify_file
from .dataset.writer import Writer as Writer
from .design.butterworth import butter_sos as butter_sos
from .design.mel import mel_filterbank as mel_filterbank
from .design.windows import analysis_window as analysis_window
from .detection.counting import (
    Outcome as Outcome,
    count_events as count_events,
)
from .detection.curve import (
    Point as Point,
    Stream as Stream,
    choose_thresholds as choose_thresholds,
    operating_curve as operating_curve,
)
from .detection.detector import (
    Detector as Detector,
    Event as Event,
)
from .detection.intervals import (
    binomial_interval as binomial_interval,
    bootstrap_interval as bootstrap_interval,
    certificate as certificate,
    poisson_interval as poisson_interval,
    rate_bound as rate_bound,
)
from .detection.reference import (
    Interval as Interval,
    read_reference as read_reference,
)
from .detection.streams import (
    StreamFile as StreamFile,
    list_streams as list_streams,
)
from .errors import (
    AudioError as AudioError,
    ConfigError as ConfigError,
    CorpusError as CorpusError,
    KwsError as KwsError,
    MissingExtraError as MissingExtraError,
    StoreError as StoreError,
    UnknownNameError as UnknownNameError,
    VerificationError as VerificationError,
    nearest as nearest,
    refuse_one_path as refuse_one_path,
    unknown_name as unknown_name,
)
from .features.cepstral import (
    delta as delta,
    mfcc as mfcc,
)
from .features.decibel import power_to_db as power_to_db
from .features.filtering import FilterState as FilterState
from .features.filtering import sosfilt as sosfilt
from .features.front_end import FrontEnd as FrontEnd
from .features.micro import (
    MicroTables as MicroTables,
    micro_tables as micro_tables,
)
from .features.spectral import (
    amplitude_spectrum as amplitude_spectrum,
    istft as istft,
    melspectrogram as melspectrogram,
    spectrogram as spectrogram,
    stft as stft,
)
from .features.tables import (
    FrontEndTables as FrontEndTables,
    front_end_tables as front_end_tables,
)
from .pipeline.build import build_file as build_file
from .pipeline.fresh import FreshFeatures as FreshFeatures
from .pipeline.rows import folds_of_rows as folds_of_rows
from .pipeline.shards.build import build_shards as build_shards
from .pipeline.shards.cluster import on_cluster as on_cluster
from .pipeline.shards.merge import merge_files as merge_files
from .pipeline.sources import plan_recordings as plan_recordings
from .pipeline.streams.background import read_negatives as read_negatives
from .pipeline.variants import augment_source as augment_source
from .report.cuts import cut_counts as cut_counts
from .stream.front_end import StreamFrontEnd as StreamFrontEnd
from .stream.resampler import StreamResampler as StreamResampler
from .threads import thread_count as thread_count
