"""Answers with its input, and says so."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler

from tests.support.functions.answering import say, serve


def _echo(_request: BaseHTTPRequestHandler, body: bytes) -> bytes:
    say(f"echoing {body.decode()}")
    return body


serve(_echo)
