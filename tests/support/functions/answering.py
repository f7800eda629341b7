"""What the other programs here have in common: an HTTP server on a port."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

Answer = Callable[[BaseHTTPRequestHandler, bytes], bytes]
"""Makes an answer's body from the request and its body."""


def say(text: str) -> None:
    """Print a line now."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    answer: ClassVar[Answer]

    def do_POST(self) -> None:
        """Answer an action."""
        self._send(type(self).answer(self, self._read()))

    def do_DELETE(self) -> None:
        """Take note of a cancel."""
        say("told to stop")
        self._send(b"")

    def _read(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _send(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Stay silent."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True


def serve(answer: Answer, *, port: int | None = None) -> None:
    """Answer actions for ever."""
    handler = type("Handler", (_Handler,), {"answer": staticmethod(answer)})
    _Server(("127.0.0.1", port or int(os.environ["PORT"])), handler).serve_forever()
