"""A sidecar for tests of the client alone: it records what arrives and answers from a script."""

from __future__ import annotations

import threading
import urllib.parse
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it arrived."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    connection: int
    """Which of the client's connections it came over."""


@dataclass(frozen=True, slots=True)
class Scripted:
    """One answer to be given."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    is_cut_off: bool = False
    """Send half of the body and hang up."""
    is_refused_unread: bool = False
    """Answer before the body was read, and hang up."""
    is_last: bool = False
    """Hang up afterwards without having said so."""


class StandInSidecar(ThreadingHTTPServer):
    """Answers from a script; an exhausted script answers 200 without a body."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.received: list[Received] = []
        self.script: deque[Scripted] = deque()

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def last(self) -> Received:
        """The last request."""
        return self.received[-1]


class _Connection(BaseHTTPRequestHandler):
    server: StandInSidecar
    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        """Record the request and give the next answer."""
        script = self.server.script
        scripted = script.popleft() if script else Scripted()
        body = b"" if scripted.is_refused_unread else self.read_body()
        parts = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(parts.query, keep_blank_values=True))
        headers = dict(self.headers.items())
        received = Received(
            self.command, parts.path, query, headers, body, connection=self.client_address[1]
        )
        self.server.received.append(received)
        self.send(scripted)

    def read_body(self) -> bytes:
        """Read a body with a length or in chunks."""
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        chunks = []
        while size := int(self.rfile.readline(), 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def send(self, scripted: Scripted) -> None:
        """Send an answer as the script wants it."""
        self.send_response(scripted.status)
        for name, value in scripted.headers.items():
            self.send_header(name, value)
        if scripted.status != 204:
            self.send_header("Content-Length", str(len(scripted.body)))
        self.end_headers()
        half = len(scripted.body) // 2 if scripted.is_cut_off else None
        self.wfile.write(scripted.body[:half])
        self.close_connection |= (
            scripted.is_cut_off or scripted.is_refused_unread or scripted.is_last
        )

    def do_GET(self) -> None:
        """Answer."""
        self.answer()

    def do_POST(self) -> None:
        """Answer."""
        self.answer()

    def do_PUT(self) -> None:
        """Answer."""
        self.answer()

    def do_DELETE(self) -> None:
        """Answer."""
        self.answer()

    def log_message(self, *_arguments: object) -> None:
        """Stay silent."""


@contextmanager
def running() -> Iterator[StandInSidecar]:
    """Run a stand-in for the time of a test."""
    with StandInSidecar() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
