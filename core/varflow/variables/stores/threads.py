"""A few threads for the calls that block, and what cancelling means for them.

Not `ThreadPoolExecutor`: its two futures and their locks cost 40 to 65 µs more a call than one
queue and one wake-up of the loop, a third of what a durable write may cost beyond the disk
(design.md §9). The threads are daemons, so that a store that nobody closed cannot keep a process
alive; what they are writing then is unacknowledged and ends as under SIGKILL.

A thread cannot be interrupted. So a cancelled call *asks* its work to stop, and returns when the
thread has: whoever sees `CancelledError` knows that nothing of the call happens any more.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Final, Generic, TypeVar

from varflow.errors import StoreUnavailable

T = TypeVar("T")


class Stopped(BaseException):
    """The work was asked to stop and did. Like a cancellation no error, and not to be caught."""


class Stop:
    """A request to stop, from the loop to a thread."""

    __slots__ = ("asked",)

    def __init__(self) -> None:
        self.asked = False

    def check(self) -> None:
        """Return if the work may go on.

        Raises:
            Stopped: it should not.
        """
        if self.asked:
            raise Stopped


class Running(Generic[T]):
    """One call on its way through a thread; the loop's side and the thread's in one."""

    __slots__ = ("_error", "_future", "_loop", "_over", "_stop", "_value", "_work")

    def __init__(self, work: Callable[[], T], stop: Stop | None) -> None:
        self._work = work
        self._stop = stop
        self._loop = asyncio.get_running_loop()
        self._future: asyncio.Future[None] = self._loop.create_future()
        self._over = False
        self._error: BaseException | None = None
        self._value: T

    async def result(self) -> T:
        """Return what the work returned or raise what it raised; when cancelled, stop it first."""
        try:
            await self._future
        except asyncio.CancelledError:
            if self._stop:
                self._stop.asked = True
            await self.settle()
            raise
        if self._error:
            try:
                raise self._error
            finally:
                self._error = None  # it refers to this frame by its traceback
        return self._value

    async def settle(self) -> None:
        """Wait until the thread is done with the work, however it ended.

        Raises:
            asyncio.CancelledError: the wait was cancelled; the work is over all the same.
        """
        cancelled: asyncio.CancelledError | None = None
        while not self._over:
            if self._future.done():
                self._future = self._loop.create_future()
            try:
                await self._future
            except asyncio.CancelledError as error:
                cancelled = error
        if cancelled:
            raise cancelled

    def perform(self, finished: Callable[[], None]) -> None:
        """Do the work. Called by the thread."""
        with self:
            self._value = self._work()
        # The loop may be closed by now; then nobody waits for this.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._finish, finished)

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        self._error = error  # carried over to `result`
        return True

    def _finish(self, finished: Callable[[], None]) -> None:
        self._over = True
        if not self._future.done():
            self._future.set_result(None)
        finished()


class Threads:
    """At most `limit` threads, started when needed. Used from one event loop."""

    def __init__(self, name: str, *, limit: int) -> None:
        self._name: Final = name
        self._limit: Final = limit
        self._queue: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._busy = 0
        self._drained: asyncio.Future[None] | None = None
        self._is_open = False

    def open(self) -> None:
        """Take calls from now on."""
        self._is_open = True

    async def close(self, *, last: Callable[[], None] | None = None) -> None:
        """Take no more calls, wait until those under way are over, and do `last` after them."""
        if not self._is_open:
            return
        self._is_open = False
        while self._busy:
            self._drained = asyncio.get_running_loop().create_future()
            await self._drained
        if last:
            await self._start(last, None).result()
        threads, self._threads = self._threads, []
        for _ in threads:
            self._queue.put(None)
        for thread in threads:
            thread.join()  # they have nothing left to do

    def start(self, work: Callable[[], T], *, stop: Stop | None = None) -> Running[T]:
        """Begin `work` in a thread.

        Raises:
            StoreUnavailable: closed.
        """
        if not self._is_open:
            raise StoreUnavailable("the store is closed; open it first")
        return self._start(work, stop)

    async def run(self, work: Callable[[], T], *, stop: Stop | None = None) -> T:
        """Do `work` in a thread and return its result; when cancelled, stop it first.

        Raises:
            StoreUnavailable: closed.
        """
        return await self.start(work, stop=stop).result()

    def _start(self, work: Callable[[], T], stop: Stop | None) -> Running[T]:
        self._busy += 1
        if len(self._threads) < min(self._busy, self._limit):
            self._add_thread()
        running = Running(work, stop)
        self._queue.put(lambda: running.perform(self._count_down))
        return running

    def _count_down(self) -> None:
        self._busy -= 1
        if not self._busy and self._drained and not self._drained.done():
            self._drained.set_result(None)

    def _add_thread(self) -> None:
        name = f"{self._name}-{len(self._threads)}"
        thread = threading.Thread(target=self._serve, name=name, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _serve(self) -> None:
        while call := self._queue.get():
            call()
