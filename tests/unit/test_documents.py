"""What the documents say can be followed: links lead somewhere, commands and targets exist with their options."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import typer

from equipment import HOUSE
from pipesleuth.cli import app

PAGES = sorted(
    path
    for path in (
        *HOUSE.glob("*.md"),
        *HOUSE.glob("docs/**/*.md"),
        *HOUSE.glob("deploy/**/*.md"),
        *HOUSE.glob("tests/**/*.md"),
    )
    if not any(part.startswith(".") for part in path.relative_to(HOUSE).parts)
)
# README.md says `docs/…` as well, so that an installed copy's readers find it.
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)(?: \"[^\"]*\")?\)|!\[[^\]]*\]\(([^)\s]+)\)|\bsrc=\"([^\"]+)\"")
FENCE = re.compile(r"^ {0,3}```(\w*)[^\n]*\n(.*?)^ {0,3}```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`((?:\S*/)?(?:pipesleuth|make) [^`]+)`")
NAMES_OF_FILES = re.compile(r"`((?:src|docs|deploy|tests|scripts|bench)/[\w./-]+)`")


def names(pages: list[Path]) -> list[str]:
    return [str(page.relative_to(HOUSE)) for page in pages]


@cache
def anchors(page: Path) -> frozenset[str]:
    """The anchors that a page's headings make, as forges write them."""
    text = FENCE.sub("", page.read_text("utf-8"))
    found: dict[str, int] = {}
    made: set[str] = set(re.findall(r"<a (?:name|id)=\"([^\"]+)\"", text))
    for heading in re.findall(r"^#{1,6} +(.+?) *#*$", text, re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").replace("*", "")
        slug = re.sub(r"[^\w\- ]", "", plain.strip().lower()).replace(" ", "-")
        number = found.get(slug, 0)
        found[slug] = number + 1
        made.add(f"{slug}-{number}" if number else slug)
    return frozenset(made)


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_every_link_leads_somewhere(page: Path) -> None:
    text = FENCE.sub("", page.read_text("utf-8"))
    for target in filter(None, (part for match in LINK.finditer(text) for part in match.groups())):
        if re.match(r"[a-z]+:", target):
            assert target.startswith(("https://", "http://localhost")), f"{page.name}: {target}"
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / unquote(path)).resolve() if path else page
        assert found.exists(), f"{page.name}: {target}"
        assert found.is_relative_to(HOUSE), f"{page.name}: {target}"
        if anchor:
            assert anchor in anchors(found), f"{page.name}: {target} has no such heading"


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_every_file_that_is_named_is_there(page: Path) -> None:
    for name in NAMES_OF_FILES.findall(FENCE.sub("", page.read_text("utf-8"))):
        assert (HOUSE / name).exists(), f"{page.name}: {name}"


def lines(page: Path) -> Iterator[str]:
    """Every line that a reader may type: of code blocks (but of output and data), and in backquotes."""
    text = page.read_text("utf-8")
    for language, block in FENCE.findall(text):
        if language in {"", "sh", "bash", "console"}:
            yield from re.sub(r"\\\n\s*", " ", block).splitlines()
    yield from INLINE.findall(FENCE.sub("", text))


def typed(page: Path, program: str) -> Iterator[list[str]]:
    """The words after a program's name, wherever a line calls it: first, or behind a pipe or settings."""
    for line in lines(page):
        for part in re.split(r"\||&&|;", line.split("  #")[0]):
            try:
                words = shlex.split(part.strip().removeprefix("$ "), comments=True)
            except ValueError:
                continue
            while words and re.fullmatch(r"[A-Z][A-Z0-9_]*=.*|sudo|exec|nice", words[0]):
                words = words[1:]
            if words and words[0].rpartition("/")[2] == program:
                yield words[1:]


def refused(words: list[str]) -> str:
    """What is wrong with a call of our program; empty where it exists with its options."""
    command: Any = typer.main.get_command(app)
    context = typer.Context(command, info_name="pipesleuth")
    rest = list(words)
    while rest and hasattr(command, "get_command") and not rest[0].startswith("-"):
        inner = command.get_command(context, rest[0])
        if inner is None:
            # A word of the text, as in "`pipesleuth` looks for its mark", or a part of a path.
            return f"there is no command {rest[0]}" if re.fullmatch(r"[a-z-]+", rest[0]) else ""
        command, context = inner, typer.Context(inner, info_name=rest[0], parent=context)
        rest = rest[1:]
    known = {name for option in command.params for name in (*option.opts, *option.secondary_opts)} | {"--help"}
    unknown = [word.partition("=")[0] for word in rest if word.startswith("-") and len(word) > 1]
    return ", ".join(f"{command.name} has no {word}" for word in unknown if word not in known)


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_every_command_that_is_told_exists_with_its_options(page: Path) -> None:
    for words in typed(page, "pipesleuth"):
        assert refused([word for word in words if word not in {"…", "..."}]) == "", (
            f"{page.name}: pipesleuth {' '.join(words)}"
        )


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_every_target_of_make_that_is_told_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (HOUSE / "Makefile").read_text("utf-8"), re.MULTILINE))
    for words in typed(page, "make"):
        named = [word for word in words if re.fullmatch(r"[a-z][a-z-]*", word)]
        assert set(named[:1]) <= targets, f"{page.name}: make {' '.join(words)}"


def test_the_readme_begins_with_what_it_is_a_picture_and_two_commands() -> None:
    text = (HOUSE / "README.md").read_text("utf-8")
    assert text.index("make demo") < text.index("make test") < text.index("make setup")
    (picture,) = re.findall(r"!\[[^\]]+\]\((docs/[^)]+\.png)\)", text)
    assert (HOUSE / picture).stat().st_size <= 200_000
    assert len(PAGES) > 15
