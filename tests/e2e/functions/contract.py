"""Answers in each way that a function may, as its input asks: `{"do": ...}`.

It listens on 8080 and reaches its sidecar on 8889, as images do that were made for Direktiv.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

WAITING = threading.Event()
CANCELLED = threading.Event()


def answer_bytes(_: BaseHTTPRequestHandler) -> tuple[int, dict[str, str], bytes]:
    """Bytes that are no JSON."""
    return 200, {}, b"\xff\x00 no JSON"


def answer_nothing(_: BaseHTTPRequestHandler) -> tuple[int, dict[str, str], bytes]:
    """An empty body."""
    return 200, {}, b""


def answer_error(_: BaseHTTPRequestHandler) -> tuple[int, dict[str, str], bytes]:
    """An error that can be caught, and an output that must not be kept."""
    folder = Path(_.headers["Direktiv-TempDir"])
    (folder / "out" / "workflow" / "of-failed").write_text("must not be seen")
    headers = {"Direktiv-ErrorCode": "my.code", "Direktiv-ErrorMessage": "my message"}
    return 200, headers, b'"ignored"'


def answer_message_only(_: BaseHTTPRequestHandler) -> tuple[int, dict[str, str], bytes]:
    """A message without a code."""
    return 200, {"Direktiv-ErrorMessage": "my message"}, b""


def answer_status(_: BaseHTTPRequestHandler) -> tuple[int, dict[str, str], bytes]:
    """A status that is no success."""
    return 500, {}, b"broken"


def wait_for_cancel(_: BaseHTTPRequestHandler) -> tuple[int, dict[str, str], bytes]:
    """Nothing, until DELETE comes."""
    WAITING.set()
    CANCELLED.wait(60)
    return 200, {}, b'"cancelled"'


def is_waiting(_: BaseHTTPRequestHandler) -> tuple[int, dict[str, str], bytes]:
    """Whether somebody has come to wait."""
    return 200, {}, json.dumps(WAITING.is_set()).encode()


def was_cancelled(_: BaseHTTPRequestHandler) -> tuple[int, dict[str, str], bytes]:
    """Whether DELETE has come to this process."""
    return 200, {}, json.dumps(CANCELLED.is_set()).encode()


def look_around(request: BaseHTTPRequestHandler) -> tuple[int, dict[str, str], bytes]:
    """What this container can reach that it should not."""
    own_address = socket.gethostbyname(socket.gethostname())
    aid = request.headers["Direktiv-ActionID"]
    names = " ".join(os.environ).upper()
    found = {
        "secret names in the environment": [
            name
            for name in ("AWS_", "VARFLOW_TOKEN", "VARFLOW_STORE", "VARFLOW_ENCRYPTION")
            if name in names
        ],
        "service account": Path("/var/run/secrets/kubernetes.io").exists(),
        "action port": _status(f"http://127.0.0.1:8890/actions/{aid}"),
        "variables from outside": _status(f"http://{own_address}:8889/var?aid={aid}&key=x"),
        "variables": _status(f"http://127.0.0.1:8889/var?aid={aid}&key=x"),
        "other processes": sorted(
            (Path("/proc") / pid / "cmdline").read_text().replace("\0", " ").strip()
            for pid in os.listdir("/proc")
            if pid.isdigit()
        ),
        "user": os.getuid(),
    }
    return 200, {}, json.dumps(found).encode()


def _status(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=3) as response:
            return str(response.status)
    except urllib.error.HTTPError as error:
        return str(error.code)
    except OSError as error:
        return type(error).__name__


ANSWERS = {
    "bytes": answer_bytes,
    "nothing": answer_nothing,
    "error": answer_error,
    "message only": answer_message_only,
    "status": answer_status,
    "wait": wait_for_cancel,
    "is waiting": is_waiting,
    "was cancelled": was_cancelled,
    "look around": look_around,
}


class Function(BaseHTTPRequestHandler):
    """Answers the sidecar."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Do what is asked."""
        given = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._answer(*ANSWERS[given["do"]](self))

    def do_DELETE(self) -> None:
        """Be told to stop."""
        CANCELLED.set()
        self._answer(200, {}, b"")

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    ThreadingHTTPServer(("", 8080), Function).serve_forever()
