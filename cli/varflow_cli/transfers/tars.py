"""Reading a tar archive member by member, from a file or a pipe, with a block in memory.

`tarfile` would do, but keeps every member that it has seen, and takes much on trust: here, as where
archives are extracted, every doubt is an error. Compressed archives are unpacked on the way.
"""

from __future__ import annotations

import gzip
import io
import zlib
from dataclasses import dataclass
from typing import BinaryIO, Final

from varflow.errors import InvalidArchive
from varflow_sidecar.files import tar_headers
from varflow_sidecar.files.tar_headers import Header

_GZIP: Final = b"\x1f\x8b"
_SKIPPED_BYTES: Final = 1024 * 1024
_LONG_NAMES: Final = {tar_headers.GNU_LONG_NAME: b"path", tar_headers.GNU_LONG_LINK: b"linkpath"}


@dataclass(frozen=True, slots=True)
class Member:
    """A file or a folder; a folder's name ends in a slash."""

    name: str
    size: int


class Reader:
    """Reads an archive. Its methods block: run them in a thread, one at a time."""

    def __init__(self, source: BinaryIO) -> None:
        """Read from where `source` stands."""
        plain = io.BufferedReader(_Raw(source))
        is_packed = plain.peek(len(_GZIP))[: len(_GZIP)] == _GZIP
        self._source: Final = gzip.GzipFile(fileobj=plain) if is_packed else plain
        self._left = 0
        self._padding = 0

    def next(self) -> Member | None:
        """Go to the next member and return it, or None at the end.

        Raises:
            InvalidArchive: the archive is damaged, cut off, or has what it may not have.
            OSError: it cannot be read.
        """
        self._skip()
        overrides: dict[bytes, bytes] = {}
        while (header := tar_headers.decode(self._take(tar_headers.BLOCK))) is not None:
            if header.type in {tar_headers.PAX, tar_headers.PAX_GLOBAL}:
                overrides |= tar_headers.decode_overrides(self._take_meta(header), header.type)
            elif header.type in _LONG_NAMES:
                overrides[_LONG_NAMES[header.type]] = self._take_meta(header).removesuffix(b"\0")
            else:
                return self._begin(header, overrides)
        return None

    def read(self, size: int) -> bytes:
        """Return at most `size` bytes more of the member; nothing after the last.

        Raises:
            InvalidArchive: the archive ends before.
            OSError: it cannot be read.
        """
        data = self._take(min(size, self._left))
        self._left -= len(data)
        return data

    def _begin(self, header: Header, overrides: dict[bytes, bytes]) -> Member:
        name = _name(overrides.get(b"path", header.name))
        if kind := tar_headers.REFUSED.get(header.type):
            raise InvalidArchive(f"{ascii(name)[:200]} is {kind}; only files may be")
        if header.type == tar_headers.FOLDER:
            return Member((name.rstrip("/") or ".") + "/", 0)
        if header.type not in {tar_headers.FILE, tar_headers.OLD_FILE}:
            raise InvalidArchive(f"{ascii(name)[:200]} is of an unknown type; only files may be")
        size = overrides.get(b"size")
        self._left = header.size if size is None else tar_headers.parse_pax_size(size)
        self._padding = tar_headers.padding(self._left)
        return Member(name, self._left)

    def _skip(self) -> None:
        while self._left:
            self.read(_SKIPPED_BYTES)
        self._take(self._padding)
        self._padding = 0

    def _take_meta(self, header: Header) -> bytes:
        if header.size > tar_headers.MAX_META_BYTES:
            raise InvalidArchive(f"a member's extended header is {header.size} bytes long")
        data = self._take(header.size)
        self._take(tar_headers.padding(header.size))
        return data

    def _take(self, size: int) -> bytes:
        try:
            data = self._source.read(size)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise InvalidArchive(f"the archive cannot be unpacked: {error}") from error
        if len(data) < size:
            raise InvalidArchive("the archive ends in the middle; it was cut off")
        return data


class _Raw(io.RawIOBase):
    """What `BufferedReader` reads from, over any binary stream; closing it closes nothing."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]
        data = self._source.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def _name(name: bytes) -> str:
    """Return a member's name as it was packed; `./a` is `a`."""
    try:
        text = name.decode()
    except UnicodeDecodeError as error:
        raise InvalidArchive(f"{ascii(name)[1:][:200]} is not valid UTF-8") from error
    if text.startswith("/"):
        raise InvalidArchive(f"{ascii(text)[:200]} is an absolute name; pack relative ones")
    if ".." in text.split("/"):
        raise InvalidArchive(f"{ascii(text)[:200]} leads out of the archive")
    return text.removeprefix("./")
