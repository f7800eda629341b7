"""The driver Protocol: what `Variables` needs of an object store, and nothing else.

Two kinds of object, because they want opposite things:

* **records** are small (at most `RECORD_MAX_BYTES`), read whole and replaced under a
  precondition; they are the compare-and-swap target (variables' records, decisions, markers);
* **bodies** are written once under a fresh random name, streamed, and never change. They need no
  precondition and no ETag.

Paths are `/`-separated, relative, and made by `varflow.variables.paths` only: segments are
non-empty, never `.` or `..`, and hold no control characters, but may hold any other UTF-8 up to
253 bytes; a driver escapes what its backend cannot hold and lists the unescaped path.

An **ETag** is opaque and equal for equal bytes at most: callers that must not be fooled by A-B-A
put something random into the record. Every operation is linearizable per path. A driver
translates every foreign exception into a `StoreError`; it never answers "absent" because
something failed. Cancelling a call leaves either the old object or the new one.

Rejected: one kind of object with ETags on streams (a file driver would have to hash gigabytes),
and a conditional DELETE (MinIO ignores `If-Match` there; a tombstone is a `put`).
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass
from typing import Final, Protocol

RECORD_MAX_BYTES: Final = 4 * 1024 * 1024
"""Longest record a driver must take; a larger one is a defect of the caller."""

CHUNK_BYTES: Final = 1024 * 1024
"""Size in which bodies are read; a compromise between calls per gigabyte and memory per stream."""


@dataclass(frozen=True, slots=True)
class Versioned:
    """A record's bytes and the ETag to replace them under."""

    data: bytes
    etag: str


@dataclass(frozen=True, slots=True)
class Listed:
    """One object of a listing."""

    path: str
    size: int
    modified: float
    """Last change, seconds since the epoch by the store's clock."""


class Absent:
    """Type of `ABSENT`."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = Absent()
"""Precondition of a `put`: nothing may be there yet."""

Condition = str | Absent | None
"""An ETag that must still be there, `ABSENT`, or None for no condition."""


class Conflict(Exception):
    """The precondition of a `put` did not hold; nothing was written.

    No `StoreError`: an outcome that every caller handles, never shown to anybody.
    """


class ObjectStore(Protocol):
    """A driver. Usable between `open` and `close`, from one event loop."""

    url: str
    """What a person would pass as `--store` to open it again; without credentials."""

    is_durable: bool
    """False for a store whose data ends with the process; shells say so."""

    needs_probe: bool
    """True when a server compares, and is to be believed only after a probe (`probing`)."""

    async def open(self) -> None:
        """Connect and check that the store can be used.

        Raises:
            StoreError: it cannot; the message says why.
        """

    async def close(self) -> None:
        """Release everything; calling it twice is allowed."""

    async def get(self, path: str) -> Versioned | None:
        """Return a record, or None when there is none.

        Raises:
            StoreError: the store could not say.
        """

    async def put(self, path: str, data: bytes, *, condition: Condition = None) -> str:
        """Replace or create a record and return its new ETag, once it is durable.

        When the answer to a conditional request was lost the driver finds out what became of it
        by reading back; it never reports `Conflict` for its own write.

        Raises:
            Conflict: the condition did not hold.
            StoreError: the write failed; the old record is there, or the new one, never a mixture.
        """

    async def delete(self, path: str) -> None:
        """Remove a record or body; deleting what is not there is no error.

        Raises:
            StoreError: it may still be there.
        """

    async def write_body(self, path: str, chunks: AsyncIterable[bytes]) -> int:
        """Stream a new body to `path` and return its size in bytes, once it is durable.

        The caller guarantees a path that never existed. When `chunks` raises, nothing is left
        behind and the exception passes through.

        Raises:
            StoreError: nothing is at `path`.
        """

    def read_body(
        self, path: str, *, start: int = 0, length: int | None = None
    ) -> AsyncIterator[bytes]:
        """Stream `length` bytes of a body from `start`, in chunks of about `CHUNK_BYTES`.

        Raises (while iterating):
            CorruptObject: there is no such body, or it is shorter than asked.
            StoreError: the store could not deliver.
        """

    def list(self, prefix: str, *, after: str = "") -> AsyncIterator[Listed]:
        """Yield the objects whose path starts with `prefix` and is greater than `after`.

        In ascending order of the path's UTF-8 bytes; streams, never gathers a whole listing.
        """
