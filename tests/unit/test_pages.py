"""The pages: links lead somewhere, and every command that they show exists with its options."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import kwsfeat.cli
import kwstrain.cli

ROOT = Path(__file__).resolve().parents[2]
DOCS = sorted((ROOT / "docs").rglob("*.md"))
PAGES = sorted([*ROOT.glob("*.md"), *DOCS, *(page for folder in ("examples", "benchmarks") for page in (ROOT / folder).glob("*.md"))])
COMMANDS: dict[str, click.Group] = {"kwsfeat": kwsfeat.cli.cli, "kwstrain": kwstrain.cli.cli}


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def prose(page: Path) -> str:
    """A page without its blocks of code."""
    return re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def shown(page: Path) -> Iterator[tuple[str, str, list[str]]]:
    """(program, subcommand, options) of every command in blocks of code and between backticks."""
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()] + re.findall(r"`([^`\n]+)`", prose(page))
    for line in lines:
        if match := re.match(r"\s*(?:\$ )?(kwsfeat|kwstrain) ([a-z]+(?:-[a-z]+)*)\b(.*)", line):
            yield match[1], match[2], re.findall(r"(?<![\w-])--?[a-z][\w-]*", match[3].split("#")[0])


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_lines_are_read_without_scrolling(page: Path) -> None:
    """At most 120 characters, except rows of tables, which Markdown cannot break."""
    lines = enumerate(page.read_text(encoding="utf-8").splitlines(), start=1)
    assert not [f"line {n} has {len(line)}" for n, line in lines if len(line) > 120 and not line.startswith("|")]


def anchors(page: Path) -> set[str]:
    """What GitHub calls the headings of a page: lower case, no punctuation, hyphens for spaces."""
    headings = re.findall(r"^#+ +(.+?) *$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def leads_somewhere(page: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = page.parent / path if path else page
    return target.exists() and (not anchor or anchor in anchors(target))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    """To a file that exists, and to a heading of it."""
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)) if "://" not in link]
    assert [link for link in links if not leads_somewhere(page, link)] == []


def test_the_list_of_the_pages_has_all() -> None:
    listed = re.findall(r"\]\(([^)\s]+)\)", (ROOT / "docs" / "README.md").read_text(encoding="utf-8"))
    assert sorted(["README.md", *listed]) == sorted(str(page.relative_to(ROOT / "docs")) for page in DOCS)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_exist(page: Path) -> None:
    for program, name, options in shown(page):
        command = COMMANDS[program].commands.get(name)
        assert command is not None, f"{program} {name}"
        known = {option for parameter in command.params for option in [*parameter.opts, *parameter.secondary_opts]} | {"--help"}
        assert not set(options) - known, f"{program} {name}: {sorted(set(options) - known)}"


def test_the_readme_names_what_make_can_do() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)) - {"clean"}
    named = set(re.findall(r"make ([a-z-]+)", (ROOT / "README.md").read_text(encoding="utf-8")))
    assert named == targets


def test_the_pages_show_commands() -> None:
    assert len({(program, name) for page in PAGES for program, name, _ in shown(page)}) > 15


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "CHANGELOG.md"], ids=name_of)
def test_paths_exist(page: Path) -> None:
    """Files and folders between backticks; those that a page has the reader make stand before a block of code."""
    text = page.read_text(encoding="utf-8")
    made = set(re.findall(r"^`([\w/]+\.py)`:\n\n```", text, re.MULTILINE))
    paths = set(re.findall(r"`((?:kwsfeat|kwstrain|tests|docs|tools|benchmarks|examples)/[a-z0-9_/]*(?:\.\w+)?)`", text)) - made
    assert sorted(path for path in paths if not (ROOT / path).exists()) == []
