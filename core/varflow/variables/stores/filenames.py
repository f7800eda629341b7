"""The names that the file driver gives to objects on disk. PURE.

The driver maps every path to a file below its folder and every file back to its path:

    v1/local/shop/n/myFiles     ->  v1/local/shop/n/my^files=

* An object's file ends in `=`, a folder's name never does: `a` and `a/b` exist side by side.
* Lower-case letters, digits, `-`, `_` and `.` stand for themselves; `^` before a letter makes it
  upper case, so `A` and `a` stay two files where case does not count; every other byte is `%xx`,
  so no file system can normalise `é` into another name or refuse a `:`.
* A `.` at either end of a name and the names of DOS devices are written `%xx` too: hidden names
  belong to the driver (`.locks`, `.tmp`), and network file systems refuse the others.
* A name longer than `PIECE_BYTES` is cut into nested folders that end in `+`.

Files whose names this mapping never gives are not ours and stay unseen. The mapping is part of
the layout: changing it hides what is stored.

Rejected: plain percent-encoding (a key `README` would read `%52%45%41%44%4d%45`), hashed names
(nobody could find a variable), and marking folders instead of objects (every level of every path
would carry the mark).
"""

from __future__ import annotations

import enum
import functools
import re
from typing import Final

PIECE_BYTES: Final = 200
"""Where a long name is cut; with its marks it stays below the 255 bytes of common file systems."""

_OBJECT_MARK: Final = "="
_CUT_MARK: Final = "+"

_DEVICE: Final = r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?![^./])"
_PLAIN: Final = rf"(?!{_DEVICE})[a-z0-9_-](?:[a-z0-9._-]{{0,{PIECE_BYTES - 2}}}[a-z0-9_-])?"
_PLAIN_PATH: Final = re.compile(rf"{_PLAIN}(?:/{_PLAIN})*")
"""Paths that need no escape at all, which nearly all are."""

_NEEDS_SHIELD: Final = re.compile(rf"\.|{_DEVICE}")
_ESCAPED: Final = re.compile(r"(?:[a-z0-9._-]|\^[a-z]|%[0-9a-f]{2})+")
_ESCAPES: Final = re.compile(r"((?:%[0-9a-f]{2})+)|\^([a-z])")
_STANDS_FOR_ITSELF: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789._-")


class Kind(enum.Enum):
    """What a directory entry is to the driver."""

    OBJECT = enum.auto()
    FOLDER = enum.auto()
    CUT = enum.auto()
    """A folder with the rest of names that were too long for one."""


def object_file(path: str) -> str:
    """Return the file that holds the object at `path`, relative to the store's folder."""
    return folder(path) + _OBJECT_MARK


@functools.lru_cache(maxsize=1024)
def folder(path: str) -> str:
    """Return the folder of all objects whose paths start with `path` and a slash.

    Raises:
        ValueError: `path` has an empty segment; a defect of the caller.
    """
    if _PLAIN_PATH.fullmatch(path):
        return path
    return "/".join(_segment(text) for text in path.split("/"))


def find_entry(name: str) -> tuple[Kind, str] | None:
    """Return what a directory entry is and the text it stands for; None when it is not ours."""
    kind, escaped = _split_mark(name)
    if not _ESCAPED.fullmatch(escaped) or escaped.startswith("."):
        return None
    try:
        return kind, _ESCAPES.sub(_unescaped, escaped)
    except UnicodeDecodeError:
        return None


def _split_mark(name: str) -> tuple[Kind, str]:
    if name.endswith(_OBJECT_MARK):
        return Kind.OBJECT, name[:-1]
    if name.endswith(_CUT_MARK):
        return Kind.CUT, name[:-1]
    return Kind.FOLDER, name


def _segment(text: str) -> str:
    if not text:
        raise ValueError("a path in a store has no empty segment")
    return f"{_CUT_MARK}/".join(_shielded(piece) for piece in _pieces(text))


def _pieces(text: str) -> list[str]:
    """Escape `text` and cut it between characters, so that every piece is text by itself."""
    pieces = [""]
    for char in text:
        escaped = _escaped(char)
        if len(pieces[-1]) + len(escaped) > PIECE_BYTES:
            pieces.append("")
        pieces[-1] += escaped
    return pieces


def _escaped(char: str) -> str:
    if char in _STANDS_FOR_ITSELF:
        return char
    if "A" <= char <= "Z":
        return "^" + char.lower()
    return _hexed(char)


def _hexed(char: str) -> str:
    return "".join(f"%{byte:02x}" for byte in char.encode())


def _shielded(piece: str) -> str:
    if _NEEDS_SHIELD.match(piece):
        piece = _hexed(piece[0]) + piece[1:]
    return piece[:-1] + _hexed(".") if piece.endswith(".") else piece


def _unescaped(match: re.Match[str]) -> str:
    octets, letter = match.groups()
    return letter.upper() if letter else bytes.fromhex(octets.replace("%", "")).decode()
