"""The operator's log: one line for each event on standard output, JSON or text.

What a line is about is set once for everything that happens below:

    with logs.about(namespace="default", instance="hello-x7k2p"):
        ...

kopf and its HTTP library are kept to warnings: what they say on other levels is about their inner
workings, once for each object.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Final

import orjson

_SUBJECT: Final[ContextVar[Mapping[str, str]]] = ContextVar("subject")
_TALKATIVE: Final = ("kopf", "aiohttp", "asyncio", "botocore", "boto3", "urllib3", "kubernetes")


@contextlib.contextmanager
def about(**subject: str) -> Iterator[None]:
    """Say in every line of this task, and of those it starts, what it is about.

    The words are those of metadata and logs everywhere: namespace, workflow, instance, state,
    action, function. Never a value.
    """
    token = _SUBJECT.set({**_SUBJECT.get({}), **subject})
    try:
        yield
    finally:
        _SUBJECT.reset(token)


def configure(*, level: str, style: str) -> None:
    """Write the log of this process from now on."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter() if style == "json" else TextFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "ts": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "msg": record.getMessage(),
            **_SUBJECT.get({}),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()


class TextFormatter(logging.Formatter):
    """A line for people."""

    def format(self, record: logging.LogRecord) -> str:
        subject = " ".join(f"{name}={value}" for name, value in _SUBJECT.get({}).items())
        line = f"{_time(record)} {record.levelname} {record.name}: {record.getMessage()}"
        if subject:
            line += f" ({subject})"
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


def _time(record: logging.LogRecord) -> str:
    at = datetime.fromtimestamp(record.created, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"
