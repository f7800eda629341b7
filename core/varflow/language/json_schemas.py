"""JSON Schemas that a workflow checks data against: compiled once, every error told. PURE.

A schema is the workflow author's: it may not reach out (`$ref` to a URL or a file is refused, so a
workflow cannot read what its control plane can), and its patterns are matched in linear time.
`format` counts, as it does in Direktiv.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import orjson

from varflow.errors import InvalidInput

if TYPE_CHECKING:
    import jsonschema_rs

_MOST_ERRORS: Final = 20
_LONGEST_ERROR: Final = 300
_OUTSIDE: Final = re.compile(r"Resource '([^']*)' is not present")
"""How the library says that a reference leaves the schema."""


class JsonSchema:
    """A schema; the library is loaded when the first one is."""

    __slots__ = ("_validator", "source")

    def __init__(self, source: Any) -> None:
        """Compile a schema.

        Raises:
            InvalidInput: it is none, or one that refers to something outside.
        """
        self.source = source
        self._validator = _compile(source)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, JsonSchema) and self._text() == other._text()

    def __hash__(self) -> int:
        return hash(self._text())

    def __repr__(self) -> str:
        return f"JsonSchema({self.source!r})"

    def find_errors(self, value: Any) -> list[str]:
        """Return what is wrong with a value, each error with its place; at most twenty."""
        return [_said(error) for error in islice(self._validator.iter_errors(value), _MOST_ERRORS)]

    def _text(self) -> bytes:
        return orjson.dumps(self.source, option=orjson.OPT_SORT_KEYS)


def _compile(source: Any) -> jsonschema_rs.Validator:
    import jsonschema_rs

    if not isinstance(source, dict | bool):
        raise InvalidInput("is no JSON Schema: that is a mapping, or true or false")
    try:
        return jsonschema_rs.validator_for(
            source,
            validate_formats=True,
            offline=True,
            pattern_options=jsonschema_rs.RegexOptions(),
        )
    except (ValueError, jsonschema_rs.ReferencingError) as error:
        place = _place(getattr(error, "instance_path", ()))
        raise InvalidInput(f"is no JSON Schema{place}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    message = getattr(error, "message", "") or str(error)
    outside = _OUTSIDE.search(message)
    return f"it refers to something outside, {outside[1]!r}" if outside else _cut(message)


def _said(error: jsonschema_rs.ValidationError) -> str:
    place = _place(error.instance_path).removeprefix(" at ")
    return f"{place}: {_cut(error.message)}" if place else _cut(error.message)


def _place(path: Any) -> str:
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return f" at {text.removeprefix('.')}" if text else ""


def _cut(message: str) -> str:
    line = message.partition("\n")[0]
    return line if len(line) <= _LONGEST_ERROR else line[: _LONGEST_ERROR - 1] + "…"
