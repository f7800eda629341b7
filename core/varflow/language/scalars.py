"""What a YAML scalar means. PURE.

A plain scalar is what JSON would make of it: `true`, `false`, `null` (also empty and `~`), or a
number without leading zeros; everything else is a string. YAML 1.1, which PyYAML resolves by, reads
`on` as true, `0755` as 493, `1:30` as 90 and `2021-01-01` as a date; YAML 1.2 still reads `0o755`
as a number and `.inf` as one that JSON does not have.
"""

from __future__ import annotations

import math
import re
from typing import Any

_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)", re.ASCII)
_FLOAT = re.compile(
    r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", re.ASCII
)
_WORDS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_STANDARD = "tag:yaml.org,2002:"
TAGS: dict[str, tuple[type, ...]] = {
    f"{_STANDARD}str": (str,),
    f"{_STANDARD}int": (int,),
    f"{_STANDARD}float": (float, int),
    f"{_STANDARD}bool": (bool,),
    f"{_STANDARD}null": (type(None),),
    f"{_STANDARD}map": (dict,),
    f"{_STANDARD}seq": (list,),
}
"""The tags there are, and the types that a value under each may have."""


def resolve(text: str, *, is_plain: bool, tag: str | None) -> Any:
    """Return the value of a scalar.

    Raises:
        ValueError: a tag that is not supported or does not fit, or a number that JSON cannot hold.
    """
    if tag is None:
        return _plain(text) if is_plain else text
    if tag in {"!", f"{_STANDARD}str"}:
        return text
    value = _plain(text)
    if type(value) not in TAGS.get(tag, ()):
        raise ValueError(f"the tag {shown_tag(tag)} is not supported here")
    return float(value) if tag == f"{_STANDARD}float" else value


def shown_tag(tag: str) -> str:
    """Return the tag as people write it."""
    return tag.replace(_STANDARD, "!!")


def _plain(text: str) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return _integer(text)
    if _FLOAT.fullmatch(text):
        return _float(text)
    return text


def _integer(text: str) -> int:
    if len(text) <= 21 and -(2**63) <= (value := int(text)) < 2**64:
        return value
    raise ValueError("a number of more than 64 bits; in quotes it is a string")


def _float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"the number {text[:40]} is too large; in quotes it is a string")
    return value
