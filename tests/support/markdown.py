"""What documentation shows: its fenced blocks, to be checked as code is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_FENCE = re.compile(
    r"^(?P<fence>`{3,})(?P<info>.*)\n(?P<text>(?:.*\n)*?)(?P=fence)\s*$", re.MULTILINE
)
_LINK = re.compile(r"\]\((?P<target>[^)#\s]+)?(?:#(?P<anchor>[^)\s]+))?\)")
_SECTION = re.compile(r"^## (.+)$", re.MULTILINE)
_HEADING = re.compile(r"^#+ (?P<title>.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block."""

    file: Path
    line: int
    """Where its text begins, from 1."""
    language: str
    marks: tuple[str, ...]
    """Words after the language, for whoever checks the block."""
    text: str
    section: str
    """The heading of the second level that it stands under."""

    def __str__(self) -> str:
        return f"{self.file.name}:{self.line}"


def read_blocks(file: Path) -> Iterator[Block]:
    """Return the file's fenced blocks in their order."""
    content = file.read_text()
    for match in _FENCE.finditer(content):
        language, *marks = match["info"].split() or [""]
        line = content.count("\n", 0, match.start("text")) + 1
        above = _SECTION.findall(_FENCE.sub("", content[: match.start()]))
        section = above[-1] if above else ""
        yield Block(file, line, language, tuple(marks), match["text"], section)


def read_workflows(file: Path) -> list[Block]:
    """Return the blocks that are workflows."""
    blocks = [block for block in read_blocks(file) if block.language == "yaml"]
    return [block for block in blocks if re.search("^ *states:", block.text, re.MULTILINE)]


def read_links(file: Path) -> Iterator[tuple[str, str]]:
    """Return target and anchor of each link that stays within the repository."""
    prose = _FENCE.sub("", file.read_text())
    for match in _LINK.finditer(prose):
        target = match["target"] or ""
        if "://" not in target:
            yield target, match["anchor"] or ""


def read_anchors(file: Path) -> set[str]:
    """Return the anchors that headings make, as GitHub makes them."""
    prose = _FENCE.sub("", file.read_text())
    titles = (match["title"] for match in _HEADING.finditer(prose))
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
