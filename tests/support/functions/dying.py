"""Dies in the middle of its first action; every later process answers.

The argument is a file that remembers that it has died.
"""

from __future__ import annotations

import os
import sys
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from tests.support.functions.answering import serve


def _die_once(_request: BaseHTTPRequestHandler, _body: bytes) -> bytes:
    marker = Path(sys.argv[1])
    if marker.exists():
        return b'"alive"'
    marker.touch()
    os._exit(3)


serve(_die_once)
