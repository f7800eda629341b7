"""A store whose objects only those can read who have the namespace's key: a wrapper of any driver.

    Variables, logs, data objects ──► EncryptedStore ──► driver ──► sealed objects (see `sealing`)

Everything is sealed but the layout's marker and the notes whose prefix is whose: they are read by
people and by programs that have no key yet. Paths stay readable, so keys of variables, sizes and
times are no secrets. ETags are the driver's, of the sealed bytes.

What it holds against whoever may write to the bucket: no object is taken for another, or for what
it never was. It cannot know whether an object is the newest at its path: who puts back an older one
of the same path, or removes it, is believed. That is said in docs/encryption.md.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from contextlib import aclosing
from typing import Final, TypeVar, cast

from varflow.errors import EncryptionKeyMissing, UnencryptedObject
from varflow.variables import paths
from varflow.variables.encryption import sealing
from varflow.variables.encryption.headers import HEADER_BYTES, SALT_BYTES, Header
from varflow.variables.encryption.keyrings import Key, KeyRing
from varflow.variables.encryption.policies import KeySource, Policy
from varflow.variables.encryption.sealing import Cipher
from varflow.variables.encryption.streams import Range, Sealing
from varflow.variables.stores.base import Condition, Listed, ObjectStore, Versioned
from varflow.variables.stores.scanning import Scan, Scanning
from varflow.variables.stores.upkeep import Unfinished, Upkeep

T = TypeVar("T")

_REMEMBERED: Final = 256
_REMEMBERED_BYTES: Final = 4 * 1024
"""Records up to this length are remembered opened, as `records` remembers them decoded: a variable
that is read again and again is compared with the bytes of the last time."""


class EncryptedStore:
    """`inner` as its owners see it; open and close this one only."""

    def __init__(self, inner: ObjectStore, keys: KeySource, *, policy: Policy) -> None:
        self.url = inner.url
        self.is_durable = inner.is_durable
        self.needs_probe = inner.needs_probe
        self.inner: Final = inner
        """The driver, which has the objects as they were sealed."""
        self.policy: Final = policy
        self._keys: Final = keys
        self._opened: Final[OrderedDict[str, tuple[bytes, bytes]]] = OrderedDict()

    async def open(self) -> None:
        await self.inner.open()

    async def close(self) -> None:
        await self.inner.close()

    async def get(self, path: str) -> Versioned | None:
        found = await self.inner.get(path)
        if found is None or paths.is_public(path):
            return found
        known = self._opened.get(path)
        if known is not None and known[0] == found.data:
            return Versioned(known[1], found.etag)
        opened = await self.unseal(path, found)
        if opened is not found:
            self._remember(path, found.data, opened.data)
        return opened

    async def put(self, path: str, data: bytes, *, condition: Condition = None) -> str:
        if self._seals(path):
            key = await self._find_current(path)
            data = sealing.seal(data, key, path=path, salt=_make_salt())
        return await self.inner.put(path, data, condition=condition)

    async def delete(self, path: str) -> None:
        self._opened.pop(path, None)
        await self.inner.delete(path)

    async def write_body(self, path: str, chunks: AsyncIterable[bytes]) -> int:
        if not self._seals(path):
            return await self.inner.write_body(path, chunks)
        sealed = Sealing(chunks, await self._find_current(path), path=path, salt=_make_salt())
        await self.inner.write_body(path, sealed)
        return sealed.size

    async def read_body(
        self, path: str, *, start: int = 0, length: int | None = None
    ) -> AsyncIterator[bytes]:
        wanted = Range(start, length)
        is_near = wanted.first == 0  # then one request gives the header and the rest
        begun = self.inner.read_body(path, length=None if is_near else HEADER_BYTES)
        async with _closing(begun):
            head = await _take_head(begun)
            header = None if paths.is_public(path) else self._read_header(path, head)
            if header is not None and length is not None:
                await self._check_holds(path, start + length)
            if header is None and (start, length) == (0, None):
                async for chunk in _joined(head, begun):
                    yield chunk
                return
            if header is not None and is_near:
                cipher = await self._make_cipher(path, header)
                sealed = _joined(head[HEADER_BYTES:], begun)
                async for chunk in wanted.open(sealed, cipher, path=path):
                    yield chunk
                return
        async for chunk in self._read_on(path, header, start, length):
            yield chunk

    async def list(self, prefix: str, *, after: str = "") -> AsyncIterator[Listed]:
        async with _closing(self.inner.list(prefix, after=after)) as found:
            async for it in found:
                if self._seals(it.path):
                    yield Listed(it.path, sealing.plain_size(it.size), it.modified)
                else:
                    yield it

    def scan(self, prefix: str, *, after: str = "") -> Scan | None:
        inner = self.inner
        found = inner.scan(prefix, after=after) if isinstance(inner, Scanning) else None
        return None if found is None else self._opened_each(found)

    async def unseal(self, path: str, found: Versioned) -> Versioned:
        """Return a record as it was written, given how the driver has it; it keeps its ETag.

        Raises:
            TamperedObject: it is not what was sealed there.
            UnencryptedObject: it is a plain one that is not believed.
            EncryptionKeyMissing: its key is not here.
        """
        header = self._read_header(path, found.data)
        if header is None:
            return found
        key = await self._find_key(path, header)
        return Versioned(sealing.open_whole(found.data, key, header, path=path), found.etag)

    async def find_ring(self, path: str, header: Header | None = None) -> KeyRing | None:
        """Return the keys for an object, looked at again when that of the header is missing.

        Raises:
            EncryptionKeyMissing, StoreUnavailable: as `KeySource.find`.
        """
        namespace = paths.namespace_of(path)
        ring = await self._keys.find(namespace)
        if header is not None and not (ring and ring.find(header.key_id)):
            ring = await self._keys.find(namespace, wanted=header.key_id)
        return ring

    async def _opened_each(self, scan: Scan) -> Scan:
        async with aclosing(scan) as found:
            async for path, sealed in found:
                # Not remembered: each is one of many, and would displace those in use
                yield path, await self.unseal(path, sealed)

    async def _read_on(
        self, path: str, header: Header | None, start: int, length: int | None
    ) -> AsyncIterator[bytes]:
        """Read what the request for the beginning does not give: a range further on, or plain."""
        if header is None:
            async with _closing(self.inner.read_body(path, start=start, length=length)) as plain:
                async for chunk in plain:
                    yield chunk
            return
        wanted = Range(start, length)
        cipher = await self._make_cipher(path, header)
        async with _closing(self.inner.read_body(path, start=wanted.offset)) as sealed:
            async for chunk in wanted.open(sealed, cipher, path=path):
                yield chunk

    async def _check_holds(self, path: str, size: int) -> None:
        """Have the driver say, before the first byte of a range, if the body is too short for it.

        Segments show that as well, but only once they are reached.
        """
        last = sealing.sealed_size(size) - 1
        async with _closing(self.inner.read_body(path, start=last, length=1)) as byte:
            async for _ in byte:
                pass

    # Upkeep, as far as the driver has any: it moves no bytes

    async def remove_unchanged(self, path: str, etag: str) -> bool:
        inner = self.inner
        return isinstance(inner, Upkeep) and await inner.remove_unchanged(path, etag)

    async def list_unfinished(self, prefix: str) -> AsyncIterator[Unfinished]:
        if isinstance(self.inner, Upkeep):
            async with _closing(self.inner.list_unfinished(prefix)) as found:
                async for it in found:
                    yield it

    async def remove_unfinished(self, unfinished: Unfinished) -> None:
        if isinstance(self.inner, Upkeep):
            await self.inner.remove_unfinished(unfinished)

    # Keys

    def _seals(self, path: str) -> bool:
        return self.policy.writes_sealed and not paths.is_public(path)

    def _read_header(self, path: str, data: bytes) -> Header | None:
        """Return the header of a sealed object; None for a plain one that is believed.

        Raises:
            UnencryptedObject: it is a plain one that is not.
        """
        header = Header.decode(data)
        if header is None and not self.policy.reads_plain:
            raise UnencryptedObject(
                f"{paths.describe(path)} is not encrypted, and all here has to be: it was written "
                f"before encryption was on, or is forged; see acceptPlain in the manual ({path})"
            )
        return header

    async def _make_cipher(self, path: str, header: Header) -> Cipher:
        return Cipher(await self._find_key(path, header), header, path=path)

    async def _find_key(self, path: str, header: Header) -> Key:
        """Return the key that an object was sealed with."""
        ring = await self.find_ring(path, header)
        key = ring.find(header.key_id) if ring else None
        if key is None:
            raise EncryptionKeyMissing(
                f"{paths.describe(path)} is encrypted with key {header.key_id.hex()}, and here "
                f"{_shown(ring)}; add that key from a backup ({path})"
            )
        return key

    async def _find_current(self, path: str) -> Key:
        """Return the key to seal an object with."""
        ring = await self.find_ring(path)
        if ring is None:
            raise EncryptionKeyMissing(
                f"{paths.describe(path)} has to be encrypted: no key is here"
            )
        return ring.current

    def _remember(self, path: str, sealed: bytes, data: bytes) -> None:
        if len(sealed) > _REMEMBERED_BYTES:
            return
        self._opened[path] = (sealed, data)
        self._opened.move_to_end(path)
        if len(self._opened) > _REMEMBERED:
            self._opened.popitem(last=False)


def _make_salt() -> bytes:
    return secrets.token_bytes(SALT_BYTES)


def _shown(ring: KeyRing | None) -> str:
    names = ", ".join(key.name for key in ring.keys) if ring else ""
    return f"the keys are {names}" if names else "there is no key"


def _closing(stream: AsyncIterator[T]) -> aclosing[AsyncGenerator[T, None]]:
    """Close a driver's stream on leaving; all of them are generators."""
    return aclosing(cast("AsyncGenerator[T, None]", stream))


async def _take_head(stream: AsyncIterator[bytes]) -> bytes:
    """Read until the header must be there, and return all that came."""
    head = b""
    async for chunk in stream:
        head += chunk
        if len(head) >= HEADER_BYTES:
            break
    return head


async def _joined(head: bytes, stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    if head:
        yield head
    async for chunk in stream:
        yield chunk
