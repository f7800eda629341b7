"""Bodies into S3: one PUT when small, else parts.

The loop gathers what arrives into a part while a thread sends the one before, so a stream holds two
parts in memory. More at one time would fill a fast line to a far server better, at 8 MiB each of a
sidecar's 32 (design.md §8, promise 6). All parts but the last are equally long, which some
servers insist on, until so many are gone that 10,000 would not suffice.

A body has a fresh name and never changes, so that everything may be sent again. What was sent is
removed when the source fails or the caller is cancelled: the parts, or the object itself. A server
that is away then keeps them: incomplete uploads are for the bucket's life cycle, an object that no
record names for the sweeper.
"""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import AsyncGenerator, AsyncIterable
from dataclasses import dataclass
from typing import Final

from varflow.errors import StoreUnavailable, TooLarge
from varflow.variables.stores import s3_downloads, s3_records, s3_repeating, streams
from varflow.variables.stores.s3_bucket import Bucket
from varflow.variables.stores.s3_errors import Missing
from varflow.variables.stores.s3_repeating import Tries
from varflow.variables.stores.threads import Running, Stop, Threads

_MIB: Final = 1024 * 1024
_PART_BYTES: Final = 8 * _MIB
_LAST_PART_BYTES: Final = 64 * _MIB
_GROWS_AFTER: Final = 9_000
"""Parts of the first size: 70 GiB."""
_MOST_PARTS: Final = 10_000
"""S3's limit. 132 GiB in all."""


def part_bytes(number: int) -> int:
    """Return how long the part of that number is, from 1.

    Raises:
        TooLarge: there may not be so many.
    """
    if number > _MOST_PARTS:
        longest = _GROWS_AFTER * _PART_BYTES + (_MOST_PARTS - _GROWS_AFTER) * _LAST_PART_BYTES
        raise TooLarge(f"a body in S3 has at most {longest // 1024**3} GiB; store it in pieces")
    return _PART_BYTES if number <= _GROWS_AFTER else _LAST_PART_BYTES


@dataclass(frozen=True, slots=True)
class Part:
    """Some of a body's bytes."""

    number: int
    data: bytearray
    is_last: bool


class Upload:
    """A body on its way. Its methods are for threads, in any order."""

    def __init__(self, bucket: Bucket, path: str) -> None:
        self._bucket: Final = bucket
        self._path: Final = path
        self._stop: Final = Stop()
        self._lock: Final = threading.Lock()
        self._id = ""
        self._etags: list[str] = []
        self._may_be_there = False

    def send(self, part: Part) -> bytearray:
        """Send the next part, the whole body if it is the only one; return its buffer, free again.

        Raises:
            StoreError: it has not arrived.
        """
        with self._lock:
            if part.number == 1 and part.is_last:
                self._send_whole(part.data)
            else:
                self._send_part(part)
        return part.data

    def finish(self) -> None:
        """Put the parts together, if there are any.

        Raises:
            StoreError: they may not be.
        """
        with self._lock:
            if self._id:
                self._complete()

    def discard(self) -> None:
        """Remove what has been sent.

        Raises:
            StoreError: something may be left.
        """
        self._stop.asked = True
        with self._lock:
            if self._id:
                abort(self._bucket, self._path, self._id, Stop())
            if self._may_be_there:
                s3_records.delete(self._bucket, self._path, Stop())

    def _send_whole(self, data: bytearray) -> None:
        self._stop.check()
        self._may_be_there = True
        put = functools.partial(self._bucket.put, self._path, data)
        s3_repeating.repeat(put, self._stop)

    def _send_part(self, part: Part) -> None:
        if not self._id:
            begin = functools.partial(self._bucket.begin_upload, self._path)
            self._id = s3_repeating.repeat(begin, self._stop)
        put = functools.partial(self._bucket.put_part, self._path, self._id, part.number, part.data)
        self._etags.append(s3_repeating.repeat(put, self._stop))

    def _complete(self) -> None:
        self._stop.check()
        self._may_be_there = True
        tries = Tries(self._stop)
        has_tried = False
        while True:
            try:
                self._bucket.complete_upload(self._path, self._id, self._etags)
            except Missing:
                if has_tried and self._is_there():
                    return
                raise
            except StoreUnavailable as error:
                has_tried = True
                tries.pause(error)
            else:
                return

    def _is_there(self) -> bool:
        return s3_downloads.find_size(self._bucket, self._path, self._stop) is not None


def abort(bucket: Bucket, path: str, upload: str, stop: Stop) -> None:
    """Remove the parts of an upload, if there are any.

    Raises:
        StoreError: they may still be there.
    """
    with contextlib.suppress(Missing):  # it was completed, or removed
        s3_repeating.repeat(functools.partial(bucket.abort_upload, path, upload), stop)


async def write(chunks: AsyncIterable[bytes], upload: Upload, *, threads: Threads) -> int:
    """Send `chunks` and return their size, once they are durable.

    Raises:
        StoreError: nothing is there. Likewise when `chunks` raises, or this is cancelled.
    """
    size = 0
    spare: list[bytearray] = []
    sending: Running[bytearray] | None = None
    try:
        async with contextlib.aclosing(_parts(chunks, spare)) as parts:
            async for part in parts:
                size += len(part.data)
                if sending:
                    spare.append(await sending.result())
                sending = threads.start(functools.partial(upload.send, part))
        if sending:
            await sending.result()
        await threads.run(upload.finish)
    except BaseException as error:
        await streams.discard(upload.discard, threads, broken_by=error)
        raise
    return size


async def _parts(
    chunks: AsyncIterable[bytes], spare: list[bytearray]
) -> AsyncGenerator[Part, None]:
    """Yield the parts, in `spare` buffers while there are some.

    Fresh ones would make the process half as large again: the C library keeps what it gets back.
    """
    number, data, size = 1, bytearray(), 0
    async for chunk in chunks:
        rest = memoryview(chunk)
        while rest:
            limit = part_bytes(number)
            if size == limit:
                yield Part(number, data, is_last=False)
                number, data, size = number + 1, spare.pop() if spare else bytearray(), 0
            taken = rest[: limit - size]
            data[size : size + len(taken)] = taken
            size += len(taken)
            rest = rest[len(taken) :]
    del data[size:]
    yield Part(number, data, is_last=True)
