"""Bodies out of S3: one ranged GET, taken up again where it was cut.

Whether the body is as long as asked is seen from the answer's headers, before the first byte. A
later GET asks for the same ETag, so that no two objects are ever mixed.
"""

from __future__ import annotations

import functools
import threading
from typing import Final

from varflow.errors import CorruptObject, StoreUnavailable
from varflow.variables.stores import s3_repeating
from varflow.variables.stores.base import CHUNK_BYTES, Conflict
from varflow.variables.stores.s3_bucket import Bucket, Stream
from varflow.variables.stores.s3_errors import BeyondEnd, Lost, Missing
from varflow.variables.stores.s3_repeating import Tries
from varflow.variables.stores.threads import Stop


class Download:
    """A body that is read from; see `streams.Source`."""

    def __init__(self, bucket: Bucket, path: str, *, start: int, length: int | None) -> None:
        self.left = 0
        self._bucket: Final = bucket
        self._path: Final = path
        self._offset = start
        self._length: Final = length
        self._lock: Final = threading.Lock()
        self._stop: Final = Stop()
        self._stream: Stream | None = None
        self._etag: str | None = None
        self._tries: Tries | None = None
        self._has_begun = False

    def next(self) -> bytes:
        """Return the next chunk; nothing after the last."""
        with self._lock:
            if self._stop.asked:
                return b""
            if not self._has_begun:
                self._begin()
                self._has_begun = True
            return self._read() if self.left else b""

    @property
    def is_open(self) -> bool:
        """Whether `abandon` has anything to do."""
        return self._stream is not None or self.left > 0  # it may be being taken up again

    def abandon(self) -> None:
        """Read no further."""
        self._stop.asked = True
        with self._lock:
            self._close()

    def _begin(self) -> None:
        if self._length == 0:
            self._check_end(self._offset, size=self._find_size())
            return
        end = None if self._length is None else self._offset + self._length
        try:
            stream = self._open(end)
        except BeyondEnd:
            # An empty range at the end of the body is not satisfiable either.
            size = self._find_size()
            self._check_end(self._offset if end is None else end, size=size)
            return
        self._stream, self._etag = stream, stream.etag
        end = stream.size if end is None else end
        if end > stream.size:
            self._close()
        self._check_end(end, size=stream.size)
        self.left = end - self._offset

    def _read(self) -> bytes:
        wanted = min(self.left, CHUNK_BYTES)
        while True:
            try:
                chunk = self._read_some(wanted)
            except StoreUnavailable as error:
                self._close()
                self._tries = self._tries or Tries(self._stop)
                self._tries.pause(error)
                continue
            if len(chunk) == wanted:  # less is no progress: it might come byte by byte for ever
                self._tries = None
            self._offset += len(chunk)
            self.left -= len(chunk)
            if not self.left:
                self._close()
            return chunk

    def _read_some(self, wanted: int) -> bytes:
        if self._stream is None:
            self._stream = self._open_again()
        chunk = self._stream.read(wanted)
        if not chunk:
            raise Lost(f"cannot read {self._bucket.shown(self._path)}: it ended early; try again")
        return chunk

    def _open(self, end: int | None) -> Stream:
        open_ = functools.partial(self._bucket.stream, self._path, start=self._offset, end=end)
        try:
            return s3_repeating.repeat(open_, self._stop)
        except Missing as error:
            raise CorruptObject(f"there is no body at {self._bucket.shown(self._path)}") from error

    def _open_again(self) -> Stream:
        end = self._offset + self.left
        try:
            return self._bucket.stream(self._path, start=self._offset, end=end, etag=self._etag)
        except (Missing, Conflict, BeyondEnd) as error:
            raise CorruptObject(
                f"{self._bucket.shown(self._path)} was removed or replaced while it was read"
            ) from error

    def _find_size(self) -> int:
        """Return how long the body is."""
        size = find_size(self._bucket, self._path, self._stop)
        if size is None:
            raise CorruptObject(f"there is no body at {self._bucket.shown(self._path)}")
        return size

    def _check_end(self, end: int, *, size: int) -> None:
        if end > size:
            raise CorruptObject(
                f"{self._bucket.shown(self._path)} has {size} bytes, and {end} are expected"
            )

    def _close(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None


def find_size(bucket: Bucket, path: str, stop: Stop) -> int | None:
    """Return how long an object is; None when it is not there.

    By a GET of its first byte: the answer to a HEAD has no body to say why something is missing.
    """
    try:
        stream = s3_repeating.repeat(functools.partial(bucket.stream, path, start=0, end=1), stop)
    except Missing:
        return None
    except BeyondEnd:
        return 0
    stream.close()
    return stream.size
