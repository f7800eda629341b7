"""Never answers; says when an action has begun. Ignores SIGTERM, and has a child that does, too."""

from __future__ import annotations

import os
import signal
import threading
import time
from http.server import BaseHTTPRequestHandler

from tests.support.functions.answering import say, serve


def _hang(_request: BaseHTTPRequestHandler, _body: bytes) -> bytes:
    say("hanging")
    threading.Event().wait()
    return b""


signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    while True:
        time.sleep(3600)
say(f"group {os.getpgid(0)}")
serve(_hang)
