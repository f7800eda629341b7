"""Writing the variables of an archive (`archives`) into a scope, as a stream.

    a file:  read it through, check everything ─► write each variable
    a pipe:                                       check and write, one after the other

It is not all or nothing: every variable is written by itself, and others see them come. What can be
found out before is: a file is read through first, so that a damaged archive, or a key that is there
already, changes nothing. Whatever fails after that leaves whole variables, and says how many; the
same command with `--replace` or `--skip-existing` goes on. One commit for all was rejected: it
would have to name every key in one object, and a scope may have more than that holds.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import BinaryIO, Final

from varflow.errors import InvalidArchive, VarflowError, VariableExists
from varflow.variables import keys
from varflow.variables.background import all_of
from varflow.variables.expiries import MAX_SECONDS, Expiry
from varflow.variables.records import INLINE_BYTES
from varflow.variables.scopes import Address
from varflow.variables.stores.base import CHUNK_BYTES
from varflow_cli.console import blocking, failures
from varflow_cli.stores.editing import Opened, Place
from varflow_cli.transfers import archives
from varflow_cli.transfers.archives import FOLDER, MANIFEST, MAX_MANIFEST_BYTES, Entry
from varflow_cli.transfers.tars import Member, Reader

_AT_ONCE: Final = 32
"""Small values that are written at one time."""
_SHOWN_KEYS: Final = 3


class Existing(StrEnum):
    """What to do with a variable that is there already."""

    REFUSE = "refuse"
    REPLACE = "replace"
    SKIP = "skip"


@dataclass(slots=True)
class Imported:
    """What has become of an archive's variables."""

    written: int = 0
    skipped: int = 0
    expired: int = 0
    """Those whose time was over before they could be written."""


@dataclass(frozen=True, slots=True)
class _File:
    """A value that comes next in the archive."""

    entry: Entry
    member: Member


class _Contents:
    """Goes through an archive: manifests are taken in, values given out."""

    def __init__(self, source: BinaryIO) -> None:
        self._reader: Final = Reader(source)
        self._entries: dict[str, Entry] = {}
        self._seen: Final = set[int]()
        """Hashes of the keys so far: a scope may have more keys than there is memory for."""
        self._has_manifest = False

    def next(self) -> _File | None:
        """Go to the next value and return it, or None at the end. Blocks.

        Raises:
            InvalidArchive: the archive is damaged, or no export of variables.
        """
        while (member := self._reader.next()) is not None:
            if MANIFEST.fullmatch(member.name):
                self._take_in(member)
            elif member.name not in {FOLDER, "./"}:
                return _File(self._find_entry(member), member)
        self._check_end()
        return None

    def read(self, size: int) -> bytes:
        """Return at most `size` bytes more of the value; nothing after the last. Blocks."""
        return self._reader.read(size)

    def _take_in(self, member: Member) -> None:
        if member.size > MAX_MANIFEST_BYTES:
            raise InvalidArchive(f"{member.name} is {member.size} bytes long; that is no manifest")
        data = self._reader.read(member.size)
        for entry in archives.decode_manifest(data, name=member.name):
            self._check_entry(entry, manifest=member.name)
            self._entries[entry.file] = entry
            self._seen.add(hash(entry.key))
        self._has_manifest = True

    def _check_entry(self, entry: Entry, *, manifest: str) -> None:
        if entry.file in self._entries or hash(entry.key) in self._seen:
            raise InvalidArchive(
                f"{manifest} has the key {keys.shown(entry.key)} or its file {entry.file!a}"
                " a second time"
            )
        if entry.expires_at is not None and entry.expires_at - time.time() > MAX_SECONDS:
            raise InvalidArchive(
                f"{manifest}: {keys.shown(entry.key)} would expire later than in {MAX_SECONDS}"
                " seconds; write null for never"
            )

    def _find_entry(self, member: Member) -> Entry:
        entry = self._entries.pop(member.name, None)
        if entry is None:
            raise InvalidArchive(
                f"{ascii(member.name)[:200]} is in none of the manifests before it; is this an"
                " archive of `varflow var export`? manifests come first"
            )
        return entry

    def _check_end(self) -> None:
        if not self._has_manifest:
            raise InvalidArchive("the archive has no manifest: it is none of `varflow var export`")
        if self._entries:
            missing = ", ".join(sorted(self._entries)[:_SHOWN_KEYS])
            raise InvalidArchive(f"{len(self._entries)} files are missing: {missing}")


async def import_(place: Place, source: BinaryIO, *, existing: Existing) -> Imported:
    """Write the variables of an archive and say what has become of them.

    Raises:
        InvalidArchive, VariableExists, StoreError: some may have been written, the message says
            how many; none when `source` can be read twice and the archive is why.
        OSError: the archive cannot be read.
    """
    async with place.open() as there:
        if source.seekable():
            start = source.tell()
            await _check(there, source, existing=existing)
            source.seek(start)
        return await _write_all(there, source, existing=existing)


async def _check(there: Opened, source: BinaryIO, *, existing: Existing) -> None:
    found = there.variables.list(there.owners, there.scope)
    refused = {info.key async for info in found} if existing is Existing.REFUSE else set()
    taken = await blocking.run(_look_through, source, refused)
    if taken:
        shown = ", ".join(sorted(taken)[:_SHOWN_KEYS])
        count = f"{len(taken)} variables exist" if len(taken) > 1 else "a variable exists"
        raise VariableExists(
            f"{count} already: {shown}; nothing was written; give --replace or --skip-existing"
        )


def _look_through(source: BinaryIO, refused: set[str]) -> set[str]:
    """Read the whole archive and return which of its keys are among those refused."""
    contents, taken = _Contents(source), set[str]()
    while (file := contents.next()) is not None:
        if file.entry.key in refused:
            taken.add(file.entry.key)
    return taken


async def _write_all(there: Opened, source: BinaryIO, *, existing: Existing) -> Imported:
    writer = _Writer(there, existing=existing)
    try:
        contents = await blocking.run(_Contents, source)
        while (found := await blocking.run(_next, contents)) is not None:
            file, head = found
            await writer.add(file.entry, head, None if file.member.size == len(head) else contents)
        await writer.flush()
    except VarflowError as error:
        if not writer.done.written:
            raise
        failure = failures.translate(error)
        said = f"{failure.message}; {writer.done.written} variables had been written"
        raise type(failure)(said, code=failure.code) from error
    return writer.done


def _next(contents: _Contents) -> tuple[_File, bytes] | None:
    """Return the next value and its first bytes, all of them when it is small."""
    file = contents.next()
    return None if file is None else (file, contents.read(INLINE_BYTES))


class _Writer:
    """Writes small values several at a time, large ones as they come."""

    def __init__(self, there: Opened, *, existing: Existing) -> None:
        self.done = Imported()
        self._there = there
        self._existing = existing
        self._waiting: list[Callable[[], Awaitable[None]]] = []

    async def add(self, entry: Entry, head: bytes, rest: _Contents | None) -> None:
        if rest is not None:
            await self._write(entry, _chunks(head, rest))
            return
        self._waiting.append(lambda: self._write(entry, head))
        if len(self._waiting) >= _AT_ONCE:
            await self.flush()

    async def flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        await all_of(*(write() for write in waiting))

    async def _write(self, entry: Entry, data: bytes | AsyncIterator[bytes]) -> None:
        left = Expiry.CLEAR if entry.expires_at is None else entry.expires_at - time.time()
        if not isinstance(left, Expiry) and left <= 0:
            self.done.expired += 1
            return
        address = Address(self._there.owners, self._there.scope, entry.key)
        is_new = self._existing is not Existing.REPLACE
        try:
            await self._there.variables.set(
                address, data, content_type=entry.content_type, ttl=left, create=is_new
            )
        except VariableExists:
            if self._existing is Existing.REFUSE:
                raise
            self.done.skipped += 1
        else:
            self.done.written += 1


async def _chunks(head: bytes, contents: _Contents) -> AsyncIterator[bytes]:
    yield head
    while chunk := await blocking.run(contents.read, CHUNK_BYTES):
        yield chunk
