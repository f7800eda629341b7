r"""The grammar of a variable's name. PURE.

A key is 1 to 253 bytes of UTF-8 without `/` and control characters, and neither `.` nor `..`
(design.md §5). That is wider than Direktiv's `[a-zA-Z][\w.-]*`: its users asked for hidden
files, leading digits and unicode, and every such refusal failed an action that had succeeded.
Rejected: normalising unicode, which would make two files of `out/` one variable.
"""

from __future__ import annotations

import unicodedata

from varflow.errors import InvalidKey

MAX_BYTES = 253
"""Longest key in bytes of UTF-8: what a DNS subdomain may have, below every file system's 255."""


def parse(text: str) -> str:
    """Return `text` if it is a key.

    Raises:
        InvalidKey: it is not; the message says which part of the rule it breaks.
    """
    fault = find_fault(text)
    if fault:
        raise InvalidKey(f"key {shown(text)} {fault}")
    return text


def find_fault(text: str) -> str | None:
    """Return what is wrong with `text` as a key, or None when it is one."""
    if not text:
        return "is empty; give a name"
    if text in {".", ".."}:
        return "is a name that folders use; choose another"
    if "/" in text:
        return "contains '/'; a name is not a path"
    if not _is_printable_utf8(text):
        return "contains a control character or is not valid UTF-8"
    size = len(text.encode())
    if size > MAX_BYTES:
        return f"is {size} bytes long; at most {MAX_BYTES} are allowed"
    return None


def can_begin(text: str) -> bool:
    """Return whether there may be a key that begins with `text`."""
    return text in {"", ".", ".."} or find_fault(text) is None


def shown(text: str) -> str:
    """Return a name for a message, quoted and not too long."""
    return ascii(text if len(text) <= 64 else text[:61] + "...")


def _is_printable_utf8(text: str) -> bool:
    return (text.isascii() and text.isprintable()) or not any(
        unicodedata.category(char) in {"Cc", "Cs"} for char in text
    )
