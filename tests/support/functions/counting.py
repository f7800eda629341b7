"""Adds 1 to the variable `n` of the workflow, over HTTP, and answers with the sum."""

from __future__ import annotations

import os
import urllib.request
from http.server import BaseHTTPRequestHandler

from tests.support.functions.answering import serve


def _count(request: BaseHTTPRequestHandler, _body: bytes) -> bytes:
    action = request.headers["Direktiv-ActionID"]
    url = f"{os.environ['VARFLOW_SIDECAR_URL']}/var?aid={action}&scope=workflow&key=n"
    with urllib.request.urlopen(url) as answer:
        count = int(answer.read() or b"0") + 1
    write = urllib.request.Request(url, data=str(count).encode(), method="POST")
    with urllib.request.urlopen(write):
        return str(count).encode()


serve(_count)
