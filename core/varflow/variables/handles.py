"""A variable as callers see it: what is known about it, and its bytes as a stream.

A handle stands for one revision. Its bytes never change under the reader: a small value came with
the record, a large one is an immutable body. Reading a body whole verifies its size and SHA-256,
so that what a store has damaged is an error that names the variable, never wrong data.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from varflow.errors import CorruptObject, EncryptionKeyMissing
from varflow.variables import paths
from varflow.variables.records import Value
from varflow.variables.scopes import AnyAddress
from varflow.variables.stores.base import ObjectStore
from varflow.variables.writes import contents, preconditions

_Bytes = bytes
"""The type, where a method has its name."""


class VariableInfo:
    """All but the bytes. Properties over the record's value: a GET copies nothing."""

    __slots__ = ("_value", "address")

    def __init__(self, address: AnyAddress, value: Value) -> None:
        self.address = address
        self._value = value

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.address} {self.rev}>"

    @property
    def key(self) -> str:
        """The variable's name in its scope; a state's in its workflow."""
        return self.address.key

    @property
    def rev(self) -> str:
        """The revision: another one with every write."""
        return self._value.rev

    @property
    def etag(self) -> str:
        """The revision as a strong entity tag, quotes included."""
        return preconditions.etag(self._value)

    @property
    def content_type(self) -> str:
        """The type that the writer gave."""
        return self._value.content_type

    @property
    def size(self) -> int:
        """Length in bytes."""
        return self._value.size

    @property
    def sha256(self) -> str:
        """Hash of the bytes, as hex digits."""
        return self._value.sha256

    @property
    def created_at(self) -> float:
        """When the variable came into being, seconds since the epoch."""
        return self._value.created_at

    @property
    def updated_at(self) -> float:
        """When this revision was written, seconds since the epoch."""
        return self._value.updated_at

    @property
    def expires_at(self) -> float | None:
        """From when on the variable is absent, seconds since the epoch; None for never."""
        return self._value.expires_at

    @property
    def writer(self) -> str:
        """Who wrote it; for people."""
        return self._value.writer

    def open(self, store: ObjectStore) -> Variable:
        """Return this revision with its bytes, of the store that told of it; reads nothing yet."""
        return Variable(self.address, self._value, store)


class Variable(VariableInfo):
    """One revision of a variable, with its bytes."""

    __slots__ = ("_store",)

    def __init__(self, address: AnyAddress, value: Value, store: ObjectStore) -> None:
        super().__init__(address, value)
        self._store = store

    @property
    def inline(self) -> _Bytes | None:
        """The bytes if they came with the record: small, and no await is needed for them."""
        return self._value.inline

    async def read(self, start: int = 0, length: int | None = None) -> AsyncIterator[_Bytes]:
        """Stream `length` bytes from `start`; both are cut to what there is.

        Raises (while iterating):
            CorruptObject: the body is missing, or is not what was written; names the variable.
            EncryptionKeyMissing: the body's key is not here; names the variable.
            StoreError: the store could not deliver.
        """
        stop = self.size if length is None else min(self.size, start + length)
        if self._value.inline is not None:
            if start < stop:
                yield self._value.inline[start:stop]
            return
        if start == 0 and stop == self.size:
            async for chunk in self._verified():
                yield chunk
        elif start < stop:
            async for chunk in self._body(start, stop - start):
                yield chunk

    async def bytes(self) -> _Bytes:
        """Return everything; for values that are known to be small enough.

        Raises:
            CorruptObject: as `read`.
            StoreError: as `read`.
        """
        if self._value.inline is not None:
            return self._value.inline
        return b"".join([chunk async for chunk in self.read()])

    def _verified(self) -> AsyncIterator[_Bytes]:
        return contents.verified(
            self._body(0, None), size=self.size, sha256=self.sha256, name=self._name()
        )

    async def _body(self, start: int, length: int | None) -> AsyncIterator[_Bytes]:
        path = paths.body(self.address.owners, self._value.body or "")
        try:
            async for chunk in self._store.read_body(path, start=start, length=length):
                yield chunk
        except (CorruptObject, EncryptionKeyMissing) as error:
            raise type(error)(f"{self._name()} has lost its bytes: {error}") from error

    def _name(self) -> str:
        return f"variable {self.address} revision {self.rev}"
