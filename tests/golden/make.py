"""Make the golden files: what format 1 of the file, of the run folder and of every preset looked like and gave.

They were made once, with version 0.1.0, before the packages were rebuilt; every later version reads them and gives the same
numbers (``tests/golden``). Run it again only to add a file, never to replace one: ``python tests/golden/make.py NEW_FOLDER``.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import soundfile
from flax import nnx

from kwsfeat import PRESETS, FrontEnd, Reader
from kwstrain.inference.bundle import Bundle
from kwstrain.inference.classifier import Classifier
from kwstrain.models import create, names

SR = 16000
EVERY = 5  # of the features of a preset, every fifth frame is kept

SMALL_MEL = """
n_mels = 26
hop_length = 320
fmin_hz = 50.0
"""
WAVEFORM = """
sr = 4000
n_samples = 400
output = "waveform"
"""


def clips() -> np.ndarray:
    """Three clips, int16 (3, 16000): a gliding voice-like tone in noise, clicks, and a loud burst after silence."""
    rng = np.random.default_rng(2026)
    t = np.arange(SR) / SR
    glide = sum(np.sin(2 * np.pi * k * (120 * t + 40 * t * t)) / k for k in range(1, 20)) * np.hanning(SR) * 0.15
    glide += 0.003 * rng.standard_normal(SR)
    clicks = np.where(rng.random(SR) < 0.002, rng.uniform(-0.9, 0.9, SR), 0.001 * rng.standard_normal(SR))
    burst = np.where((t > 0.4) & (t < 0.7), 0.6 * rng.standard_normal(SR), 0.0)
    return np.clip(np.rint(np.stack([glide, clicks, burst]) * 32768), -32768, 32767).astype(np.int16)


def features(y: np.ndarray) -> dict[str, np.ndarray]:
    """Every preset on the three clips; a clip of another rate or length than 16000 is what the config pads or cuts."""
    found = {}
    for name, (config, _) in PRESETS.items():
        x = np.stack([FrontEnd(config).extract(clip, seed=3) for clip in y])
        found[name] = x[:, :: (EVERY * 40 if config.output == "waveform" else EVERY)]
    return found


def recordings(folder: Path) -> None:
    """Twenty-four short recordings of three words by four speakers."""
    rng = np.random.default_rng(7)
    for word, pitch in (("high", 900.0), ("low", 200.0), ("noise", 0.0)):
        for speaker in ("ada", "bo", "cy", "di"):
            for take in range(2):
                n = int(rng.integers(9000, 18000))
                t = np.arange(n) / SR
                y = 0.3 * np.sin(2 * np.pi * pitch * rng.uniform(0.9, 1.1) * t) if pitch else 0.2 * rng.standard_normal(n)
                y = y * np.hanning(n) + 0.01 * rng.standard_normal(n)
                path = folder / word / f"{speaker}_nohash_{take}.wav"
                path.parent.mkdir(parents=True, exist_ok=True)
                soundfile.write(path, np.rint(y * 32767).astype(np.int16), SR)


def seeded_weights(model: nnx.Module) -> None:
    """Give every parameter and statistic a value that depends on its path alone, so that weights need not be stored."""
    for path, variable in nnx.to_flat_state(nnx.state(model, nnx.Any(nnx.Param, nnx.BatchStat))):
        name = ".".join(map(str, path))
        rng = np.random.default_rng(list(name.encode()))
        value = rng.standard_normal(variable[...].shape).astype(np.float32)
        variable.set_value(jnp.asarray(np.abs(value) + 0.5 if path[-1] == "var" else value * (0.1 if value.ndim > 1 else 0.3)))


def seeded_logits(create: Callable[..., nnx.Module], name: str, shape: tuple[int, int]) -> np.ndarray:
    """Logits (2, 3) of a network with seeded weights on a seeded input, in evaluation mode."""
    model = create(name, input_shape=shape, n_classes=3, seed=0)
    seeded_weights(model)
    model.eval()
    x = np.random.default_rng(5).standard_normal((2, *shape)).astype(np.float32)
    mask = np.arange(shape[0])[None] < np.array([[shape[0]], [shape[0] * 2 // 3]])
    return np.asarray(nnx.jit(lambda model, x, mask: model(x, mask))(model, x, mask))


SHAPES = dict.fromkeys(names(), (99, 80)) | {"lstm-raw": (300, 1), "lstm": (35, 26), "vgg-160": (40, 40), "cnn-mnist": (40, 40)}


def run(*words: object) -> None:
    subprocess.run([str(word) for word in words], check=True)


def keep_run(made: Path, kept: Path, reader: Reader, *, checkpoint: bool) -> None:
    """What is read of a run folder, with the logits of all rows; the path of its data becomes a name."""
    kept.mkdir()
    for name in ("weights.npz", "metrics.csv", "summary.json", *(["checkpoint.npz"] if checkpoint else [])):
        shutil.copy(made / name, kept / name)
    values = json.loads((made / "bundle.json").read_text())
    values["data"] = reader.path.name
    (kept / "bundle.json").write_text(json.dumps(values, indent=1))
    np.save(kept / "logits.npy", logits_of_run(Bundle.load(kept), reader))


def logits_of_run(bundle: Bundle, reader: Reader) -> np.ndarray:
    """Logits (n_clips, n_classes) of every row of the file that the run was trained on."""
    return Classifier(bundle).logits(np.array(reader.features(bundle.feature_name)), np.array(reader.length))


def main(out: Path) -> None:
    out.mkdir(parents=True)
    y = clips()
    np.savez_compressed(out / "clips.npz", y=y)
    np.savez_compressed(out / "presets.npz", **features(y))
    np.savez_compressed(out / "networks.npz", **{name: seeded_logits(create, name, shape) for name, shape in SHAPES.items()})
    (out / "networks.json").write_text(json.dumps(SHAPES, indent=1))
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        recordings(work / "corpus")
        (work / "small.toml").write_text(SMALL_MEL)
        (work / "raw.toml").write_text(WAVEFORM)
        run("kwsfeat", "build", work / "corpus", out / "words.h5", "--features", work / "small.toml", "--features", "mfcc",
            "--split", "stratified:50/25/25")  # fmt: skip
        run("kwsfeat", "build", work / "corpus", out / "raw.h5", "--features", work / "raw.toml", "--split", "stratified:50/25/25")
        run(
            "kwsfeat", "build", out / "words.h5", out / "augmented.h5", "--features", work / "small.toml", "--augment", "nine", "--no-audio"
        )
        for arch, file, options in (
            ("cnn", "words.h5", []),
            ("lstm", "words.h5", ["-s", "options.units=8", "-s", "options.hidden=8"]),
            ("lstm-raw", "raw.h5", ["-s", "options.units=4", "-s", "options.hidden=8"]),
        ):
            made = work / arch
            run("kwstrain", "fit", out / file, "--arch", arch, "--out", made, "-s", "epochs=3", "-s", "batch=6", *options)
            with Reader(out / file) as reader:
                keep_run(made, out / arch, reader, checkpoint=arch == "lstm")


if __name__ == "__main__":
    jax.config.update("jax_platforms", "cpu")
    main(Path(sys.argv[1]))
