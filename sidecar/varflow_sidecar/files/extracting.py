"""Laying a tar archive into a folder: a sink that bytes are pushed into.

The archive may come from anybody, so this is a boundary, with rules of its own rather than
`tarfile`'s filters (reliability-performance.md §0.2): only files and folders; no links and devices
at all (Direktiv neither writes nor takes them); names that stay below the folder; limits on bytes,
entries and depth, checked before anything is written; and every byte goes through `Tree`, which
follows no link. A later member of the same name replaces the earlier one.

Names: `..` as a component and NUL are refused, `a..b` is a name like any other, and an absolute
name is refused except in Direktiv's own archives. Those begin with an entry for the root whose name
is empty and go on with `/sub/file`; a namespace full of them must stay readable, and below a root
that is named so openly the slash means nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from dataclasses import dataclass
from typing import Final

from varflow.errors import InvalidArchive, TooLarge
from varflow_sidecar.files import tar_headers
from varflow_sidecar.files.tar_headers import Header
from varflow_sidecar.files.trees import EXECUTABLE, FILE_MODE, Parts, Tree

MAX_DEPTH: Final = 128
"""Folders in folders; deeper trees come from attackers and loops."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What one archive may unpack to."""

    max_bytes: int
    max_entries: int


class Extractor:
    """Takes an archive in chunks of any size and lays its members below a folder.

    Calls do file I/O: run them in a thread. After an exception only `close` is allowed.
    """

    def __init__(self, folder: int, *, budget: Budget, permissions: int | None = None) -> None:
        self._tree = Tree(folder)
        self._budget = budget
        self._permissions = permissions
        self._bytes_left = budget.max_bytes
        self._entries_left = budget.max_entries
        self._is_direktivs: bool | None = None
        self._chunk = memoryview(b"")
        self._steps = self._extract()
        next(self._steps)

    def feed(self, data: bytes) -> None:
        """Take the next bytes.

        Raises:
            InvalidArchive: they cannot belong to an archive that may be extracted.
            TooLarge: they lead over the budget.
        """
        if data:
            self._steps.send(data)

    def finish(self) -> None:
        """Say that the archive is over.

        Raises:
            InvalidArchive: it is not.
        """
        self._steps.send(b"")

    def close(self) -> None:
        """Release everything, also in the middle of an archive."""
        self._steps.close()
        self._tree.close()

    # The archive is read by a generator that yields whenever it wants more bytes, so that the code
    # below reads as a plain loop. An empty chunk is the end of the archive.

    def _extract(self) -> Generator[None, bytes, None]:
        if (yield from self._is_over()):
            yield from self._swallow()
            return  # no bytes at all: an empty folder, as for a missing variable
        overrides: dict[bytes, bytes] = {}
        while (
            header := tar_headers.decode((yield from self._take(tar_headers.BLOCK)))
        ) is not None:
            if header.type in {tar_headers.PAX, tar_headers.PAX_GLOBAL}:
                overrides |= yield from self._read_pax(header)
            elif header.type in {tar_headers.GNU_LONG_NAME, tar_headers.GNU_LONG_LINK}:
                overrides |= yield from self._read_long_name(header)
            else:
                yield from self._lay(_overridden(header, overrides))
                overrides = {}
        if overrides:
            raise InvalidArchive("the archive ends after a member's extended header")
        yield from self._read_end()

    def _read_end(self) -> Generator[None, bytes, None]:
        """After the first block of zeros: nothing, or a second one and then padding."""
        if (yield from self._is_over()):
            yield from self._swallow()
        if any((yield from self._take(tar_headers.BLOCK))):
            raise InvalidArchive("the archive goes on after its end; is it damaged?")
        yield from self._swallow()

    def _swallow(self) -> Generator[None, bytes, None]:
        while True:
            yield

    def _read_pax(self, header: Header) -> Generator[None, bytes, dict[bytes, bytes]]:
        return tar_headers.decode_overrides((yield from self._take_meta(header)), header.type)

    def _read_long_name(self, header: Header) -> Generator[None, bytes, dict[bytes, bytes]]:
        name = (yield from self._take_meta(header)).removesuffix(b"\0")
        return {b"path": name} if header.type == tar_headers.GNU_LONG_NAME else {}

    def _take_meta(self, header: Header) -> Generator[None, bytes, bytes]:
        if header.size > tar_headers.MAX_META_BYTES:
            raise InvalidArchive(f"a member's extended header is {header.size} bytes long")
        self._spend_entry()
        data = yield from self._take(header.size)
        yield from self._take(tar_headers.padding(header.size))
        return data

    def _lay(self, header: Header) -> Generator[None, bytes, None]:
        self._spend_entry()
        parts = self._place(header)
        if _is_folder(header):
            if header.size:
                raise InvalidArchive(f"the folder {_shown(header)} has data")
            self._tree.make_folder(parts)
            return
        if not parts:
            raise InvalidArchive(f"the file {_shown(header)} has no name")
        self._spend_bytes(header)
        descriptor = self._tree.create_file(parts, mode=self._mode(header))
        try:
            yield from self._copy(header.size, descriptor)
        finally:
            os.close(descriptor)
        yield from self._take(tar_headers.padding(header.size))

    def _place(self, header: Header) -> Parts:
        if kind := tar_headers.REFUSED.get(header.type):
            raise InvalidArchive(
                f"{_shown(header)} is {kind}; only files and folders are extracted"
            )
        if header.type not in {tar_headers.FILE, tar_headers.OLD_FILE, tar_headers.FOLDER, b"7"}:
            raise InvalidArchive(
                f"{_shown(header)} is of the unknown type {ascii(header.type)[2:-1]}"
            )
        if self._is_direktivs is None:
            self._is_direktivs = not header.name and header.type == tar_headers.FOLDER
        return _parse_name(header, may_be_absolute=self._is_direktivs)

    def _mode(self, header: Header) -> int:
        if self._permissions is not None:
            return self._permissions
        return FILE_MODE | (EXECUTABLE if header.mode & EXECUTABLE else 0)

    def _spend_entry(self) -> None:
        self._entries_left -= 1
        if self._entries_left < 0:
            raise TooLarge(f"the archive has more than {self._budget.max_entries} entries")

    def _spend_bytes(self, header: Header) -> None:
        self._bytes_left -= header.size
        if self._bytes_left < 0:
            raise TooLarge(f"the archive unpacks to more than {self._budget.max_bytes} bytes")

    # Getting bytes

    def _is_over(self) -> Generator[None, bytes, bool]:
        if not self._chunk:
            self._chunk = memoryview((yield))
        return not self._chunk

    def _take(self, size: int) -> Generator[None, bytes, bytes]:
        taken = bytes(self._chunk[:size])
        self._chunk = self._chunk[size:]
        while len(taken) < size:
            yield from self._refill()
            rest = size - len(taken)
            taken += self._chunk[:rest]
            self._chunk = self._chunk[rest:]
        return taken

    def _copy(self, size: int, descriptor: int) -> Generator[None, bytes, None]:
        while size:
            if not self._chunk:
                yield from self._refill()
            written = os.write(descriptor, self._chunk[:size])
            self._chunk = self._chunk[written:]
            size -= written

    def _refill(self) -> Generator[None, bytes, None]:
        if (yield from self._is_over()):
            raise InvalidArchive("the archive ends in the middle; it was cut off")


def _overridden(header: Header, overrides: dict[bytes, bytes]) -> Header:
    if not overrides:
        return header
    size = overrides.get(b"size")
    return Header(
        name=overrides.get(b"path", header.name),
        type=header.type,
        mode=header.mode,
        size=header.size if size is None else tar_headers.parse_pax_size(size),
    )


def _is_folder(header: Header) -> bool:
    if header.type == tar_headers.OLD_FILE:
        return header.name.endswith(b"/")
    return header.type == tar_headers.FOLDER


def _parse_name(header: Header, *, may_be_absolute: bool) -> Parts:
    name = header.name
    if name.startswith(b"/") and not may_be_absolute:
        raise InvalidArchive(f"{_shown(header)} is an absolute name; pack relative ones")
    if b"\0" in name:
        raise InvalidArchive(f"{_shown(header)} contains a NUL")
    parts = tuple(os.fsdecode(part) for part in name.split(b"/") if part not in {b"", b"."})
    if ".." in parts:
        raise InvalidArchive(f"{_shown(header)} leads out of the folder")
    if len(parts) > MAX_DEPTH:
        raise InvalidArchive(f"{_shown(header)} lies deeper than {MAX_DEPTH} folders")
    return parts


def _shown(header: Header) -> str:
    name = header.name if len(header.name) <= 100 else header.name[:97] + b"..."
    return ascii(name.decode("utf-8", "replace"))
