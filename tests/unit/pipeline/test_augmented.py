"""Stored augmentation: which rows a file with --augment has, and what they hold."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from kwsfeat import FeatureConfig, FrontEnd, Reader, load_policy
from kwsfeat.augment import draw_variants, time_stretch
from kwsfeat.cli import main
from kwsfeat.corpus.clip import Clip
from kwsfeat.corpus.find import find_corpus
from kwsfeat.errors import StoreError
from kwsfeat.pipeline.build import build_file as build
from kwsfeat.pipeline.sources import FromDataset, plan_recordings
from kwsfeat.pipeline.variants import augment_source, corpus_noise

CONFIG = FeatureConfig(n_mels=20)


def build_augmented(corpus, path, recipe, *, config=CONFIG, threads=1, seed=0, **options):
    recordings = plan_recordings(corpus, config, seed=seed, **options)
    source = augment_source(recordings, load_policy(recipe), config, seed=seed)
    return build(source, path, {"mel": config}, seed=seed, threads=threads, overwrite=True)


@pytest.fixture(scope="module")
def nine(tiny_corpus, tmp_path_factory):
    path = tmp_path_factory.mktemp("nine") / "nine.h5"
    build_augmented(tiny_corpus, path, "nine")
    with Reader(path) as reader:
        yield reader


@pytest.fixture(scope="module")
def plain(tiny_corpus, tmp_path_factory):
    path = tmp_path_factory.mktemp("plain") / "plain.h5"
    build_augmented(tiny_corpus, path, "off")
    with Reader(path) as reader:
        yield reader


def test_only_training_clips_have_variants(nine, plain):
    for split in ("validation", "test"):
        np.testing.assert_array_equal(nine.source[nine.rows(split)], plain.source[plain.rows(split)])
        np.testing.assert_array_equal(nine.audio[nine.rows(split)], plain.audio[plain.rows(split)])
        assert not nine.variant[nine.rows(split)].any()
        assert not (nine.augmentation[nine.rows(split)] != "").any()
    training = nine.rows("train")
    assert training.size == 9 * plain.rows("train").size
    np.testing.assert_array_equal(nine.variant[training].reshape(-1, 9), np.tile(np.arange(1, 10), (plain.rows("train").size, 1)))
    np.testing.assert_array_equal(nine.source[training], np.repeat(plain.source[plain.rows("train")], 9))
    np.testing.assert_array_equal(nine.label[training], np.repeat(plain.label[plain.rows("train")], 9))


def test_parameters_seed_and_recipe_are_stored(nine):
    first = [json.loads(text) for text in nine.augmentation[nine.rows("train")[:9]]]
    assert [(p["rate"], p["n_steps"]) for p in first] == [(r, s) for r in (0.7, 1.0, 1.3) for s in (-1.0, 0.0, 1.0)]
    assert nine.attrs["recipe"] == "nine"
    assert nine.attrs["recipe_toml"] == load_policy("nine").text
    assert nine.attrs["seed"] == 0


def test_a_variant_is_what_its_parameters_say(nine, plain):
    row = int(nine.rows("train")[0])
    recorded = plain.audio[plain.rows("train")[0]]
    np.testing.assert_array_equal(nine.audio[row + 4], recorded)
    faster = time_stretch(recorded, 1.3)
    assert nine.length[row + 7] == faster.size == round(16000 / 1.3)
    np.testing.assert_allclose(nine.audio[row + 7, : faster.size] / 32768, faster, atol=1 / 32768)
    assert not nine.audio[row + 7, faster.size :].any()
    np.testing.assert_array_equal(
        nine.features()[row : row + 9], FrontEnd(CONFIG).extract_batch(nine.audio[row : row + 9], lengths=nine.length[row : row + 9])
    )


@pytest.mark.parametrize("recipe", ["nine", "bcresnet", "kws-streaming"])
def test_threads_change_no_byte(tiny_corpus, tmp_path, recipe):
    digests = []
    for threads in (1, 3):
        path = tmp_path / f"{threads}.h5"
        build_augmented(tiny_corpus, path, recipe, threads=threads)
        with Reader(path) as reader:
            arrays = (reader.audio, reader.length, reader.features(), reader.variant, reader.augmentation)
            digests.append([hashlib.sha256(np.ascontiguousarray(array)).hexdigest() for array in arrays])
    assert digests[0] == digests[1]


def test_copies_of_a_chain(tiny_corpus, plain, tmp_path):
    recipe = tmp_path / "three.toml"
    recipe.write_text(load_policy("bcresnet").text.replace("copies = 1", "copies = 3"))
    path = tmp_path / "three.h5"
    build_augmented(tiny_corpus, path, recipe, seed=4)
    with Reader(path) as reader:
        training = reader.rows("train")
        assert training.size == 4 * plain.rows("train").size
        np.testing.assert_array_equal(reader.variant[training[:8]], [0, 1, 2, 3, 0, 1, 2, 3])
        assert not np.array_equal(reader.audio[training[1]], reader.audio[training[2]])
        transform = load_policy(recipe).bind(16000, corpus_noise(find_corpus(tiny_corpus), 16000))
        clip = int(np.flatnonzero(plain.split == "train")[1])
        drawn = draw_variants(load_policy(recipe), transform, seed=4, index=clip)
        assert [json.loads(text) if text else None for text in reader.augmentation[training[4:8]]] == drawn


@pytest.mark.parametrize(("policy", "audio"), [("nine", []), ("nine", ["--no-audio"]), ("kws-streaming", [])])
def test_a_copy_in_another_split_is_said_once_for_all_variants(policy, audio, tmp_path, capsys):
    """Listed twice, and under another name; whether the training or the test comes first, and whatever the grid calls the recording."""
    for i in range(6):
        y = np.cos(0.3 * np.random.default_rng(i).standard_normal(8000).cumsum())
        soundfile.write(tmp_path / f"{i}.wav", 0.3 * y, 16000, subtype="PCM_16")
    shutil.copy(tmp_path / "1.wav", tmp_path / "copy.wav")
    rows = ["0.wav,yes,test", *(f"{i}.wav,yes,train" for i in range(5)), "copy.wav,yes,test", "5.wav,yes,test"]
    (tmp_path / "m.csv").write_text("\n".join(["path,label,split", *rows]) + "\n")
    command = ["build", str(tmp_path / "m.csv"), str(tmp_path / "a.h5"), "--silence-share", "0", "--augment", policy, "--json", *audio]
    assert main(command) == 0
    out, err = capsys.readouterr()
    pairs = {tuple(sorted(pair)) for pair in json.loads(out)["copies_across_splits"]}
    assert pairs == {("0.wav", "0.wav"), ("1.wav", "copy.wav")}
    assert "2 recordings are copies of others in another split" in err


def test_from_an_earlier_file_and_not_twice(plain, nine, tmp_path):
    source = augment_source(FromDataset(plain, CONFIG), load_policy("nine"), CONFIG, seed=0)
    build(source, tmp_path / "again.h5", {"mel": CONFIG})
    with Reader(tmp_path / "again.h5") as again:
        np.testing.assert_array_equal(again.audio, nine.audio)
        np.testing.assert_array_equal(again.augmentation, nine.augmentation)
        with pytest.raises(StoreError, match="augmented already"):
            augment_source(FromDataset(again, CONFIG), load_policy("nine"), CONFIG, seed=0)
        build(FromDataset(again, CONFIG), tmp_path / "copy.h5", {"mel": CONFIG})
    with Reader(tmp_path / "copy.h5") as copy:
        assert copy.attrs["recipe"] == "nine"
        np.testing.assert_array_equal(copy.variant, nine.variant)


def test_an_unreadable_recording_is_skipped_once(tmp_path):
    for i in range(6):
        folder = tmp_path / "corpus" / "yes"
        folder.mkdir(parents=True, exist_ok=True)
        y = 0.1 * np.random.default_rng(i).standard_normal(8000)
        soundfile.write(folder / f"{i}.wav", y, 16000, subtype="PCM_16")
    (folder / "3.wav").write_text("not a recording")
    report = build_augmented(tmp_path / "corpus", tmp_path / "out.h5", "nine", split="stratified:100/0/0")
    assert [name for name, _ in report.skipped] == ["yes/3.wav"]
    assert report.n_clips == 5 * 9
    with Reader(tmp_path / "out.h5") as reader:
        assert reader.n_clips == 45
        assert (reader.length > 0).all()


def test_padded_fronts_and_short_clips(tmp_path):
    folder = tmp_path / "corpus" / "yes"
    folder.mkdir(parents=True)
    for i, n in enumerate((1, 300, 9000, 20000)):
        soundfile.write(folder / f"{i}.wav", 0.1 * np.random.default_rng(i).standard_normal(n), 16000, subtype="PCM_16")
    config = FeatureConfig(n_mels=20, pad="front")
    build_augmented(tmp_path / "corpus", tmp_path / "out.h5", "nine", config=config, split="stratified:100/0/0")
    with Reader(tmp_path / "out.h5") as reader:
        lengths = reader.length[reader.source == "yes/2.wav"]
        np.testing.assert_array_equal(lengths, np.repeat([round(9000 / 0.7), 9000, round(9000 / 1.3)], 3))
        for row in np.flatnonzero(reader.source == "yes/2.wav"):
            assert not reader.audio[row, : 16000 - reader.length[row]].any()
            assert reader.audio[row, 16000 - reader.length[row] :].any()


def test_the_command(tiny_corpus, tmp_path, capsys):
    out = tmp_path / "out.h5"
    assert main(["build", str(tiny_corpus), str(out), "--augment", "nine", "--quiet"]) == 0
    with Reader(out) as reader:
        assert reader.variant.max() == 9
    assert main(["build", str(tiny_corpus), str(tmp_path / "x.h5"), "--augment", "nin"]) == 2
    assert "did you mean nine" in capsys.readouterr().err
    assert not (tmp_path / "x.h5").exists()


def test_system_e_has_14400_training_clips(kws_data, tmp_path):
    from kwsfeat import preset

    config = preset("logmel64")
    recordings = plan_recordings(kws_data / "fsdd", config, split="stratified:80/20")
    columns = augment_source(recordings, load_policy("nine"), config, seed=0).columns()
    assert np.sum(columns.split == b"train") == 14_400
    assert np.sum(columns.split == b"test") == 400


def test_no_sample_of_a_test_noise_is_mixed_into_training(tmp_path: Path) -> None:
    """Second k of the noise file holds the value k + 1: what is mixed lacks the seconds that validate and test."""
    folder = tmp_path / "_background_noise_"
    folder.mkdir()
    for name, seconds in (("n.wav", 10), ("held.wav", 3)):
        soundfile.write(folder / name, np.repeat(np.arange(1, seconds + 1, dtype=np.int16) * 100, 16000), 16000)
    (tmp_path / "yes").mkdir()
    soundfile.write(tmp_path / "yes" / "a.wav", np.ones(16000, np.int16), 16000)
    corpus = find_corpus(tmp_path)
    path = "_background_noise_/n.wav"
    clips = [
        Clip(path, "silence", split=split, start=16000 * k, stop=16000 * (k + 1))
        for k, split in ((0, "train"), (3, "test"), (5, "validation"))
    ]
    clips.append(Clip("_background_noise_/held.wav", "silence", split="test", start=0, stop=16000))
    noise = corpus_noise(corpus, 16000, clips)
    assert noise is not None
    heard = {int(v) // 100 for v in np.unique(noise.samples)}
    assert heard == set(range(1, 11)) - {4, 6}
