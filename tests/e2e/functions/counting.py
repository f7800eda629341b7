"""Writes what it was sent into its instance's and workflow's variables, and counts its calls.

Input: `{"seconds": how long to work, "key": a name}`. It leaves `out/workflow/<key>` with one line
and answers with how often this process was called for the action's idempotency key.
"""

from __future__ import annotations

import collections
import json
import os
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

CALLS: collections.Counter[str] = collections.Counter()
STOPPED: set[str] = set()
LOCK = threading.Lock()


class Function(BaseHTTPRequestHandler):
    """Answers the sidecar."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Work, leave an output, and answer."""
        given = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        key = self.headers["Varflow-Idempotency-Key"]
        with LOCK:
            CALLS[key] += 1
        self._work(float(given.get("seconds", 0)))
        folder = Path(self.headers["Direktiv-TempDir"])
        out = folder / "out" / "workflow" / given["key"]
        out.write_text(f"{key}\n")
        self._answer(json.dumps({"calls": CALLS[key], "idempotencyKey": key}).encode())

    def do_DELETE(self) -> None:
        """Stop working for an action."""
        STOPPED.add(self.headers["Direktiv-ActionID"])
        self._answer(b"")

    def _work(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self.headers["Direktiv-ActionID"] not in STOPPED:
            time.sleep(0.05)

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    ThreadingHTTPServer(("", int(os.environ.get("PORT", "8080"))), Function).serve_forever()
