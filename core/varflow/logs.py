"""The instance's log: written by the control plane and the sidecars, read by people.

An instance's log is a series of chunk objects under its prefix in the store (design.md §6); a chunk
is one JSON object a line, `{"at", "level", "source", "text"}`. `source` is the state that a line
belongs to, or `FUNCTION` for what a function said.

*Writing* (`StoreLog`). Lines are gathered and written together: when somebody asks for it (`flush`,
as at the end of each action, before its outcome is reported), and after a second at the latest. A
line is no variable: it is acknowledged before it is on the store, a store that is away delays it,
and when too much waits the oldest lines go and a line says how many. Logging never fails an action.

*Reading* (`read_log`). Chunks are named by the time of their writing, and several programs write
them, so a chunk may hold lines that are a little older than the last ones of the chunk before.
Reading puts those in order that are less than `_DISORDER_SECONDS` late, and holds no more lines
than that takes.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
import secrets
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, Protocol

import orjson

from varflow.errors import CorruptObject, StoreError
from varflow.variables import paths
from varflow.variables.scopes import Owners
from varflow.variables.stores.base import ObjectStore

FUNCTION: Final = "function"
"""Source of the lines that functions send, and of what a sidecar has to say about one."""

_MAX_WAITING_BYTES: Final = 16 * 1024 * 1024
"""Most that waits of one instance; above Direktiv's longest line of 4 MiB."""
_FLUSH_SECONDS: Final = 1.0
_DISORDER_SECONDS: Final = 2.0
"""Writers flush after one second, and clocks differ by a little."""

_logger = logging.getLogger(__name__)


class Level(StrEnum):
    """How much a line matters."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogSink(Protocol):
    """Takes the lines of instances."""

    def write(self, owners: Owners, text: str, *, source: str, level: Level = Level.INFO) -> None:
        """Take a line; it may be long and contain newlines."""

    async def flush(self, owners: Owners) -> None:
        """Bring the instance's lines to where they can be read; what cannot be brought waits."""


# Writing


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

    def __init__(self, store: ObjectStore, *, note_dropped: Callable[[], None]) -> None:
        """Write to `store`, and call `note_dropped` for each line that is lost."""
        self._store = store
        self._note_dropped = note_dropped
        self._waiting: dict[Owners, _Waiting] = {}

    def write(self, owners: Owners, text: str, *, source: str, level: Level = Level.INFO) -> None:
        waiting = self._waiting.setdefault(owners, _Waiting())
        _append(waiting, _encode(text, source=source, level=level))
        while waiting.size > _MAX_WAITING_BYTES and len(waiting.lines) > 1:
            waiting.size -= len(waiting.lines.popleft())
            waiting.dropped += 1
            self._note_dropped()
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
        said = f"{dropped} lines are missing here"
        head = [_encode(said, source="", level=Level.WARNING)] if dropped else []
        name = f"{time.time_ns():020d}-{secrets.token_hex(4)}"
        try:
            await self._store.write_body(paths.log_chunk(owners, name), _chunks([*head, *lines]))
        except BaseException as error:  # whoever is cancelled here does not take the lines along
            waiting.lines.extendleft(reversed(lines))
            waiting.size += size
            waiting.dropped += dropped
            if not isinstance(error, StoreError):
                raise
            _logger.warning("log lines wait, the store does not take them: %s", error)


async def _chunks(lines: Iterable[bytes]) -> AsyncIterator[bytes]:
    yield b"".join(lines)


def _append(waiting: _Waiting, line: bytes) -> None:
    waiting.lines.append(line)
    waiting.size += len(line)


def _encode(text: str, *, source: str, level: Level) -> bytes:
    at = datetime.now(UTC).isoformat(timespec="microseconds")
    return orjson.dumps({"at": at, "level": level, "source": source, "text": text}) + b"\n"


# Reading


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One line, as it was written."""

    at: datetime
    text: str
    source: str = ""
    """The state that it belongs to, or `FUNCTION`; empty for the instance itself."""
    level: Level = Level.INFO
    chunk: str = ""
    """Name of the chunk that holds it; reading `after` the last one goes on where this ended."""


async def read_log(
    store: ObjectStore, owners: Owners, *, after: str = ""
) -> AsyncIterator[LogLine]:
    """Yield the lines of an instance's log, those of the chunks after a given one.

    Raises:
        CorruptObject: a chunk cannot be read; names the path.
        StoreError: the store could not deliver.
    """
    late: list[tuple[datetime, int, LogLine]] = []
    numbers = itertools.count()
    prefix = paths.log_prefix(owners)
    async with aclosing(_listing(store, prefix, after=after and prefix + after)) as found:
        async for path in found:
            for line in _lines(await _body(store, path), path=path):
                heapq.heappush(late, (line.at, next(numbers), line))
            settled = _time_of(path) - _DISORDER_SECONDS
            while late and late[0][0].timestamp() < settled:
                yield heapq.heappop(late)[2]
    while late:
        yield heapq.heappop(late)[2]


def rewind(chunk: str, *, seconds: float) -> str:
    """Return an `after` that comes that long before a chunk; nothing for no chunk."""
    if not chunk:
        return ""
    written, _, _ = chunk.partition("-")
    return f"{max(0, int(written) - int(seconds * 1e9)):0{len(written)}d}"


async def _listing(store: ObjectStore, prefix: str, *, after: str) -> AsyncGenerator[str, None]:
    async for listed in store.list(prefix, after=after):
        yield listed.path


async def _body(store: ObjectStore, path: str) -> bytes:
    return b"".join([chunk async for chunk in store.read_body(path)])


def _time_of(path: str) -> float:
    return int(paths.key_of(path).partition("-")[0]) / 1e9


def _lines(data: bytes, *, path: str) -> Iterator[LogLine]:
    for line in data.splitlines():
        try:
            entry = orjson.loads(line)
            yield LogLine(
                at=datetime.fromisoformat(entry["at"]),
                text=entry["text"],
                source=entry.get("source", ""),
                level=Level(entry["level"]),
                chunk=paths.key_of(path),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise CorruptObject(f"{path} is no chunk of a log: {error!r}") from error
