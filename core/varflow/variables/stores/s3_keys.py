r"""The names that the s3 driver gives to objects in a bucket. PURE.

The driver maps every path to a key below its prefix and every key back to its path:

    v1/shop/n/my notes.txt     ->  v1/shop/n/my%20notes.txt!

* An object's key ends in `!`, no folder's name does: `a` and `a/b` exist side by side also where
  the server keeps objects as files (versitygw over a folder, MinIO).
* `%xx` stands for the characters from space to `%`; all others stand for themselves, but for `~`,
  which is doubled, and the three after U+FFFC, two of which no XML listing can hold.
* A name of more than `PIECE_BYTES` is cut, for servers that refuse names of more than 255 bytes:
  `~` or `%` before a slash says that it goes on behind the slash.

**The order of keys is the order of paths**, so that a listing streams as the server gives it, and
what a path begins with, its key begins with. Hence these choices: whatever is escaped begins with
the lowest or highest of the characters that are escaped with it; `!` is below everything that can
follow in a name; a name is cut at a place that depends on what is before it only, and goes on with
`%` or `~` as its next character is below or above the slash.

Keys that this mapping never gives are not ours and stay unseen. The mapping is part of the layout:
changing it hides what is stored.

Rejected: the file driver's names (lower case only, in its own order: a listing would have to gather
whole folders), plain percent-encoding (three bytes for each letter of most languages), and no mark
on objects (`a/b` cannot be written beside `a` on the servers above).
"""

from __future__ import annotations

import re
from typing import Final

KEY_BYTES: Final = 1024
"""Longest key of S3."""

PIECE_BYTES: Final = 250
"""From here on a name is cut before its next character; with its mark it stays below 255 bytes."""

_MARK: Final = "!"
_CUT_LOW: Final = "%/"
_CUT_HIGH: Final = "~/"
_SLASH: Final = "/"

_ESCAPED: Final = {
    **{char: f"%{ord(char):02x}" for char in ' !"#$%'},
    "~": "~~",
    "\ufffd": "\ufffdd",
    "\ufffe": "\ufffde",
    "\uffff": "\ufffdf",
}
_UNESCAPED: Final = {
    **{escaped: char for char, escaped in _ESCAPED.items()},
    _CUT_LOW: "",
    _CUT_HIGH: "",
}
_NEEDS_ESCAPE: Final = re.compile("[ -%~\ufffd-\uffff]")
_ESCAPES: Final = re.compile("%(?:2[0-5]|/)|~[~/]|\ufffd[d-f]")


def key_of(path: str) -> str:
    """Return the key of the object at `path`."""
    return prefix_of(path) + _MARK


def prefix_of(prefix: str) -> str:
    """Return what the keys of all objects have in common whose paths begin with `prefix`."""
    escaped = _NEEDS_ESCAPE.sub(lambda match: _ESCAPED[match[0]], prefix)
    if all(len(name) < PIECE_BYTES // 4 for name in escaped.split(_SLASH)):
        return escaped
    return _SLASH.join(map(_cut, prefix.split(_SLASH)))


def find_path(key: str) -> str | None:
    """Return the path whose object has `key`; None when it is not ours."""
    if not key.endswith(_MARK):
        return None
    path = _ESCAPES.sub(lambda match: _UNESCAPED[match[0]], key[: -len(_MARK)])
    return path if key_of(path) == key else None


def _cut(name: str) -> str:
    """Escape one name and cut it where it is long."""
    pieces, size = [""], 0
    for char in name:
        escaped = _ESCAPED.get(char, char)
        if size >= PIECE_BYTES:
            pieces[-1] += _CUT_LOW if char < _SLASH else _CUT_HIGH
            pieces.append("")
            size = 0
        pieces[-1] += escaped
        size += len(escaped.encode())
    return "".join(pieces)
