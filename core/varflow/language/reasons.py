"""Why a program failed, without the data that it failed on. PURE.

jq's messages quote values (`string ("s3cret") and number (1) cannot be added`), and data may hold
secrets, which no error may show (design.md §8). So of a message only the words remain that jq
itself uses or that stand in the program; every other one becomes `…`. Rejected: removing what looks
quoted, which has to know the form of every message and lets one through where it does not.
"""

from __future__ import annotations

import re
from typing import Any


def words(text: str) -> frozenset[str]:
    """Return the words of a text."""
    return frozenset(text.split())


_VOCABULARY = words(
    """
    null boolean true false number string array object key keys value values index element
    elements field fields item input inputs output result path paths regex date time offset
    literal character characters bound bounds slice slices indices integers depth divisor
    remainder containment iterator representation modifier format csv tsv row shell base64
    data uri encoding utf numeric escape escaped token delimiter flatten implode explode
    codepoint codepoints range a an and are as at attempt be because been before both but by
    can cannot check delete empty expected for from got has have in into invalid is it its
    iterate larger large limit line column many match matched may missing must near negative
    no nor not of on only or out over outside parse parsed parsing requires require set sorted
    searched specified split startswith endswith ltrimstr rtrimstr trim join test than that
    the their they through to too under unknown up update use used valid was which while with
    without zero nan deep nested added subtracted multiplied divided negated iterated compared
    converted indexed grouped access accessed array/string dates gmtime mktime strftime
    strptime fromjson tojson tonumber tostring toboolean halt error expression formatted
    csv-formatted tsv-formatted found module metadata regex unfinished abandoned eof
    """
)
"""The types, and what jq says about them."""
_WORD = re.compile(r"[\w/+-]+(?:\.\w+)*", re.ASCII)
_PART = re.compile(r"\w+", re.ASCII)
_HIDDEN = re.compile(r"…(?:[^\w()]*…)+")
_FOREIGN = re.compile(r"[^\w \"'(),.:;/+…-]+", re.ASCII)
_MAX_REASON = 300
_MAX_SOURCE = 200
_MAX_KEYS = 12
_DEPTH = 3


def redact(message: str, source: str, *, vocabulary: frozenset[str] = frozenset()) -> str:
    """Return what is said about a failure of the program `source`, without values.

    Args:
        message: jq's, or another engine's.
        source: the words in it may be shown.
        vocabulary: the other engine's words, which may be, too.
    """
    if message and message in source:
        return message
    ours = {*_WORD.findall(source), *_PART.findall(source)}
    known = _VOCABULARY | vocabulary
    text = _FOREIGN.sub("…", message[: 4 * _MAX_REASON])
    text = _WORD.sub(lambda word: _kept(word[0], ours, known), text)
    return shortened(_HIDDEN.sub("…", text), _MAX_REASON) or "…"


def shape(value: Any, *, depth: int = _DEPTH) -> str:
    """Return the types in a value, such as `{var: {x: number}}`; never what it holds."""
    if isinstance(value, dict):
        return _object_shape(value, depth=depth)
    if isinstance(value, list | tuple):
        inside = shape(value[0], depth=depth - 1) if value and depth > 1 else ""
        return f"[{inside}{', …' if len(value) > 1 else ''}]"
    if value is None:
        return "null"
    kinds = {bool: "boolean", str: "string"}
    return kinds.get(type(value), "number")


def shown(source: str) -> str:
    """Return a program for a message: on one line, and not too long."""
    return shortened(" ".join(source.split()), _MAX_SOURCE)


def shortened(text: str, length: int) -> str:
    """Return the text, or its beginning."""
    return text if len(text) <= length else text[: length - 1] + "…"


def _object_shape(value: dict[str, Any], *, depth: int) -> str:
    if depth <= 0:
        return "{…}" if value else "{}"
    names = list(value)[:_MAX_KEYS]
    entries = [f"{shortened(name, 40)}: {shape(value[name], depth=depth - 1)}" for name in names]
    if len(value) > len(names):
        entries.append("…")
    return "{" + ", ".join(entries) + "}"


def _kept(word: str, ours: set[str], known: frozenset[str]) -> str:
    return word if word.lower() in known or word in ours else "…"
