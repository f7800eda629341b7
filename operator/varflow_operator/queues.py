"""Work on objects, one piece at a time for each, again and again until it succeeds.

What is asked for is only *that* an object be looked at, so requests that come while one is waiting
are the same request, and what comes while the object is being worked on leads to one more look.
Work that fails is done again, later each time; a request from outside does not wait for that.
Rejected: kopf's own retries, which keep their progress in annotations of the object.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, Generic, TypeVar

from varflow.errors import ObjectConflict, ObjectNotFound, VarflowError

_WORKERS: Final = 4
_FIRST_SECONDS: Final = 0.5
_LONGEST_SECONDS: Final = 60.0
_USUAL: Final = (ObjectConflict, ObjectNotFound)
"""Somebody else was at the object; nothing is wrong."""

_logger = logging.getLogger(__name__)

K = TypeVar("K")

Note = Callable[[str, float], None]
"""Told of each piece of work: success, retry or fault, and how many seconds it took."""


def ignore(result: str, seconds: float) -> None:
    """Note nothing."""


class Queue(Generic[K]):
    """Objects, by whatever names them, that are to be worked on."""

    def __init__(
        self,
        work: Callable[[K], Awaitable[float | None]],
        *,
        name: str,
        workers: int = _WORKERS,
        note: Note = ignore,
    ) -> None:
        """Take what is to be done.

        Args:
            work: Done for one object; returns in how many seconds it should be done again, or None.
            name: What the objects are, for the log.
            workers: How many objects are worked on at one time.
            note: For metrics.
        """
        self._work = work
        self._name = name
        self._workers = workers
        self._note = note
        self._due: dict[K, float] = {}
        self._order: list[tuple[float, int, K]] = []
        self._count = 0
        self._running: set[K] = set()
        self._failures: dict[K, int] = {}
        self._changed = asyncio.Event()

    def request(self, key: K, *, delay: float = 0.0) -> None:
        """Have an object worked on, not before `delay` seconds from now; sooner counts."""
        due = asyncio.get_running_loop().time() + delay
        if self._due.get(key, due + 1) > due:
            self._due[key] = due
            self._schedule(key)

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            for number in range(self._workers):
                group.create_task(self._serve(), name=f"{self._name} {number}")

    async def _serve(self) -> None:
        while True:
            key = await self._take()
            self._running.add(key)
            try:
                await self._attempt(key)
            finally:
                self._running.discard(key)
                if key in self._due:
                    self._schedule(key)

    async def _attempt(self, key: K) -> None:
        started, result = time.perf_counter(), "success"
        try:
            again = await self._work(key)
        except VarflowError as error:
            result = "retry"
            again = self._back_off(key)
            level = logging.INFO if isinstance(error, _USUAL) else logging.WARNING
            _logger.log(level, "%s %s failed, again in %.1f s: %s", self._name, key, again, error)
        except Exception:
            result = "fault"
            again = self._back_off(key)
            _logger.exception("%s %s: a fault of Varflow, again in %.1f s", self._name, key, again)
        else:
            self._failures.pop(key, None)
        self._note(result, time.perf_counter() - started)
        if again is not None:
            self.request(key, delay=again)

    def _back_off(self, key: K) -> float:
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        return min(_LONGEST_SECONDS, _FIRST_SECONDS * 2.0 ** min(failures, 16)) * _jitter()

    async def _take(self) -> K:
        """Return the next object when it is due."""
        loop = asyncio.get_running_loop()
        while True:
            self._changed.clear()
            self._drop_stale()
            wait = self._order[0][0] - loop.time() if self._order else None
            if wait is not None and wait <= 0:
                key = heapq.heappop(self._order)[2]
                del self._due[key]
                return key
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._changed.wait()

    def _drop_stale(self) -> None:
        """Drop entries that were overtaken, and those of objects being worked on."""
        while self._order:
            due, _, key = self._order[0]
            if self._due.get(key) == due and key not in self._running:
                return
            heapq.heappop(self._order)

    def _schedule(self, key: K) -> None:
        self._count += 1
        heapq.heappush(self._order, (self._due[key], self._count, key))
        self._changed.set()


def _jitter() -> float:
    """Return a factor that keeps those who failed together from coming back together."""
    return random.SystemRandom().uniform(0.8, 1.2)
