"""The real sidecar process beside a function process, for as long as a measurement needs them."""

from __future__ import annotations

import base64
import contextlib
import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from varflow.contract import Dispatch, FileMount, Outcome, SidecarSettings
from varflow.variables.scopes import Owners

OWNERS = Owners(cluster="bench", namespace="default", workflow="bench", instance="bench-1")
FUNCTION = """
import json, os, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    held = threading.Event()

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if body.get("hold"):
            self.held.wait()
        if body.get("out"):
            name = os.path.join(self.headers["Direktiv-TempDir"], "out", "workflow", "folder")
            os.rename(body["out"], name)
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def do_DELETE(self):
        self.held.set()
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments):
        pass

class Server(ThreadingHTTPServer):
    daemon_threads = True

Server(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""


KEYS: Final = base64.b64encode(bytes(range(32))).decode()
"""One key; a namespace in a cluster always has one."""

IN_AN_IMAGE: Final = {"MALLOC_ARENA_MAX": "1"}
"""What the images' environment says of memory."""


def free_port() -> int:
    """Return a loopback port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_it_listens(port: int, *, seconds: float = 10) -> None:
    """Return once something accepts connections on the port."""
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        if time.monotonic() > deadline:
            raise SystemExit(f"nothing listens on port {port} after {seconds} s")
        time.sleep(0.002)


def note_of(keys: str) -> str:
    """Return what the name of a row says of a sidecar with these keys."""
    return ", keys" if keys else ""


@dataclass(slots=True)
class Sidecar:
    """A running sidecar and what a benchmark asks it."""

    settings: SidecarSettings
    pid: int
    ready_seconds: float
    _connection: http.client.HTTPConnection = field(init=False)
    _count: int = 0

    def __post_init__(self) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", self.settings.action_port)

    def dispatch(
        self, value: object, *, wait: float = 300, files: tuple[FileMount, ...] = ()
    ) -> tuple[str, Outcome | None]:
        """Dispatch an action; return its id and, when it ended within `wait`, its outcome."""
        self._count += 1
        dispatch = Dispatch(
            action_id=f"bench{self._count:08}",
            function="bench",
            owners=OWNERS,
            decision=f"step-{self._count}",
            idempotency_key=f"bench/{self._count}",
            epoch=1,
            deadline=time.time() + 3600,
            input=value,
            files=files,
        )
        path = f"/actions/{dispatch.action_id}?wait={wait}"
        self._connection.request("POST", path, body=dispatch.encode())
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status not in {200, 202}:
            raise SystemExit(f"dispatch: {answer.status} {body!r}")
        return dispatch.action_id, Outcome.decode(body) if answer.status == 200 else None


@contextlib.contextmanager
def running_sidecar(
    folder: Path,
    *,
    store: str = "",
    keys: str = "",
    more_environ: Mapping[str, str] | None = None,
) -> Iterator[Sidecar]:
    """Run `varflow-sidecar` over a store, pinned to the first core, with its function.

    Args:
        folder: for what it writes; its store, too, if no other is named.
        store: URL of the store.
        keys: What it encrypts with; nothing does without.
        more_environ: for the sidecar alone, such as the store's credentials.
    """
    settings = replace(
        SidecarSettings(),
        store=store or f"file://{folder}/store",
        shared_dir=f"{folder}/shared",
        encryption_keys=keys,
        function_port=free_port(),
        action_port=free_port(),
        variable_port=free_port(),
        metrics_port=free_port(),
    )
    environ = {**os.environ, **IN_AN_IMAGE, **settings.encode(), **(more_environ or {})}
    function_environ = {**os.environ, "PORT": str(settings.function_port)}
    with _process([sys.executable, "-c", FUNCTION], function_environ):
        wait_until_it_listens(settings.function_port)
        started = time.perf_counter()
        with _process([str(Path(sys.executable).with_name("varflow-sidecar"))], environ) as process:
            wait_until_it_listens(settings.action_port)
            ready = time.perf_counter() - started
            os.sched_setaffinity(process.pid, {min(os.sched_getaffinity(0))})
            yield Sidecar(settings, process.pid, ready)


@contextlib.contextmanager
def _process(command: list[str], environ: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, env=environ)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def running_bare_server(file: Path) -> Iterator[int]:
    """Run the bare aiohttp handlers and yield their port."""
    command = [sys.executable, "-m", "bench.bare", str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()
