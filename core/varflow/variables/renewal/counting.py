"""Counting what of a namespace is sealed with which key: all of it, by looking at each object.

    records ─► older revisions ─► bodies: does anything name them?

The order is that of a sweep (`listings.naming`), and for the same reason: a body that a record
names is not taken for one that nobody has. When a record cannot be opened, no body is: that record
may name it. Of an object that names nothing only the beginning is read. In memory are the names of
bodies.

A count is what was there while it went on. Who writes with an older key meanwhile is not in it; so
it says that a key is not needed once everybody writes with another one.
"""

from __future__ import annotations

from contextlib import aclosing
from typing import Final

from varflow.errors import CorruptObject, EncryptionKeyMissing
from varflow.variables import listings, paths, records
from varflow.variables.encryption.headers import HEADER_BYTES, Header
from varflow.variables.encryption.store import EncryptedStore
from varflow.variables.paths import Content
from varflow.variables.renewal.tallies import PLAIN, Kind, Tally
from varflow.variables.stores.base import Listed, ObjectStore, Versioned


class Counting:
    """One count of the namespace with this prefix."""

    def __init__(self, store: EncryptedStore, prefix: str) -> None:
        self._store: Final = store
        self._prefix: Final = prefix
        self._named: Final[set[str]] = set()
        self._is_readable = True
        self._tally: Final = Tally()
        self.looked = 0
        """How many objects were looked at so far."""

    async def run(self) -> Tally:
        """Return what is there.

        Raises:
            StoreError: the store could not be looked through.
        """
        inner = self._store.inner
        bodies = inner.list(f"{self._prefix}bodies/")
        for listing in (*listings.naming(inner, self._prefix), bodies):
            async with aclosing(listings.read_ahead(listing, self._look)) as looked:
                async for each in looked:
                    self.looked += 1
                    if each is not None:
                        self._tally.add(*each[:2], size=each[2])
        return self._tally

    async def _look(self, listed: Listed) -> tuple[str, Kind, int] | None:
        """Return key, kind and size of an object; None when it is public, or gone."""
        path = listed.path
        if paths.is_public(path):
            return None
        if paths.content_of(path) in {Content.RECORD, Content.REVISION}:
            found = await self._store.inner.get(path)
            if found is None:
                return None
            await self._note(path, found)
            header = Header.decode(found.data)
        else:
            try:
                header = await find_header(self._store.inner, listed)
            except CorruptObject:
                return None  # removed meanwhile
        return (PLAIN if header is None else header.key_id.hex()), self._kind(path), listed.size

    async def _note(self, path: str, found: Versioned) -> None:
        """Remember which bodies a record names."""
        try:
            opened = await self._store.unseal(path, found)
            record = records.decode_once(opened.data, path=path)
        except (CorruptObject, EncryptionKeyMissing):
            self._is_readable = False
            return
        new = record.pending.new if record.pending is not None else None
        for value in (record.current, new):
            if value is not None and value.body is not None:
                self._named.add(value.body)

    def _kind(self, path: str) -> Kind:
        match paths.content_of(path):
            case Content.BODY if self._is_readable and paths.key_of(path) not in self._named:
                return Kind.UNNAMED
            case Content.OTHER if path == paths.marks(self._prefix):
                return Kind.NOTES
            case content:
                return _KINDS[content]


async def find_header(inner: ObjectStore, listed: Listed) -> Header | None:
    """Return what an object of a driver's listing begins with; None for a plain one.

    Raises:
        CorruptObject: it is not there any more.
    """
    if listed.size < HEADER_BYTES:
        return None
    return await read_header(inner, listed.path)


async def read_header(inner: ObjectStore, path: str) -> Header | None:
    """Return what an object begins with that is not shorter than a header; None for a plain one.

    Raises:
        CorruptObject: it is not there, or shorter.
    """
    stream = inner.read_body(path, length=HEADER_BYTES)
    return Header.decode(b"".join([chunk async for chunk in stream]))


_KINDS: Final = {
    Content.RECORD: Kind.VARIABLES,
    Content.REVISION: Kind.REVISIONS,
    Content.DECISION: Kind.INSTANCES,
    Content.BODY: Kind.VALUES,
    Content.OTHER: Kind.INSTANCES,
    Content.UNKNOWN: Kind.UNKNOWN,
}
