"""Where a mounted variable's bytes end: a file, or an extracted archive (`extracting.Extractor`).

A sink is pushed chunks of any size, so a variable of any size passes in bounded memory. All of it
is file I/O: call it in a thread.
"""

from __future__ import annotations

import os
from typing import Protocol


class Sink(Protocol):
    """Something that takes a stream of bytes."""

    def feed(self, data: bytes) -> None:
        """Take the next bytes.

        Raises:
            InvalidArchive: they are not of the form they should be.
            TooLarge: there is too much of them.
        """

    def finish(self) -> None:
        """Say that all bytes have come.

        Raises:
            InvalidArchive: some are missing.
        """

    def close(self) -> None:
        """Release everything; also after an error, once."""


class FileSink:
    """Writes bytes as they are."""

    def __init__(self, descriptor: int) -> None:
        """Take over an open file."""
        self._descriptor = descriptor

    def feed(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view) :]

    def finish(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        os.close(self._descriptor)
