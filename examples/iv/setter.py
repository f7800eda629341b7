"""iv-setter: stores variables in both ways there are, with nothing but the standard library.

It listens on 8080 and calls the sidecar on 8889, as a function image does that was written for
Direktiv and knows no other ports.
"""

from __future__ import annotations

import http.client
import io
import json
import tarfile
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

FILES = {"file-1": b"one\n", "file-2": b"two\n", "file-3": b"three\n"}
SCOPES = ("instance", "workflow", "namespace")


def pack(files: dict[str, bytes]) -> bytes:
    """Return a tar archive of the files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def post_variable(action_id: str, *, scope: str, key: str, data: bytes) -> None:
    """Store a variable through the sidecar; it takes effect at once."""
    query = urllib.parse.urlencode({"aid": action_id, "scope": scope, "key": key})
    sidecar = http.client.HTTPConnection("localhost", 8889)
    sidecar.request("POST", f"/var?{query}", data, {"Content-Type": "application/x-tar"})
    answer = sidecar.getresponse()
    text = answer.read()
    sidecar.close()
    if answer.status != 200:
        raise RuntimeError(f"the sidecar answered {answer.status}: {text.decode()}")


def write_outputs(out: Path) -> list[str]:
    """Leave a file and a folder for each scope; they become variables when this action succeeds."""
    for scope in SCOPES:
        (out / scope / "note").write_text(f"a file for the {scope}\n")
        folder = out / scope / "folder"
        (folder / "sub").mkdir(parents=True)
        (folder / "a.txt").write_text(f"in a folder for the {scope}\n")
        (folder / "sub" / "b.txt").write_text("further down\n")
    return [f"{scope}/{name}" for scope in SCOPES for name in ("folder", "note")]


class Function(BaseHTTPRequestHandler):
    """Answers the sidecar."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Run one action."""
        self.rfile.read(int(self.headers["Content-Length"]))
        post_variable(
            self.headers["Direktiv-ActionID"], scope="instance", key="myFiles", data=pack(FILES)
        )
        written = write_outputs(Path(self.headers["Direktiv-TempDir"]) / "out")
        print("iv-setter: posted instance/myFiles and wrote", ", ".join(written), flush=True)
        self.answer(json.dumps({"posted": ["instance/myFiles"], "written": written}).encode())

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
    ThreadingHTTPServer(("127.0.0.1", 8080), Function).serve_forever()
