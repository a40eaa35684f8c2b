"""What the fields say of themselves is what the pages, the TOML files and the docstrings say.

``python tests/unit/config/test_documentation.py`` writes the tables of docs/reference/configuration.md anew.
"""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from kwsfeat import PRESETS, ClipConfig, Config, ConfigError, FeatureConfig, load_policy, preset
from kwsfeat.config.documentation import tables
from kwsfeat.config.toml import named_config, read_toml, write_toml
from kwstrain.config import TrainConfig
from kwstrain.recipes.run import load as load_recipe

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "configuration.md"
CONFIGS: dict[str, type[Config]] = {"ClipConfig": ClipConfig, "FeatureConfig": FeatureConfig, "TrainConfig": TrainConfig}


def filled(page: str) -> str:
    """`page` with today's tables between its marks; those of ClipConfig are not repeated in FeatureConfig."""

    def written(mark: re.Match[str]) -> str:
        text = tables(CONFIGS[mark[2]])
        if mark[2] == "FeatureConfig":
            text = text.removeprefix(tables(ClipConfig)).lstrip()
        return f"{mark[1]}\n{text}{mark[3]}"

    return re.sub(r"(<!-- fields of (\w+): [^\n]* -->)\n.*?(<!-- end -->)", written, page, flags=re.DOTALL)


def test_the_page_says_what_the_fields_say() -> None:
    assert PAGE.read_text() == filled(PAGE.read_text()), "run python tests/unit/config/test_documentation.py"
    for cls in CONFIGS.values():
        assert all(f"| `{one.name}` |" in PAGE.read_text() for one in fields(cls))


@pytest.mark.parametrize("cls", CONFIGS.values())
def test_docstrings_describe_every_field(cls: type[Config]) -> None:
    for one in fields(cls):
        assert f"\n    {one.name} : " in (cls.__doc__ or "")
    assert (cls.__doc__ or "").index("Parameters\n") < (cls.__doc__ or "").index("Raises\n")


@pytest.mark.parametrize("name", PRESETS)
def test_a_written_toml_is_complete_commented_and_gives_the_same_config(name: str, tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    write_toml(preset(name), path)
    assert read_toml(path) == preset(name)
    text = path.read_text()
    for one in fields(FeatureConfig):
        value = getattr(preset(name), one.name)
        line = re.search(rf"^((?:# [^\n]*\n)+)(#?) ?{one.name} =(.*)$", text, re.MULTILINE)
        assert line, one.name
        assert one.metadata["doc"].split()[0] in line[1]
        assert (value is None) <= (line[2] == "#")
        if one.metadata["unit"]:
            assert f"({one.metadata['unit']})" in line[1]
    with pytest.raises(ConfigError, match="exists: give another name"):
        write_toml(preset(name), path)


def toml(tmp_path: Path, text: str) -> FeatureConfig:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    name, config = named_config(str(path))
    assert name == "mine"
    return config


def lengths(config: FeatureConfig) -> tuple[int, int, int, int, int]:
    return config.sr, config.n_samples, config.n_fft, config.win_length, config.hop_length


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", (16000, 16000, 512, 400, 160)),
        ("sr = 8000", (8000, 8000, 256, 200, 80)),
        ("sr = 22050", (22050, 22050, 720, 551, 220)),  # 705.6 is not a size of an FFT
        ("sr = 8000\nn_samples = 16000\nhop_length = 160", (8000, 16000, 256, 200, 160)),
        ("win_length_ms = 30\nhop_length_ms = 20", (16000, 16000, 512, 480, 320)),
        ("win_length_ms = 40", (16000, 16000, 640, 640, 160)),
        ("sr = 8000\nwin_length_ms = 40\nn_fft = 512\nn_samples_ms = 2000", (8000, 16000, 512, 320, 80)),
        ('preset = "logspec16k"\nsr = 8000', (8000, 8000, 160, 160, 80)),
        ('preset = "logspec8k"\nn_samples_ms = 500', (8000, 4000, 160, 160, 80)),
        ("win_length = 480", (16000, 16000, 512, 480, 160)),
    ],
)
def test_lengths_of_a_toml_file_last_as_long_at_another_rate(tmp_path: Path, text: str, expected: tuple[int, ...]) -> None:
    assert lengths(toml(tmp_path, text)) == expected


def test_changing_the_rate_of_a_written_toml_keeps_its_durations(tmp_path: Path) -> None:
    write_toml(preset("logmel"), tmp_path / "a.toml")
    text = (tmp_path / "a.toml").read_text().replace("sr = 16000", "sr = 8000")
    assert lengths(toml(tmp_path, text)) == (8000, 8000, 512, 200, 80)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("win_length = 400\nwin_length_ms = 25", "win_length and win_length_ms are the same length: give one"),
        ("win_length_ms = '25'", "win_length_ms='25' must be a number of milliseconds > 0"),
        ("win_length_ms = 0", "win_length_ms=0 must be a number of milliseconds > 0"),
        ("hop_length_ms = true", "must be a number of milliseconds"),
        ("win_length_ms = 1e11", "n_fft=.* must be >= 4 and <= 1,048,576"),
        ("win_ms = 25", "'win_ms' is not a field of FeatureConfig: did you mean"),
        ("n_fft_ms = 25", "'n_fft_ms' is not a field"),
        ("sr = 0", "sr=0 must be >= 1"),
        ("sr = 'x'", "sr='x' must be a whole number"),
        ("preset = 3", "preset=3 must be the name of a preset"),
        ("preset = ['a']", "must be the name of a preset"),
        ("preset = 'logml'", "did you mean logmel"),
        ("config_version = 99", "FeatureConfig has version 99, this program reads versions up to"),
        (f"n_fft = {'1' * 5000}", "not TOML"),
        ("n_fft = 0x" + "f" * 5000, r"n_fft=\(a number of 20000 bits\) must be >= 4"),
        ("a = " + "[" * 5000, "not TOML"),
        ("[sr]\nx = 1", "sr={'x': 1} must be a whole number"),
    ],
)
def test_a_wrong_toml_file_is_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        toml(tmp_path, text)
    assert "\n" not in str(caught.value)
    assert "mine.toml" in str(caught.value)


def test_a_toml_file_may_begin_with_a_mark(tmp_path: Path) -> None:
    """Windows' editors write one."""
    (tmp_path / "mine.toml").write_text("preset = 'mfcc'\n", encoding="utf-8-sig")
    assert read_toml(tmp_path / "mine.toml") == preset("mfcc")
    (tmp_path / "policy.toml").write_text("chain = {parts = []}\n", encoding="utf-8-sig")
    assert load_policy(tmp_path / "policy.toml").table == {"chain": {"parts": []}}
    (tmp_path / "recipe.toml").write_text("[build]\n", encoding="utf-8-sig")
    assert load_recipe(tmp_path / "recipe.toml").name == "recipe"


def test_what_is_no_regular_file_is_not_read(tmp_path: Path) -> None:
    for path in (tmp_path, Path("/dev/zero")):
        with pytest.raises(ConfigError, match="is not a file"):
            read_toml(path)
    with (tmp_path / "big.toml").open("wb") as file:
        file.truncate(1 << 30)
    with pytest.raises(ConfigError, match="more than 1,048,576 bytes"):
        read_toml(tmp_path / "big.toml")


def test_configs_load_no_library_but_numpy() -> None:
    code = (
        "import sys, kwsfeat.config.features, kwsfeat.config.clip, kwsfeat.config.toml; "
        "print([m for m in ('numba', 'h5py', 'scipy', 'soundfile', 'jax') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text()))
