"""Answers every call with what it was sent, and tells its log."""

from __future__ import annotations

import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Function(BaseHTTPRequestHandler):
    """Answers the sidecar."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer those who look whether it is there."""
        self._answer(b"ok")

    def do_POST(self) -> None:
        """Answer a call."""
        self._answer(self.rfile.read(int(self.headers["Content-Length"])))

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    port = int(os.environ.get("PORT", "8080"))
    sys.stdout.write(f"listening on {port}\n")
    ThreadingHTTPServer(("", port), Function).serve_forever()
