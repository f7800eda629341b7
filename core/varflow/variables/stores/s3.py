"""The `s3` driver: a bucket of any server that speaks S3, shared by everybody. For clusters.

What is where:

    s3_urls        what a store's URL says                              PURE
    s3_keys        path <-> key                                         PURE
    s3_client      the SDK's client
    s3_errors      answers and failures -> StoreError
    s3_bucket      the requests
    s3_repeating   sending a request again
    s3_records     whole objects, and lost answers
    s3_uploads     bodies in parts
    s3_downloads   bodies from ranges
    threads        calls that block, and cancelling them

Reading a record is one GET, writing it one PUT; the server compares (`If-Match`,
`If-None-Match: *`), so nothing here locks. A server that ignores these conditions would lose
updates without a word: `varflow.variables.probe` finds out, docs/stores.md lists those that were
tried.

boto3 blocks, so each request has one of a few threads while it lasts; a cancelled call returns when
its request has ended, at the latest after the client's time limits. Rejected: aiobotocore (pins
botocore to versions of its own), and requests signed by ourselves over aiohttp (six times faster
than boto3, whose 1.5 ms are little beside a server's 5 to 30; that is for when they are not).
"""

from __future__ import annotations

import functools
from collections.abc import AsyncIterable, AsyncIterator, Callable
from typing import Final, TypeVar

from varflow.variables.stores import s3_client, s3_records, s3_repeating, s3_uploads, streams
from varflow.variables.stores.base import Condition, Listed, Versioned
from varflow.variables.stores.credentials import Credentials, CredentialsFile
from varflow.variables.stores.s3_bucket import Bucket, UploadPage
from varflow.variables.stores.s3_downloads import Download
from varflow.variables.stores.s3_uploads import Upload
from varflow.variables.stores.s3_urls import Location
from varflow.variables.stores.threads import Stop, Threads
from varflow.variables.stores.upkeep import Unfinished

T = TypeVar("T")

_RECORD_THREADS: Final = 16
"""Requests for records at one time: at a server's 30 ms some 500 a second, about what boto3's share
of the processor lets through."""

_BODY_THREADS: Final = 8
"""Requests for streams and listings; of their own, so that a long transfer delays no record."""


class S3Store:
    """Objects in a bucket. See the module for what is promised, and how."""

    is_durable = True
    needs_probe = True

    def __init__(
        self,
        location: Location,
        credentials: Credentials | CredentialsFile | None = None,
        *,
        is_limited: bool = False,
        read_seconds: float = s3_client.READ_SECONDS,
    ) -> None:
        """Use a bucket from `open` to `close`.

        Args:
            location: Where it is.
            credentials: None takes those of the process.
            is_limited: They are good for some of it only, as those out of a file always are.
            read_seconds: Longest silence of the server.
        """
        self.url = location.url
        make_client = functools.partial(
            s3_client.make,
            location,
            credentials,
            connections=_RECORD_THREADS + _BODY_THREADS,
            read_seconds=read_seconds,
        )
        is_limited = is_limited or isinstance(credentials, CredentialsFile)
        self._bucket: Final = Bucket(location, make_client, sees_all=not is_limited)
        self._records: Final = Threads("varflow-s3-records", limit=_RECORD_THREADS)
        self._bodies: Final = Threads("varflow-s3-bodies", limit=_BODY_THREADS)

    async def open(self) -> None:
        self._records.open()
        self._bodies.open()
        try:
            await self._records.run(self._bucket.open)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        await self._bodies.close()
        await self._records.close(last=self._bucket.close)

    async def get(self, path: str) -> Versioned | None:
        return await self._run(self._records, functools.partial(s3_records.get, self._bucket, path))

    async def put(self, path: str, data: bytes, *, condition: Condition = None) -> str:
        put = functools.partial(
            s3_records.put, self._bucket, path, bytes(data), condition=condition
        )
        return await self._run(self._records, put)

    async def delete(self, path: str) -> None:
        await self._run(self._records, functools.partial(s3_records.delete, self._bucket, path))

    async def write_body(self, path: str, chunks: AsyncIterable[bytes]) -> int:
        return await s3_uploads.write(chunks, Upload(self._bucket, path), threads=self._bodies)

    def read_body(
        self, path: str, *, start: int = 0, length: int | None = None
    ) -> AsyncIterator[bytes]:
        source = Download(self._bucket, path, start=start, length=length)
        return streams.read(source, threads=self._bodies)

    async def list(self, prefix: str, *, after: str = "") -> AsyncIterator[Listed]:
        token: str | None = None
        while True:
            find = functools.partial(self._bucket.find_page, prefix, after=after, token=token)
            page = await self._run(self._bodies, functools.partial(s3_repeating.repeat, find))
            for listed in page.objects:
                yield listed
            token = page.token
            if token is None:
                return

    async def remove_unchanged(self, path: str, etag: str) -> bool:
        return False  # some servers take `If-Match` with a DELETE and ignore it

    async def list_unfinished(self, prefix: str) -> AsyncIterator[Unfinished]:
        page = UploadPage([], ("", ""))
        while page.marker is not None:
            find = functools.partial(self._bucket.find_uploads, prefix, marker=page.marker)
            page = await self._run(self._bodies, functools.partial(s3_repeating.repeat, find))
            for unfinished in page.uploads:
                yield unfinished

    async def remove_unfinished(self, unfinished: Unfinished) -> None:
        abort = functools.partial(s3_uploads.abort, self._bucket, unfinished.path, unfinished.id)
        await self._run(self._bodies, abort)

    async def _run(self, threads: Threads, work: Callable[..., T]) -> T:
        """Do `work`, whose last argument is how it hears that it should stop."""
        stop = Stop()
        return await threads.run(functools.partial(work, stop=stop), stop=stop)
