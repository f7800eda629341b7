"""What the YAML parser does not understand, in words for people. PURE.

The parser says what it expected, which is seldom what went wrong. Where it stood says more: in
which list, mapping or quote, and in which line that began.
"""

from __future__ import annotations

from typing import Final

import yaml

_ADVICE: Final = {
    "mapping values are not allowed in this context": (
        "': ' is not allowed here; indent it differently, or put the text in quotes"
    ),
    "found character that cannot start any token": (
        "a plain text cannot begin with this character; put the text in quotes"
    ),
    "while scanning a quoted scalar": "the quote that opens in line {line} is never closed",
    "while parsing a flow sequence": (
        "the list that '[' begins in line {line} needs ',' or ']' here"
    ),
    "while parsing a flow mapping": (
        "the mapping that '{{' begins in line {line} needs ',' or '}}' here"
    ),
    "while parsing a block mapping": (
        "this is no field of the mapping that begins in line {line}; "
        "all its fields begin in the same column"
    ),
    "while parsing a block collection": (
        "this is no entry of the list that begins in line {line}; "
        "all its entries begin with '- ' in the same column"
    ),
}
"""What to do about the parser's commonest complaints, by what it found or where it stood."""


class InvalidYamlError(ValueError):
    """Text that is not the YAML that Varflow reads."""

    def __init__(self, line: int, column: int, message: str) -> None:
        super().__init__(message)
        self.line = line
        self.column = column


def of_parser(error: yaml.MarkedYAMLError, text: str) -> InvalidYamlError:
    """Return the parser's complaint about a text."""
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line, mark.column) if mark else (0, 0)
    lines = text.split("\n", line + 1)
    before = lines[line][: column + 1] if line < len(lines) else ""
    if before.strip(" -").startswith("\t"):
        return InvalidYamlError(line + 1, column + 1, "a tab; YAML is indented with spaces")
    return InvalidYamlError(line + 1, column + 1, _advised(error))


def of_reader(error: yaml.reader.ReaderError, text: str) -> InvalidYamlError:
    """Return the complaint about a character that YAML does not have."""
    before = text[: error.position] if isinstance(error.position, int) else ""
    line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
    return InvalidYamlError(line, column, f"{error.reason} (character {error.character!r})")


def _advised(error: yaml.MarkedYAMLError) -> str:
    begun = error.context_mark.line + 1 if error.context_mark else 0
    advice = _ADVICE.get(error.problem or "") or _ADVICE.get(error.context or "")
    if advice is not None:
        return advice.format(line=begun)
    return ", ".join(part for part in (error.problem, error.context) if part)
