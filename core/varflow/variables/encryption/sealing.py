r"""The form of sealed objects: a header, then segments that open only in their place.

    header | segment 0 | segment 1 | … | last segment
             \_ AES-256-GCM(object's key, number ‖ is it the last, header ‖ path)

The object's own key is HMAC-SHA256(namespace's key, salt), the salt being random. So the number of
a segment can be its nonce, none is ever used twice, and there is no number of writes after which a
namespace would need another key (random nonces of 96 bits under one key are good for 2^32). All
segments but the last hold `SEGMENT_BYTES`, and only the last says that it is: what is cut off, put
in, left out, moved within the object or to another path does not open.

One form for small and large objects: a record is one segment nearly always, and a range of a body
needs the header and the segments around it.

Rejected: a nonce prefix instead of a derived key, whose 56 random bits would meet after 2^28
bodies; AES-GCM-SIV, which would have to see a whole body first.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from varflow.errors import TamperedObject
from varflow.variables import paths
from varflow.variables.encryption.headers import HEADER_BYTES, Header
from varflow.variables.encryption.keyrings import Key

SEGMENT_BYTES: Final = 256 * 1024
"""Of plaintext: 0.1 ms of the event loop; a range costs at most two of these more than asked."""
TAG_BYTES: Final = 16
SEALED_BYTES: Final = SEGMENT_BYTES + TAG_BYTES

Buffer = bytes | bytearray | memoryview

_LABEL: Final = b"varflow object 1"


class Cipher:
    """Seals and opens the segments of one object."""

    def __init__(self, key: Key, header: Header, *, path: str) -> None:
        self._path = path
        self._aead = AESGCM(hmac.digest(key.secret, _LABEL + header.salt, "sha256"))
        self._bound = header.encode() + path.encode()

    def seal(self, data: Buffer, *, number: int, is_last: bool) -> bytes:
        """Return a segment."""
        return self._aead.encrypt(_nonce(number, is_last=is_last), data, self._bound)

    def open(self, sealed: Buffer, *, number: int, is_last: bool) -> bytes:
        """Return what a segment holds.

        Raises:
            TamperedObject: it is not what was sealed there.
        """
        try:
            return self._aead.decrypt(_nonce(number, is_last=is_last), sealed, self._bound)
        except InvalidTag as error:
            raise tampered(self._path) from error


def seal(data: bytes, key: Key, *, path: str, salt: bytes) -> bytes:
    """Return a whole object; `salt` is random and never used again."""
    header = Header(key.id, salt)
    cipher = Cipher(key, header, path=path)
    view, count = memoryview(data), max(1, -(-len(data) // SEGMENT_BYTES))
    segments = [
        cipher.seal(
            view[number * SEGMENT_BYTES : (number + 1) * SEGMENT_BYTES],
            number=number,
            is_last=number == count - 1,
        )
        for number in range(count)
    ]
    return b"".join((header.encode(), *segments))


def open_whole(sealed: bytes, key: Key, header: Header, *, path: str) -> bytes:
    """Return what an object holds.

    Raises:
        TamperedObject: it is not what was sealed at `path`.
    """
    cipher = Cipher(key, header, path=path)
    segments = list(_cut(memoryview(sealed)[HEADER_BYTES:]))
    last = len(segments) - 1
    opened = [
        cipher.open(segment, number=number, is_last=number == last)
        for number, segment in enumerate(segments)
    ]
    return opened[0] if len(opened) == 1 else b"".join(opened)


def plain_size(sealed_size: int) -> int:
    """Return how many bytes a sealed object of this size holds."""
    rest = max(0, sealed_size - HEADER_BYTES)
    return max(0, rest - TAG_BYTES * -(-rest // SEALED_BYTES))


def sealed_size(size: int) -> int:
    """Return how large the sealed object of so many bytes is."""
    return HEADER_BYTES + size + TAG_BYTES * max(1, -(-size // SEGMENT_BYTES))


def tampered(path: str) -> TamperedObject:
    """Return the error about an object that does not open."""
    return TamperedObject(
        f"{paths.describe(path)} is not what was encrypted there: its bytes were changed, cut, or "
        f"moved from elsewhere; restore the object {path}, or write it anew"
    )


def _cut(segments: memoryview) -> Iterator[memoryview]:
    """Yield the segments; at least one, for an object without any does not open."""
    for start in range(0, max(1, len(segments)), SEALED_BYTES):
        yield segments[start : start + SEALED_BYTES]


def _nonce(number: int, *, is_last: bool) -> bytes:
    return number.to_bytes(11, "big") + (b"\x01" if is_last else b"\x00")
