"""Between a variable's bytes and what is laid out: base64, gzip, or nothing.

A decoder turns each chunk into pieces of bounded size, one at a time: so a bomb meets the
extractor's budget before memory, and a piece can be laid out while the next is decoded (gzip is
inflated at some 500 MB/s, on one core).
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from typing import Final, Protocol, cast

from isal import igzip_lib, isal_zlib

from varflow.errors import InvalidArchive

PIECE_BYTES: Final = 1024 * 1024
"""Most that is decompressed at one time."""

_GZIP_MAGIC: Final = b"\x1f\x8b"
_GZIP_WBITS: Final = 31
_GZIP_ERROR: Final = cast(type[Exception], igzip_lib.IsalError)  # isal's stubs call it a value
_WHITESPACE: Final = re.compile(rb"[\r\n\t ]+")


class Decoder(Protocol):
    """Decodes one stream."""

    def decode(self, data: bytes) -> Iterator[bytes]:
        """Yield what the next chunk comes to; take all of it before the next call.

        Raises:
            InvalidArchive: it is not of the encoding.
        """

    def finish(self) -> Iterator[bytes]:
        """Yield what is left when all chunks have come.

        Raises:
            InvalidArchive: some are missing.
        """


class Plain:
    """Bytes as they are."""

    def decode(self, data: bytes) -> Iterator[bytes]:
        yield data

    def finish(self) -> Iterator[bytes]:
        yield from ()


class Base64:
    """Standard base64; line breaks and blanks do not matter."""

    def __init__(self) -> None:
        self._rest = b""
        self._is_padded = False

    def decode(self, data: bytes) -> Iterator[bytes]:
        text = self._rest + _WHITESPACE.sub(b"", data)
        whole = len(text) - len(text) % 4
        self._rest = text[whole:]
        if whole:
            yield self._decode(text[:whole])

    def finish(self) -> Iterator[bytes]:
        if self._rest:
            raise InvalidArchive("the bytes are not base64: the last group is not four characters")
        yield from ()

    def _decode(self, text: bytes) -> bytes:
        if self._is_padded:
            raise InvalidArchive("the bytes are not base64: there is more after the padding")
        self._is_padded = text.endswith(b"=")
        try:
            return binascii.a2b_base64(text, strict_mode=True)
        except binascii.Error as error:
            raise InvalidArchive(f"the bytes are not base64: {str(error).lower()}") from error


class Gunzip:
    """Decompresses what is gzip, told by its first bytes, and passes anything else on.

    So `tar` takes what `out/` packed and `tar.gz` a plain tar: one word less to get wrong. Several
    gzip members in a row are one stream, as for gzip itself.
    """

    def __init__(self) -> None:
        self._head = b""
        self._is_gzip: bool | None = None
        self._member: isal_zlib.Decompress | None = None

    def decode(self, data: bytes) -> Iterator[bytes]:
        if self._is_gzip is None:
            data = self._head = self._head + data
            if len(data) < len(_GZIP_MAGIC):
                return
            self._is_gzip, self._head = data.startswith(_GZIP_MAGIC), b""
        if self._is_gzip:
            yield from self._inflate(data)
        else:
            yield data

    def finish(self) -> Iterator[bytes]:
        if self._member is not None:
            raise InvalidArchive("the gzip data ends in the middle; it was cut off")
        yield from (self._head,) if self._head else ()

    def _inflate(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self._member is None:
                if not data.strip(b"\0"):
                    return  # zeros up to a tape's block size, as after a tar archive
                self._member = isal_zlib.decompressobj(wbits=_GZIP_WBITS)
            member = self._member
            try:
                piece = member.decompress(data, PIECE_BYTES)
            except _GZIP_ERROR as error:
                raise InvalidArchive(f"damaged gzip data: {error}") from error
            data = member.unused_data if member.eof else member.unconsumed_tail
            if member.eof:
                self._member = None
            yield piece
