"""Bytes that arrive in chunks, cut into lines of text. PURE."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

MAX_BYTES: Final = 64 * 1024
"""Longer lines are shown in pieces: a program may print gigabytes without a newline."""


class LineCutter:
    """Takes chunks, gives lines."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> Iterator[str]:
        """Yield the lines that `chunk` completes."""
        *complete, self._rest = (self._rest + chunk).split(b"\n")
        for line in complete:
            yield from _pieces(line)
        while len(self._rest) > MAX_BYTES:
            piece, self._rest = self._rest[:MAX_BYTES], self._rest[MAX_BYTES:]
            yield _text(piece)

    def finish(self) -> Iterator[str]:
        """Yield what came after the last newline."""
        if self._rest:
            yield _text(self._rest)
        self._rest = b""


def _pieces(line: bytes) -> Iterator[str]:
    for start in range(0, max(len(line), 1), MAX_BYTES):
        yield _text(line[start : start + MAX_BYTES])


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace").removesuffix("\r")
