"""Bodies through the cipher, segment by segment: about two segments are in memory at one time."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from typing import Final

from varflow.errors import TamperedObject
from varflow.variables import paths
from varflow.variables.encryption.headers import HEADER_BYTES, Header
from varflow.variables.encryption.keyrings import Key
from varflow.variables.encryption.sealing import SEALED_BYTES, SEGMENT_BYTES, Cipher


class Sealing:
    """A body on its way into the store; iterate over it once."""

    def __init__(self, chunks: AsyncIterable[bytes], key: Key, *, path: str, salt: bytes) -> None:
        self.size = 0
        """Of the plaintext so far."""
        self._chunks: Final = chunks
        self._header: Final = Header(key.id, salt)
        self._cipher: Final = Cipher(key, self._header, path=path)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._header.encode()
        waiting = bytearray()
        number = 0
        async for chunk in self._chunks:
            self.size += len(chunk)
            waiting += chunk
            # What fills a segment waits for one more byte: it might be the last.
            while len(waiting) > SEGMENT_BYTES:
                yield self._cipher.seal(waiting[:SEGMENT_BYTES], number=number, is_last=False)
                del waiting[:SEGMENT_BYTES]
                number += 1
        yield self._cipher.seal(waiting, number=number, is_last=True)


class Range:
    """Which segments hold a range of a body, and what of them is asked for."""

    def __init__(self, start: int, length: int | None) -> None:
        # From the segment of the byte before: a range that begins where the body ends has none of
        # its own, and whether the body ends there has to be seen.
        self.first: Final = max(start - 1, 0) // SEGMENT_BYTES
        self.offset: Final = HEADER_BYTES + self.first * SEALED_BYTES
        """Where they begin in the store."""
        self._start: Final = start
        self._end: Final = None if length is None else start + length

    async def open(
        self, sealed: AsyncIterable[bytes], cipher: Cipher, *, path: str
    ) -> AsyncIterator[bytes]:
        """Yield the range out of a stream that begins at `offset`.

        Raises (while iterating):
            TamperedObject: the body is not what was sealed, or shorter than asked.
        """
        position = self.first * SEGMENT_BYTES
        async for opened in _opened(sealed, cipher, number=self.first):
            end = position + len(opened) if self._end is None else self._end
            if wanted := opened[max(0, self._start - position) : max(0, end - position)]:
                yield wanted
            position += len(opened)
            if self._end is not None and position >= self._end:
                return
        if position < max(self._start, self._end or 0):
            raise TamperedObject(
                f"{paths.describe(path)} holds {position} bytes, and at least "
                f"{max(self._start, self._end or 0)} are expected; restore the object {path}"
            )


async def _opened(
    sealed: AsyncIterable[bytes], cipher: Cipher, *, number: int
) -> AsyncIterator[bytes]:
    """Yield what the segments hold; only the one that the stream ends with may be the last."""
    waiting = bytearray()
    async for chunk in sealed:
        waiting += chunk
        while len(waiting) > SEALED_BYTES:
            yield cipher.open(waiting[:SEALED_BYTES], number=number, is_last=False)
            del waiting[:SEALED_BYTES]
            number += 1
    yield cipher.open(waiting, number=number, is_last=True)
