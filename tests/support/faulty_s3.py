"""An S3 server that counts, and fails where it is told to: a proxy before a real one.

Each fault is for the next request of its kind; a lie is for all. What the server behind has taken
is really there, so a test sees what became of a request whose answer was lost.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import struct
import threading
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

from tests.support.cluster.s3_servers import S3Server

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_MARKS = ("list-type", "uploads", "partNumber", "uploadId")
"""Parameters that make another request of the same method on the same object."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a client sent."""

    method: str
    target: str
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def kind(self) -> str:
        """Such as `PUT` for an object, `PUT partNumber` for a part of one."""
        names = urllib.parse.parse_qs(self.target.partition("?")[2], keep_blank_values=True)
        return " ".join([self.method, *(mark for mark in _MARKS if mark in names)][:2])


@dataclass(frozen=True, slots=True)
class Answer:
    """What the client gets."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    cut_after: int | None = None
    """The connection ends after so many bytes of the body."""


Send = Callable[[Request], Answer]
Fault = Callable[[Request, Send], Answer | None]
"""Given a request and the way to the server behind, what the client gets; None is a reset."""


def answering(status: int, code: str, *, is_taken: bool = False) -> Fault:
    """An error instead of the server's answer, which may have had the request."""

    def fault(request: Request, send: Send) -> Answer:
        if is_taken:
            send(request)
        body = f"<Error><Code>{code}</Code><Message>as told</Message></Error>"
        return Answer(status, [("Content-Type", "application/xml")], body.encode())

    return fault


def resetting(*, is_taken: bool) -> Fault:
    """No answer; the server may have had the request."""

    def fault(request: Request, send: Send) -> None:
        if is_taken:
            send(request)

    return fault


def cutting(size: int) -> Fault:
    """The server's answer, cut after so many bytes of its body."""

    def fault(request: Request, send: Send) -> Answer:
        answer = send(request)
        return Answer(answer.status, answer.headers, answer.body, cut_after=size)

    return fault


def paging(size: int) -> Fault:
    """The server's answer to a listing, with so many objects on a page."""

    def fault(request: Request, send: Send) -> Answer:
        return send(replace(request, target=f"{request.target}&max-keys={size}"))

    return fault


def after(deed: Callable[[], None], then: Fault | None = None) -> Fault:
    """What somebody else does comes first."""

    def fault(request: Request, send: Send) -> Answer | None:
        deed()
        return send(request) if then is None else then(request, send)

    return fault


class Hanging:
    """No answer before the test is over."""

    def __init__(self) -> None:
        self.has_begun = threading.Event()
        self._is_over = threading.Event()

    def __call__(self, request: Request, send: Send) -> None:
        self.has_begun.set()
        self._is_over.wait()

    def end(self) -> None:
        """Let the request go."""
        self._is_over.set()


class Late:
    """No answer; the server gets the request when `catch_up` is called."""

    def __init__(self) -> None:
        self._waiting: Callable[[], Answer] | None = None

    def __call__(self, request: Request, send: Send) -> None:
        self._waiting = lambda: send(request)

    def catch_up(self) -> None:
        """Let the server have the request now."""
        assert self._waiting is not None
        self._waiting()


class FaultyS3:
    """The proxy, as long as the context lasts."""

    def __init__(
        self, behind: S3Server, *, lie: Fault | None = None, is_orderly: bool = True
    ) -> None:
        """Stand before a server.

        Args:
            behind: The server.
            lie: How every request is dealt with (see `lying_s3`, `chaos`).
            is_orderly: A liar sends one request at a time, since racing writes make moto fail.
        """
        self._lie = lie
        self._is_orderly = is_orderly
        self._behind = urllib.parse.urlsplit(behind.endpoint).netloc
        self.requests: list[Request] = []
        """Since the last `take`."""
        self._faults: list[tuple[str, Fault]] = []
        self._lock = threading.Lock()
        self._order = threading.Lock()
        self._server = _Server(self)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}
        )
        self.server = S3Server(
            f"http://127.0.0.1:{self._server.server_port}",
            behind.access_key_id,
            behind.secret_access_key,
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def fail(self, kind: str, *faults: Fault) -> None:
        """Let the next requests of a kind fail, one for each fault."""
        self._faults += [(kind, fault) for fault in faults]

    def take(self) -> list[str]:
        """Return the kinds of the requests since the last time, in order of their arrival."""
        with self._lock:
            taken, self.requests = [request.kind for request in self.requests], []
        return taken

    def repent(self) -> None:
        """Lie no more."""
        self._lie = None

    def forgive(self) -> None:
        """Drop the faults that have not had their request."""
        self._faults.clear()

    def faults_left(self) -> int:
        """Return how many faults have not had their request."""
        return len(self._faults)

    def answer(self, request: Request) -> Answer | None:
        """Return what the client gets; None for a connection that is reset."""
        with self._lock:
            self.requests.append(request)
            fault = self._take_fault(request.kind) or self._lie
        return self._send(request) if fault is None else fault(request, self._pass)

    def _pass(self, request: Request) -> Answer:
        """Send a request; for an orderly liar one at a time."""
        with self._order if self._is_orderly else contextlib.nullcontext():
            return self._send(request)

    def _take_fault(self, kind: str) -> Fault | None:
        for number, (wanted, _) in enumerate(self._faults):
            if wanted == kind:
                return self._faults.pop(number)[1]
        return None

    def _send(self, request: Request) -> Answer:
        connection = http.client.HTTPConnection(self._behind)
        with contextlib.closing(connection):
            connection.putrequest(
                request.method, request.target, skip_host=True, skip_accept_encoding=True
            )
            for name, value in request.headers.items():
                if name.lower() not in {"connection", "expect"}:
                    connection.putheader(name, value)
            connection.endheaders(request.body)
            answer = connection.getresponse()
            hidden = {"connection", "transfer-encoding", "content-length", "keep-alive"}
            headers = [pair for pair in answer.getheaders() if pair[0].lower() not in hidden]
            return Answer(answer.status, headers, answer.read())


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, proxy: FaultyS3) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.proxy = proxy


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def handle_one_request(self) -> None:
        with contextlib.suppress(ConnectionError):  # the client went away
            super().handle_one_request()

    def serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        request = Request(self.command, self.path, dict(self.headers), body)
        answer = self.server.proxy.answer(request)
        if answer is None:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            self.close_connection = True
        else:
            self._send(answer)

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        if answer.status != http.HTTPStatus.NO_CONTENT:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body[: answer.cut_after])
        # No reset: it would take from the client what it has not read yet.
        self.close_connection = self.close_connection or answer.cut_after is not None

    def log_message(self, *_arguments: object) -> None:
        pass


for _method in ("GET", "PUT", "POST", "DELETE"):
    setattr(_Handler, f"do_{_method}", _Handler.serve)
