"""The fields of the kinds as tables of a page for people, made from the schemas. PURE.

Between the marks of a page stands what is made here; what is around them is written by hand.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from varflow_operator.schemas import definitions
from varflow_operator.schemas.merging import Schema

_MARKED: Final = re.compile(
    r"(?P<begin><!-- fields of (?P<kind>\w+) (?P<part>\w+) -->\n).*?(?P<end><!-- end -->\n)",
    re.DOTALL,
)
_HEAD: Final = "| Field | Value | |\n|---|---|---|\n"
_PLAIN: Final = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "`true` or `false`",
    "object": "mapping",
}


def fill_in(page: str) -> str:
    """Return the page with its tables made anew."""
    parts = {
        (it.kind.name, part): schema
        for it in definitions.definitions()
        for part, schema in (("spec", it.spec), ("status", it.status))
    }

    def table(match: re.Match[str]) -> str:
        rows = _rows("", parts[match["kind"], match["part"]])
        return match["begin"] + _HEAD + "".join(rows) + match["end"]

    return _MARKED.sub(table, page)


def _rows(path: str, schema: Schema) -> Iterator[str]:
    required = schema.get("required", ())
    for name, field in schema.get("properties", {}).items():
        place = f"{path}.{name}" if path else name
        value = _value(field) + (", required" if name in required else "")
        yield f"| `{place}` | {value} | {_escaped(field['description'])} |\n"
        elements = field.get("items")
        yield from _rows(f"{place}[]", elements) if elements else _rows(place, field)


def _value(schema: Schema) -> str:
    """Return what may stand there, in words."""
    if "enum" in schema:
        return " or ".join(f"`{word}`" for word in schema["enum"] if word is not None)
    if schema.get("x-kubernetes-int-or-string"):
        return "quantity"
    if "type" not in schema:
        return "any JSON"
    if schema["type"] == "array":
        return f"list of at most {schema['maxItems']}: {_value(schema['items'])}"
    if "additionalProperties" in schema:
        inner = _value(schema["additionalProperties"])
        return f"mapping of at most {schema['maxProperties']}: {inner}"
    return _PLAIN[schema["type"]] + _bounds(schema)


def _bounds(schema: Schema) -> str:
    if "format" in schema:
        return " (a time)"
    if "maxLength" in schema:
        return f", at most {schema['maxLength']} characters"
    if "maximum" in schema:
        return f" from {schema['minimum']} to {schema['maximum']}"
    return ""


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("*", "\\*")
