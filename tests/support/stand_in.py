"""Stand-ins for the function images that the conformance cases name.

Written from the exchanges that the cases and direktiv-contract.md §1 describe, with the standard
library only and none of Varflow's code: `python stand_in.py KIND` listens on `$PORT`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Any
_calls: Counter[str] = Counter()


class FunctionFailed(Exception):
    """The function reports an error by header."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def run_command(command: dict[str, Any], *, folder: str) -> str:
    """Run one command in `folder` and return what it printed."""
    extra = {entry["name"]: entry["value"] for entry in command.get("envs", [])}
    done = subprocess.run(
        ["bash", "-c", command["command"]],
        cwd=folder,
        env={**os.environ, **extra, "HOME": folder},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise FunctionFailed("io.direktiv.command.error", done.stderr.strip())
    return done.stdout


def as_json(text: str) -> Any:
    """Return what `text` means as JSON, or the stripped text."""
    try:
        return json.loads(text)
    except ValueError:
        return text.rstrip("\n")


def bash(request: Any, folder: str) -> Answer:
    """Run each command; JSON on standard output becomes a value."""
    outputs = [run_command(command, folder=folder) for command in request["commands"]]
    return {"bash": [{"result": as_json(text), "success": True} for text in outputs]}


def bash_text(request: Any, folder: str) -> Answer:
    """Run each command, as the function's documents show it: the output stays text."""
    outputs = [run_command(command, folder=folder) for command in request["commands"]]
    return {"bash": [{"result": text.rstrip("\n"), "success": True} for text in outputs]}


def direktiv_cmd(request: Any, folder: str) -> Answer:
    """Run each command; the output stays text."""
    commands = request["data"]["commands"]
    return [{"Output": run_command(command, folder=folder)} for command in commands]


def echo(request: Any, _folder: str) -> Answer:
    """Return the request."""
    return request


def hello_world(request: Any, _folder: str) -> Answer:
    """Greet."""
    return {"hello-world": f"Hello {request['name']}"}


def request(_request: Any, _folder: str) -> Answer:
    """Refuse: there is no network where the cases run."""
    raise FunctionFailed("com.send-request.error", "no request can be sent from here")


def http_request(_request: Any, _folder: str) -> Answer:
    """Say that a request was answered; none is sent."""
    return [{"code": 200, "status": "200 OK", "success": True}]


def counter(request: Any, _folder: str) -> Answer:
    """Fail until it was called `min` times for this uuid."""
    _calls[request["uuid"]] += 1
    if _calls[request["uuid"]] < request["min"]:
        raise FunctionFailed("com.invalid-value.error", f"only {_calls[request['uuid']]} calls")
    return {"count": _calls[request["uuid"]]}


KINDS: dict[str, Callable[[Any, str], Answer]] = {
    "bash": bash,
    "bash-text": bash_text,
    "direktiv-cmd": direktiv_cmd,
    "echo": echo,
    "hello-world": hello_world,
    "request": request,
    "http-request": http_request,
    "counter": counter,
}


class Handler(BaseHTTPRequestHandler):
    """One function request."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Run the stand-in and answer by body or by header."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            answer = KINDS[sys.argv[1]](json.loads(body), self.headers["Direktiv-TempDir"])
            self._send(200, json.dumps(answer).encode(), {})
        except FunctionFailed as failed:
            headers = {"Direktiv-ErrorCode": failed.code, "Direktiv-ErrorMessage": str(failed)}
            self._send(200, b"", headers)

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Stay silent."""


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
