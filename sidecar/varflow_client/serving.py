"""A function container's HTTP server around one handler.

    sidecar ── POST /    input as JSON ──► handler(context) ──► answer
            ── DELETE /  action id     ──► context.cancelled is set

One thread for each connection: the sidecar sends up to ten actions at a time. SIGTERM
stops accepting, lets the running handlers finish and then returns; a second one ends the process.

Rejected: `http.server.HTTPServer`, whose start asks the DNS for the machine's name; joining the
threads at the end, since those of idle connections wait for a request that will not come.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import socketserver
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import FrameType
from typing import Any

from varflow_client import answers, transport
from varflow_client.answers import HttpAnswer
from varflow_client.context import Context, running
from varflow_client.errors import FunctionError
from varflow_client.transport import Sidecar
from varflow_client.variables import Variables

logger = logging.getLogger(__name__)

Handler = Callable[[Context], Any]
"""A function's work: from the action to a value that JSON can hold, or bytes."""

DEFAULT_PORT = 8080
"""Where the sidecar expects the function unless `PORT` says otherwise."""

STAND_IN_ACTION = "development"
"""The action's id for a request made by hand, without Direktiv's headers."""


def serve(handler: Handler, *, port: int | None = None, host: str = "127.0.0.1") -> None:
    """Answer the sidecar until SIGTERM or SIGINT.

    Args:
        handler: called once for each action, in a thread of its own.
        port: where to listen; by default what the environment's `PORT` says, else 8080.
        host: the address to listen on. The sidecar is always on this machine.

    Raises:
        OSError: the port is taken.
        ValueError: `PORT` is not a port.
    """
    server = Server(handler, port=_parse_port(os.environ) if port is None else port, host=host)
    with server, _stopped_by_signals(server):
        server.run()


class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """The server behind `serve`, for programs that look after signals themselves."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(
        self,
        handler: Handler,
        *,
        port: int = 0,
        host: str = "127.0.0.1",
        sidecar: Sidecar | None = None,
    ) -> None:
        try:
            super().__init__((host, port), _Connection)
        except OSError as error:
            raise OSError(error.errno, f"port {port} of {host}: {error.strerror}") from error
        self.handler = handler
        self.sidecar = sidecar or transport.from_environ()
        self.actions = RunningActions()

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self.server_address[1])

    def run(self) -> None:
        """Answer until `stop`, then return when no handler runs any more."""
        self.serve_forever(poll_interval=0.1)
        self.server_close()
        self.actions.wait_until_none()

    def stop(self) -> None:
        """Have `run` return; to be called from any thread, or from a signal handler."""
        threading.Thread(target=self.shutdown, daemon=True).start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep silent about a sidecar that hung up: it has its reasons."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class RunningActions:
    """Which actions run here, to cancel them and to wait for their end."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._contexts: list[Context] = []

    @contextlib.contextmanager
    def running(self, context: Context) -> Iterator[None]:
        """Count the action as running."""
        with self._changed:
            self._contexts.append(context)
        token = running.set(context)
        try:
            yield
        finally:
            running.reset(token)
            with self._changed:
                # By identity: a sidecar that was restarted may send the same id again.
                self._contexts = [other for other in self._contexts if other is not context]
                self._changed.notify_all()

    def cancel(self, action_id: str) -> None:
        """Tell every run of the action that nobody wants its result; unknown ones are over."""
        with self._changed:
            for context in self._contexts:
                if context.action_id == action_id:
                    context.cancelled.set()

    def wait_until_none(self) -> None:
        """Return when no action runs."""
        with self._changed:
            self._changed.wait_for(lambda: not self._contexts)


class _Connection(BaseHTTPRequestHandler):
    """The requests of one connection."""

    server: Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # header and body in one packet

    def do_POST(self) -> None:
        """Run one action."""
        if "Transfer-Encoding" in self.headers:
            self.close_connection = True  # what follows is a body that was not read
            self._send(answers.from_text(411, "send the input with a Content-Length"))
            return
        try:
            context = self._read_context()
        except ValueError as error:
            self.close_connection = True
            self._send(answers.from_text(400, f"not an action: {error}"))
            return
        with self.server.actions.running(context):  # until the answer is on its way
            self._send(_run(self.server.handler, context))

    def do_DELETE(self) -> None:
        """Cancel an action."""
        self.server.actions.cancel(self.headers.get("Direktiv-ActionID", STAND_IN_ACTION))
        self._send(HttpAnswer())

    def log_message(self, *_: object) -> None:
        """Write no line for each request: the instance's log has it."""

    def _read_context(self) -> Context:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        action_id = self.headers.get("Direktiv-ActionID", STAND_IN_ACTION)
        return Context(
            action_id=action_id,
            input=json.loads(body) if body else None,
            temp_dir=Path(self.headers.get("Direktiv-TempDir") or tempfile.gettempdir()),
            iterator=int(self.headers.get("Direktiv-Iterator") or 0),
            idempotency_key=self.headers.get("Varflow-Idempotency-Key", ""),
            variables=Variables(action_id, sidecar=self.server.sidecar),
        )

    def _send(self, answer: HttpAnswer) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)
        self.wfile.flush()


def _run(handler: Handler, context: Context) -> HttpAnswer:
    """Return the answer of the handler, whatever it does."""
    try:
        return answers.from_value(handler(context))
    except FunctionError as error:
        return answers.from_function_error(error)
    except (Exception, SystemExit) as error:
        logger.exception("action %s failed", context.action_id)
        return answers.from_exception(error)


@contextlib.contextmanager
def _stopped_by_signals(server: Server) -> Iterator[None]:
    """Stop the server on SIGTERM and SIGINT; where signals are not ours, leave them alone."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, _: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)  # the second one does not wait
        server.stop()

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def _parse_port(environ: os._Environ[str]) -> int:
    text = environ.get("PORT") or str(DEFAULT_PORT)
    if text.isascii() and text.isdigit() and int(text) < 65536:
        return int(text)
    raise ValueError(f"PORT={text!r} is not a port")
