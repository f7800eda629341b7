"""iv-getter: says what it finds in its folder, with nothing but the standard library.

It listens where `PORT` says, so that several may run on one machine.
"""

from __future__ import annotations

import hashlib
import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


def read_folder(folder: Path) -> dict[str, str]:
    """Return the text of every file below `folder`."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_text() for path in files}


class Function(BaseHTTPRequestHandler):
    """Answers the sidecar."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Run one action."""
        self.rfile.read(int(self.headers["Content-Length"]))
        temp_dir = Path(self.headers["Direktiv-TempDir"])
        found = {name: read_folder(temp_dir / name) for name in ("myFiles", "folder")}
        for name, files in found.items():
            print(f"iv-getter: found {name}/ with", ", ".join(files), flush=True)
        packed = (temp_dir / "folder.tar.gz").read_bytes()
        self.answer(json.dumps({**found, "sha256": hashlib.sha256(packed).hexdigest()}).encode())

    def do_DELETE(self) -> None:
        """Be told that an action was cancelled: these are over too soon to care."""
        self.answer(b"")

    def answer(self, body: bytes) -> None:
        """Send an answer."""
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Print no line for each request."""


if __name__ == "__main__":
    ThreadingHTTPServer(
        ("127.0.0.1", int(os.environ.get("PORT", "8080"))), Function
    ).serve_forever()
