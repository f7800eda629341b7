"""A function that leaves other values under each `out/<scope>` at every call."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self

from varflow.variables.scopes import Scope

KEYS = {Scope.INSTANCE: "small", Scope.WORKFLOW: "large", Scope.NAMESPACE: "folder"}
"""What it writes: a value inside the record, one that needs a body, and a folder."""
LARGE = 40_000


def small_value(name: str) -> bytes:
    """Return the bytes that stand for `name` in a record."""
    return name.encode()


def large_value(name: str) -> bytes:
    """Return the bytes that stand for `name` in a body."""
    return name.encode().ljust(LARGE, b".")


class WritingFunction:
    """A function server, as long as the context lasts."""

    def __init__(self) -> None:
        self.calls = 0
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}
        )
        self.port = self._server.server_port

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

    def call(self, folder: Path) -> dict[str, str]:
        """Write this call's values and return its name."""
        with self._lock:
            self.calls += 1
            name = f"new{self.calls}"
        (folder / "out/instance/small").write_bytes(small_value(name))
        (folder / "out/workflow/large").write_bytes(large_value(name))
        (folder / "out/namespace/folder").mkdir()
        (folder / "out/namespace/folder/file").write_bytes(small_value(name))
        return {"name": name}


def _handler(function: WritingFunction) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            folder = Path(self.headers["Direktiv-TempDir"])
            self._send(json.dumps(function.call(folder)).encode())

        def do_DELETE(self) -> None:
            self._send(b"")

        def _send(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            pass

    return Handler
