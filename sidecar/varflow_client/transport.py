"""HTTP to the sidecar: kept-alive connections, streams in both directions, errors as exceptions.

`Variables` says what is asked, this module how it gets there. Idle connections are kept in one
stack for all threads: a handler's thread ends with its action, its connection should not.

A connection that was idle may have been closed by the sidecar meanwhile, which shows only when it
is used. Such a call is made once more on a fresh connection, but only if doing it twice is the same
as doing it once and its body can be sent again. The others (create, compare-and-swap, streams)
start with a fresh connection. Rejected: urllib.request (a connection for every call, and it honours
proxy settings, which must not see calls to localhost).
"""

from __future__ import annotations

import functools
import http.client
import json
import math
import os
import urllib.parse
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.message import Message
from typing import IO, Any, Self

from varflow_client import errors

DEFAULT_URL = "http://localhost:8889"
"""Where the sidecar answers unless `VARFLOW_SIDECAR_URL` says otherwise."""

TIMEOUT_SECONDS = 300.0
"""Longest silence: a stored body of some GiB is answered only when it is on the disk."""

CHUNK_BYTES = 256 * 1024
"""What is read or written at a time when a body streams."""

MAX_IDLE = 8
"""Idle connections kept."""

Body = bytes | IO[bytes] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One call to the sidecar."""

    method: str
    path: str
    query: Mapping[str, str]
    body: Body = None
    headers: Mapping[str, str]
    is_repeatable: bool
    """Doing it twice is the same as doing it once, and the body can be sent again."""

    @property
    def target(self) -> str:
        """Path and query as they stand in the request line."""
        return f"{self.path}?{urllib.parse.urlencode(self.query, quote_via=urllib.parse.quote)}"


class Answer:
    """A successful answer whose body is still to be read; use it in a `with`."""

    def __init__(self, sidecar: Sidecar, connection: http.client.HTTPConnection) -> None:
        self._sidecar = sidecar
        self._connection = connection
        self._response = connection.getresponse()
        self.status = self._response.status
        self.headers = self._response.headers

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Keep the connection if the answer was read to its end, else drop it."""
        if self._response.isclosed() and not self._response.will_close:
            self._sidecar.keep(self._connection)
        else:
            self._connection.close()

    def read(self) -> bytes:
        """Return the whole body.

        Raises:
            SidecarUnreachable: the answer broke off.
        """
        try:
            return self._response.read()
        except (OSError, http.client.HTTPException) as error:
            raise self._sidecar.unreachable("the answer broke off", error) from error

    def copy_to(self, file: IO[bytes]) -> int:
        """Write the body to `file` and return its length in bytes.

        Raises:
            SidecarUnreachable: the answer broke off; `file` holds a part.
        """
        copied = 0
        while chunk := self._read_chunk():
            file.write(chunk)
            copied += len(chunk)
        # Reading in pieces, http.client takes an early end of the stream for the end of the body.
        if self._response.length:
            missing = f"{self._response.length} bytes are missing"
            raise self._sidecar.unreachable("the answer broke off", missing)
        return copied

    def _read_chunk(self) -> bytes:
        try:
            return self._response.read(CHUNK_BYTES)
        except (OSError, http.client.HTTPException) as error:
            raise self._sidecar.unreachable("the answer broke off", error) from error


class Sidecar:
    """The sidecar at one address."""

    def __init__(self, url: str, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self.url = url.rstrip("/")
        self._timeout_seconds = timeout_seconds
        parts = urllib.parse.urlsplit(self.url)
        if parts.scheme != "http" or not parts.hostname:
            raise ValueError(f"{url!r} is not a sidecar's address; it looks like {DEFAULT_URL}")
        self._host, self._port, self._path = parts.hostname, parts.port or 80, parts.path
        self._idle: deque[http.client.HTTPConnection] = deque()

    def call(self, request: Request) -> Answer:
        """Send the request and return the answer, whose status says success.

        Raises:
            SidecarError: of the class that stands for the sidecar's error code.
            SidecarUnreachable: nobody answers.
        """
        answer = self._send(request)
        if answer.status < 400:
            return answer
        with answer:
            raise _make_error(answer.status, answer.headers, answer.read())

    def close(self) -> None:
        """Close the idle connections; later calls open new ones."""
        while idle := self._take_idle():
            idle.close()

    def keep(self, connection: http.client.HTTPConnection) -> None:
        """Take a connection back for the next call."""
        if len(self._idle) < MAX_IDLE:
            self._idle.append(connection)
        else:
            connection.close()

    def unreachable(self, what: str, why: object) -> errors.SidecarUnreachable:
        """Return the error for a call that got no whole answer."""
        message = f"sidecar at {self.url}: {what}: {why}"
        return errors.SidecarUnreachable(message, code="sidecar_unreachable")

    def _send(self, request: Request) -> Answer:
        idle = self._take_idle() if request.is_repeatable else None
        try:
            return self._try_idle(idle, request) or self._exchange(self._connect(), request)
        except _FileFailed as failed:
            raise failed.error from None
        except (OSError, http.client.HTTPException) as error:
            raise self.unreachable(
                f"{request.method} {request.path} got no answer", error
            ) from error

    def _try_idle(self, idle: http.client.HTTPConnection | None, request: Request) -> Answer | None:
        """Return None when there is no idle connection, or one that the sidecar has closed."""
        if idle is None:
            return None
        try:
            return self._exchange(idle, request)
        except ConnectionError:
            return None

    def _connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(
            self._host, self._port, timeout=self._timeout_seconds, blocksize=CHUNK_BYTES
        )

    def _take_idle(self) -> http.client.HTTPConnection | None:
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def _exchange(self, connection: http.client.HTTPConnection, request: Request) -> Answer:
        try:
            self._write(connection, request)
            return Answer(self, connection)
        except BaseException:
            connection.close()
            raise

    def _write(self, connection: http.client.HTTPConnection, request: Request) -> None:
        target = self._path + request.target
        headers = dict(request.headers)
        body: bytes | Iterator[bytes] | None
        if request.body is None or isinstance(request.body, bytes):
            body = request.body
        else:
            body = _pieces(request.body, length=headers.get("Content-Length"))
        try:
            connection.request(request.method, target, body=body, headers=headers)
        except (BrokenPipeError, ConnectionResetError):
            # A sidecar that refuses a body answers and closes before it has read all of it; the
            # answer can still be read. Without one, reading fails as the connection did.
            if request.body is None:
                raise


@functools.cache
def from_environ() -> Sidecar:
    """Return the sidecar that the environment names: each time the same, with its connections."""
    return Sidecar(os.environ.get("VARFLOW_SIDECAR_URL") or DEFAULT_URL)


class _FileFailed(Exception):
    """The caller's file could not be read: not a matter of the sidecar."""

    def __init__(self, error: OSError) -> None:
        super().__init__(str(error))
        self.error = error


def _pieces(file: IO[bytes], *, length: str | None) -> Iterator[bytes]:
    """Read a file in pieces, and no more of it than was announced, should it grow meanwhile."""
    left = math.inf if length is None else int(length)
    while left > 0:
        try:
            piece = file.read(int(min(left, CHUNK_BYTES)))
        except OSError as error:
            raise _FileFailed(error) from error
        if not piece:
            break
        left -= len(piece)
        yield piece
    if 0 < left < math.inf:
        raise _FileFailed(OSError(f"the file became {left} bytes shorter while it was sent"))


def _make_error(status: int, headers: Message, body: bytes) -> errors.SidecarError:
    code, message = _parse_error(body)
    return errors.make_error(
        message or f"the sidecar answered {status}",
        code=code or "internal",
        status=status,
        retry_after=_parse_seconds(headers.get("Retry-After")),
    )


def _parse_error(body: bytes) -> tuple[str, str]:
    """Return code and message of `{"error": {"code", "message"}}`; others are shown as text."""
    try:
        error: Any = json.loads(body)["error"]
        return str(error["code"]), str(error["message"])
    except (ValueError, KeyError, TypeError):
        return "", body[:500].decode(errors="replace").strip()


def _parse_seconds(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None  # a date: no hurry, and the caller has its own patience
