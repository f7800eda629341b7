"""Range requests for one range (RFC 9110 §14). PURE."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_RANGE: Final = re.compile(r"bytes=(\d{0,99})-(\d{0,99})", re.ASCII)
"""More digits are no position, and too many of them no number that Python reads."""


class Unsatisfiable(Exception):
    """The range lies outside."""


@dataclass(frozen=True, slots=True)
class Range:
    """Bytes from `start`, `length` of them."""

    start: int
    length: int

    def header(self, size: int) -> str:
        """Return the `Content-Range` of this part of `size` bytes."""
        return f"bytes {self.start}-{self.start + self.length - 1}/{size}"


def find(text: str | None, *, size: int) -> Range | None:
    """Return the range that a header asks for; None when all is to be sent.

    That is so, too, for several ranges and for what is no range: the RFC lets a server ignore them.

    Raises:
        Unsatisfiable: nothing of what there is lies in the range.
    """
    match = _RANGE.fullmatch(text or "")
    if match is None or not any(match.groups()):
        return None
    first, last = match.groups()
    if not first:
        return _suffix(int(last), size)
    start = int(first)
    stop = min(int(last) + 1, size) if last else size
    if last and int(last) < start:
        return None
    if start >= size:
        raise Unsatisfiable
    return Range(start, stop - start)


def _suffix(length: int, size: int) -> Range:
    length = min(length, size)
    if not length:
        raise Unsatisfiable
    return Range(size - length, length)
