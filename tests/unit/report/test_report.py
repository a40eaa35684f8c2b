"""The page is whole, needs nothing from outside, and says what is in the corpus or file."""

from __future__ import annotations

import base64
import io
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
import soundfile

from kwsfeat.cli import main
from kwsfeat.config.features import FeatureConfig
from kwsfeat.errors import CorpusError, MissingExtraError
from kwsfeat.features.front_end import FrontEnd
from kwsfeat.pipeline.arrays import write_file
from kwsfeat.report import figures as pictures
from kwsfeat.report import html, recordings
from kwsfeat.report.report import write_report

pytestmark = pytest.mark.slow

matplotlib_image = pytest.importorskip("matplotlib.image", reason="pictures need matplotlib")


class Page(HTMLParser):
    """Tags, addresses and text of a page; fails on tags that do not match."""

    VOID = ("meta", "img", "br", "link", "input")

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.attributes: list[str] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]
        self.addresses += [value for name, value in attrs if name in ("src", "href") and value]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


def is_inside(page: Page, path: Path) -> None:
    """No scripts, nothing from the network, every link to a file that exists."""
    assert "script" not in page.tags
    assert "iframe" not in page.tags
    assert not [name for name in page.attributes if name.startswith("on")]
    for address in page.addresses:
        if not address.startswith(("data:", "#")):
            assert (path.parent / unquote(address)).exists(), address
    assert "url(" not in path.read_text(encoding="utf-8")


def media(page: Page, kind: str) -> list[bytes]:
    prefix = f"data:{kind};base64,"
    return [base64.b64decode(address.removeprefix(prefix)) for address in page.addresses if address.startswith(prefix)]


@pytest.fixture(scope="module")
def corpus_page(tiny_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Page, Path]:
    root = tmp_path_factory.mktemp("report") / "corpus & <co>"
    shutil.copytree(tiny_corpus, root)
    soundfile.write(root / "yes" / "ünï kode_nohash_0.wav", np.zeros(12000, np.int16), 16000)
    (root / "no" / "text_nohash_0.wav").write_text("text")
    path = write_report(root, root.parent / "report.html", threads=2)
    return Page(path), path


def test_the_page_of_a_corpus_needs_nothing_from_outside(corpus_page: tuple[Page, Path]) -> None:
    is_inside(*corpus_page)


def test_the_page_of_a_corpus_says_what_is_in_it(corpus_page: tuple[Page, Path]) -> None:
    text = corpus_page[0].text
    assert "corpus & <co>" in text
    assert "74 clips · 3 labels · 14 speakers" in text
    assert "yes 25 33.78 %" in text
    assert "4.0 %" in text  # 1 of 25 is not 1 s
    for title in ("Classes", "Splits and speakers", "Lengths and levels", "Anomalies", "Recordings"):
        assert title in text
    assert "not a recording that can be read" in text
    assert "yes/ünï kode_nohash_0.wav" in text
    assert "1 · Silent: below -60 dB" in text
    assert "speaker clips splits" in text
    assert "No speaker is in two splits (14 speakers)." in text


def test_every_label_has_pictures_and_sound(corpus_page: tuple[Page, Path]) -> None:
    page, _ = corpus_page
    assert len(media(page, "audio/wav")) == 3 * 3 + 1
    assert len(media(page, "image/png")) == 4 + 2
    for data in media(page, "image/png"):
        image = matplotlib_image.imread(io.BytesIO(data))
        assert image.std() > 0.02
    for data in media(page, "audio/wav"):
        y, sr = soundfile.read(io.BytesIO(data))
        assert (sr, 0 < len(y) <= 48000) == (16000, True)


def test_the_page_of_a_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    path = tmp_path / "a.h5"
    write_file(
        path,
        audio=rng.integers(-5000, 5000, (12, 16000)).astype(np.int16),
        length=[16000] * 9 + [8000] * 3,
        label=[0, 1, -1] * 4,
        split=["train"] * 6 + ["validation"] * 3 + ["test"] * 3,
        labels=("yes", "no"),
        configs={"logmel": FeatureConfig(), "mfcc": FeatureConfig(output="mfcc")},
        speaker=["ann", "bob"] * 6,
    )
    page = Page(write_report(path, tmp_path / "report.html"))
    is_inside(page, tmp_path / "report.html")
    assert "12 clips · 2 labels · 2 speakers" in page.text
    assert "2 of 2 speakers are in more than one split: ann, bob" in page.text
    assert "(unlabelled)" in page.text
    assert FeatureConfig().fingerprint in page.text
    assert FeatureConfig(output="mfcc").fingerprint in page.text
    assert "output mfcc" in page.text
    assert len(media(page, "audio/wav")) == 9


def test_a_file_of_augmented_clips_alone_has_a_page(tiny_corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "a.h5"
    assert main(["build", str(tiny_corpus), str(out), "--augment", "nine", "--split", "100/0/0", "--silence-share", "0", "-q"]) == 0
    assert main(["report", str(out), str(tmp_path / "a.html")]) == 0
    assert "648 of the 648 rows" not in (tmp_path / "a.html").read_text()


def test_what_a_build_cut_and_skipped_stands_in_the_page_of_its_file(tmp_path: Path) -> None:
    rng, ramp = np.random.default_rng(0), np.hanning(16000)
    for word in ("yes", "no"):
        (tmp_path / "c" / word).mkdir(parents=True)
        for name, gain in {"whole": ramp, "cut": np.repeat(ramp[:8000], 3)}.items():
            soundfile.write(tmp_path / "c" / word / f"{name}.wav", 0.2 * gain * rng.standard_normal(len(gain)), 16000)
    (tmp_path / "c" / "no" / "broken.wav").write_bytes(b"text")
    assert main(["build", str(tmp_path / "c"), str(tmp_path / "a.h5"), "-q", "--crop", "center", "--split", "stratified:50/25/25"]) == 3
    page = Page(write_report(tmp_path / "a.h5", tmp_path / "a.html"))
    assert "1 · Left out by the build, which could not read them no/broken.wav:" in page.text
    assert re.search(r"2 · Perhaps cut: [^·]*?no/cut.wav yes/cut.wav", page.text)
    assert re.search(r"2 · Their recording is longer than a clip, and its loudest part was cut off no/cut.wav yes/cut.wav", page.text)
    assert "Their recording is longer than a clip: the rest was cut off: none" in page.text
    assert "Cannot be used" not in page.text
    page = Page(write_report(tmp_path / "c", tmp_path / "c.html"))
    assert re.search(r"2 · Longer than 1 s, and the loudest second is not the middle one [^·]* 1.50 s", page.text)
    assert "Perhaps cut" not in page.text
    assert "Left out by the build" not in page.text
    assert main(["build", str(tmp_path / "c"), str(tmp_path / "b.h5"), "-q", "--no-audio"]) == 3
    page = Page(write_report(tmp_path / "b.h5", tmp_path / "b.html"))
    assert "no/broken.wav" in page.text
    assert "2 · Their recording is longer than a clip, and its loudest" in page.text  # without audio, too
    assert "Clipped" not in page.text


def test_bars_of_shares_have_a_fixed_scale(tmp_path: Path) -> None:
    """One clip in ten that is not 1 s long is a tenth of the bar, also where no other label has more."""
    path = tmp_path / "a.h5"
    write_file(
        path,
        audio=np.random.default_rng(0).integers(-5000, 5000, (20, 16000)).astype(np.int16),
        length=[8000] + [16000] * 19,
        label=[0] * 10 + [1] * 10,
        split=["train"] * 20,
        labels=("yes", "no"),
        configs={"logmel": FeatureConfig()},
    )
    page = write_report(path, tmp_path / "report.html").read_text()
    assert re.findall(r'class="bar odd" style="width:([\d.]+)%"', page) == ["0.0", "10.0"]


@pytest.mark.parametrize("output", ["spectrum", "mel", "mfcc"])
def test_a_picture_shows_all_of_a_recording_and_its_colours_are_not_the_level(output: str) -> None:
    from matplotlib.figure import Figure

    config = FeatureConfig(output=output, log="db")  # type: ignore[arg-type]
    y = 0.1 * np.random.default_rng(0).standard_normal(40000).astype(np.float32)
    features = FrontEnd(config).extract_recording(y)
    axes = Figure().subplots()
    pictures.features_axes(axes, features, config, len(y) / config.sr)
    assert axes.get_xlim() == (0, 2.5)
    (image,) = axes.images
    assert image.get_extent()[1] == pytest.approx(2.5, abs=0.02)
    if output == "mfcc":
        assert image.norm.vmax == -image.norm.vmin == np.abs(features[:, 1:]).max()
        assert np.abs(features[:, 0]).min() > image.norm.vmax


def test_the_pictures_of_a_recording_are_as_long_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []
    monkeypatch.setattr(pictures, "features_axes", lambda axes, features, config, seconds: drawn.append(seconds))
    pictures.clip_picture(np.ones(40000, np.int16), 16000, "")
    assert drawn == [2.5] * 3


HOSTILE = """<script>alert('1')</script>"><img src=x onerror="alert(2)"> $x_{$ &amp;"""


def test_text_of_a_file_stays_text(tmp_path: Path) -> None:
    """Whatever a file says of itself and its rows is shown, and neither run by a browser nor typeset as a formula."""
    path = tmp_path / "$\\frac<b>.h5"
    write_file(
        path,
        audio=np.ones((4, 16000), np.int16),
        length=[16000] * 4,
        label=[0, 1] * 2,
        split=["train"] * 4,
        labels=(HOSTILE, "$\\alpha$ $"),
        configs={"<i>$": FeatureConfig()},
        speaker=[HOSTILE, "bob"] * 2,
        source=[HOSTILE + str(i) for i in range(4)],
    )
    page = Page(write_report(path, tmp_path / "report.html"))
    is_inside(page, tmp_path / "report.html")
    assert "i" not in page.tags
    assert page.tags.count("img") == len(media(page, "image/png"))
    assert page.text.count(HOSTILE) >= 7  # label, speaker, source
    assert "default-src 'none'" in (tmp_path / "report.html").read_text()


def test_the_options_of_a_layout_count(tmp_path: Path) -> None:
    for name in ("x_yes.wav", "y_no.wav"):
        (tmp_path / "c").mkdir(exist_ok=True)
        soundfile.write(tmp_path / "c" / name, np.arange(8000, dtype=np.int16), 16000)
    assert main(["report", str(tmp_path / "c"), str(tmp_path / "a.html"), "--pattern", "{speaker}_{label}", "--threads", "1"]) == 0
    assert "2 clips · 2 labels · 2 speakers" in Page(tmp_path / "a.html").text


def test_a_fact_of_any_origin_is_text() -> None:
    assert html.fact("seed {} of {}", "<script>", 7) == "seed <b>&lt;script&gt;</b> of <b>7</b>"


def test_a_page_is_replaced_when_that_is_said(tiny_corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "report.html"
    page.write_text("mine")
    arguments = ["report", str(tiny_corpus), str(page), "--limit", "2"]
    assert main(arguments) == 1
    assert f"{page} exists: choose another name or use --overwrite" in capsys.readouterr().err
    assert page.read_text() == "mine"
    assert main([*arguments, "--overwrite"]) == 0
    assert "kwsfeat" in page.read_text()


def test_the_page_names_shortcuts_and_the_splits_of_the_build(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for word, sr in (("yes", 16000), ("no", 8000)):
        (tmp_path / word).mkdir()
        for i in range(12):
            y = 0.1 * rng.standard_normal(sr)
            for name in (f"{i}.wav", f"{i}-copy.wav"):
                soundfile.write(tmp_path / word / name, y, sr, subtype="PCM_16")
    page = Page(write_report(tmp_path, tmp_path / "report.html"))
    assert "rate tells no from the rest, 100% right: mostly 8,000 Hz (n = 24), the rest mostly 16,000 Hz (n = 24)" in page.text
    assert "every sound will be one of your 2 words" in page.text
    assert "across splits" not in page.text


def test_a_large_corpus_is_sampled(tiny_corpus: Path, tmp_path: Path) -> None:
    page = Page(write_report(tiny_corpus, tmp_path / "report.html", limit=10))
    assert "72 clips" in page.text
    assert "from a sample of 10" in page.text


def test_many_labels_are_cut_with_a_note(tiny_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recordings, "_PICTURED", 2)
    page = Page(write_report(tiny_corpus, tmp_path / "report.html"))
    assert "The 2 most frequent labels; 2 are left out." in page.text


def test_twelve_classes_are_shown_where_the_words_are_those(tmp_path: Path) -> None:
    for word in ("yes", "no", "up", "down", "left", "cat"):
        (tmp_path / "c" / word).mkdir(parents=True)
        soundfile.write(tmp_path / "c" / word / "a.wav", np.arange(8000, dtype=np.int16), 16000)
    page = Page(write_report(tmp_path / "c", tmp_path / "report.html"))
    assert "Reduced to twelve classes" in page.text
    assert "unknown 1 16.67 %" in page.text


def test_a_folder_is_not_a_page(tiny_corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"is a folder: give the name of an \.html file"):
        write_report(tiny_corpus, tmp_path)
    with pytest.raises(CorpusError, match=r"gone: no such folder"):
        write_report(tiny_corpus, tmp_path / "gone" / "report.html")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "words.csv").write_text("path,label\n")
    with pytest.raises(CorpusError, match="is what the page is about"):
        write_report(tmp_path / "words.csv", tmp_path / "words.csv")
    assert (tmp_path / "words.csv").read_text() == "path,label\n"


def test_show_draws_one_recording(
    tiny_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    recording = next((tiny_corpus / "yes").glob("*.wav"))
    assert main(["show", str(recording)]) == 0
    assert capsys.readouterr().out == f"{recording.stem}.png\n"
    image = matplotlib_image.imread(tmp_path / f"{recording.stem}.png")
    assert image.shape[:2] == (416, 880)
    assert main(["show", str(tmp_path / "missing.wav")]) == 1
    assert "no such file" in capsys.readouterr().err


@pytest.mark.parametrize(("n", "sr"), [(1, 16000), (300, 8000), (5000, 11025), (44100, 44100), (30000, 48000)])
def test_every_length_and_rate_can_be_drawn(n: int, sr: int) -> None:
    y = np.random.default_rng(n).normal(0, 0.1, n).astype(np.float32)
    image = matplotlib_image.imread(io.BytesIO(pictures.clip_picture(y, sr, "Wörter 言葉")))
    assert image.shape[:2] == (416, 880)


def test_without_matplotlib_it_says_so_before_it_reads(tiny_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"pip install '\.\[report\]'"):
        write_report(tiny_corpus, tmp_path / "report.html", progress=lambda done, total: pytest.fail("it read something"))
    assert list(tmp_path.iterdir()) == []


def test_it_opens_in_a_browser(corpus_page: tuple[Page, Path], tmp_path: Path) -> None:
    browser = next((found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None)
    if browser is None:
        pytest.skip("no chromium on this machine")
    shot = tmp_path / "shot.png"
    subprocess.run(
        [browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
         "--window-size=1100,1600", f"--user-data-dir={tmp_path / 'profile'}", f"--screenshot={shot}", corpus_page[1].as_uri()],
        check=True, capture_output=True, timeout=900,
    )  # fmt: skip
    image = matplotlib_image.imread(shot)
    assert image.shape[1] == 1100
    blue = (np.abs(image[..., :3] - np.array([0x2A, 0x5D, 0x9F]) / 255) < 0.02).all(axis=2)
    assert blue.sum() > 5000  # the bars of the class table
