"""What a function's answer looks like over HTTP (design.md §5). PURE.

    a value              200 and JSON, which becomes `.return`
    bytes                200 and the bytes, which become base64
    FunctionError        Direktiv-ErrorCode, -ErrorMessage: the workflow can catch the code
    anything else        500: the workflow can catch `container failed`

Header values carry no line breaks and are cut: a client that reads a longer one gives up.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from varflow_client.errors import FunctionError

MAX_HEADER_BYTES = 4000
"""Longest header value; common clients stop at 8 KiB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAnswer:
    """Status, headers and body."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    """In the form that `http.server` writes: one character for each byte."""
    body: bytes = b""


def from_value(value: Any) -> HttpAnswer:
    """Return the answer for what a handler returned.

    Raises:
        TypeError, ValueError: JSON cannot hold it.
    """
    if isinstance(value, bytes | bytearray | memoryview):
        headers = {"Content-Type": "application/octet-stream"}
        return HttpAnswer(headers=headers, body=bytes(value))
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return HttpAnswer(headers={"Content-Type": "application/json"}, body=text.encode())


def from_function_error(error: FunctionError) -> HttpAnswer:
    """Return the answer that makes the action fail with the error's code."""
    headers = {"Direktiv-ErrorCode": header_value(error.code)}
    if error.message:
        headers["Direktiv-ErrorMessage"] = header_value(error.message)
    return HttpAnswer(headers=headers)


def from_exception(error: BaseException) -> HttpAnswer:
    """Return the answer for an exception that the handler did not mean to raise."""
    return from_text(500, f"{type(error).__name__}: {error}")


def from_text(status: int, text: str) -> HttpAnswer:
    """Return an answer for people."""
    headers = {"Content-Type": "text/plain; charset=utf-8"}
    return HttpAnswer(status=status, headers=headers, body=f"{text}\n".encode(errors="replace"))


def header_value(text: str) -> str:
    """Return `text` in one line, in UTF-8, and short enough for a header."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    data = line.encode(errors="replace")
    if len(data) > MAX_HEADER_BYTES:
        data = data[: MAX_HEADER_BYTES - 3].decode(errors="ignore").encode() + b"..."
    return data.decode("latin-1")
