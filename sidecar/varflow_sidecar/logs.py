"""The instance's log: lines that functions send and warnings of the sidecar.

An instance's log is a series of chunk objects under its prefix in the store, read in order of time
(design.md §6); a chunk is one JSON object a line, `{"at", "level", "text"}`. Lines are gathered and
written together: at the end of each action, before its outcome is reported, and after a second at
the latest. A line is no variable: it is acknowledged before it is on the store, a store that is
away delays it, and when too much waits the oldest lines go and a line says how many. Logging never
fails an action.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, Protocol

import orjson

from varflow.errors import StoreError
from varflow.variables import paths
from varflow.variables.scopes import Owners
from varflow.variables.stores.base import ObjectStore
from varflow_sidecar.metrics import Metrics

_MAX_WAITING_BYTES: Final = 16 * 1024 * 1024
"""Most that waits of one instance; above Direktiv's longest line of 4 MiB."""
_FLUSH_SECONDS: Final = 1.0

_logger = logging.getLogger(__name__)


class Level(StrEnum):
    """How much a line matters."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogSink(Protocol):
    """Takes the lines of instances."""

    def write(self, owners: Owners, text: str, *, level: Level = Level.INFO) -> None:
        """Take a line; it may be long and contain newlines."""

    async def flush(self, owners: Owners) -> None:
        """Bring the instance's lines to where they can be read; what cannot be brought waits."""


@dataclass(slots=True)
class _Waiting:
    """Lines of one instance that are not on the store yet."""

    lines: deque[bytes] = field(default_factory=deque)
    size: int = 0
    dropped: int = 0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    timer: asyncio.Task[None] | None = None


class StoreLog:
    """The sink that writes chunk objects into a store."""

    def __init__(self, store: ObjectStore, *, metrics: Metrics) -> None:
        self._store = store
        self._metrics = metrics
        self._waiting: dict[Owners, _Waiting] = {}

    def write(self, owners: Owners, text: str, *, level: Level = Level.INFO) -> None:
        waiting = self._waiting.setdefault(owners, _Waiting())
        _append(waiting, _encode(text, level))
        while waiting.size > _MAX_WAITING_BYTES and len(waiting.lines) > 1:
            waiting.size -= len(waiting.lines.popleft())
            waiting.dropped += 1
            self._metrics.log_lines_dropped.inc()
        if waiting.timer is None:
            waiting.timer = asyncio.ensure_future(self._flush_later(owners))

    async def flush(self, owners: Owners) -> None:
        waiting = self._waiting.get(owners)
        if waiting is None:
            return
        async with waiting.lock:
            if waiting.lines:
                await self._write_chunk(owners, waiting)
        if not waiting.lines and self._waiting.get(owners) is waiting:
            del self._waiting[owners]
            if waiting.timer is not None and waiting.timer is not asyncio.current_task():
                waiting.timer.cancel()

    async def close(self) -> None:
        """Write what waits; what still cannot be written is lost."""
        for owners, waiting in list(self._waiting.items()):
            await self.flush(owners)
            if waiting.timer is not None:
                waiting.timer.cancel()
                await asyncio.gather(waiting.timer, return_exceptions=True)

    async def _flush_later(self, owners: Owners) -> None:
        while owners in self._waiting:
            await asyncio.sleep(_FLUSH_SECONDS)
            await self.flush(owners)

    async def _write_chunk(self, owners: Owners, waiting: _Waiting) -> None:
        lines, waiting.lines = waiting.lines, deque()
        size, waiting.size = waiting.size, 0
        dropped, waiting.dropped = waiting.dropped, 0
        if dropped:
            lines.appendleft(_encode(f"{dropped} lines are missing here", Level.WARNING))
        name = f"{time.time_ns():020d}-{secrets.token_hex(4)}"
        try:
            await self._store.write_body(paths.log_chunk(owners, name), _chunks(lines))
        except StoreError as error:
            _logger.warning("log lines wait, the store does not take them: %s", error)
            waiting.lines.extendleft(reversed(lines))
            waiting.size += size
            waiting.dropped += dropped


async def _chunks(lines: deque[bytes]) -> AsyncIterator[bytes]:
    yield b"".join(lines)


def _append(waiting: _Waiting, line: bytes) -> None:
    waiting.lines.append(line)
    waiting.size += len(line)


def _encode(text: str, level: Level) -> bytes:
    at = datetime.now(UTC).isoformat(timespec="microseconds")
    return orjson.dumps({"at": at, "level": level, "text": text}) + b"\n"
