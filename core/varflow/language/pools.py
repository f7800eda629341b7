"""A few worker processes for the programs of one language.

The pool starts no process before the first program that needs one. A worker that runs into a limit
is killed and replaced; only the evaluation that did it fails, since a worker has one at a time and
the others wait here.
"""

from __future__ import annotations

import asyncio

from varflow.errors import VarflowError
from varflow.language import javascript, syntax, worker
from varflow.language.channels import Channel, Reply
from varflow.language.expressions import Language
from varflow.language.syntax import Limits


class CannotRunError(Exception):
    """No worker can run a program to its end; the message says why."""


class Pool:
    """Workers, each asked by one evaluation at a time."""

    def __init__(self, language: Language, *, workers: int, limits: Limits) -> None:
        self._language = language
        self._limits = limits
        self._free = asyncio.Semaphore(workers)
        self._idle: list[Channel] = []
        self._all: set[Channel] = set()
        self._is_closed = False

    async def ask(self, request: bytes) -> Reply:
        """Send a request to a worker and return its answer.

        Raises:
            CannotRunError: it took too long, the worker ended over it, or there is no engine.
            VarflowError: no worker can be started, or the pool is closed.
        """
        async with self._free:
            it = await self._take()
            reply: Reply | None = None
            status: int | None = None
            try:
                reply = await it.ask(request, seconds=self._limits.seconds)
            except TimeoutError as error:
                raise CannotRunError(f"it takes longer than {self._limits.seconds:g} s") from error
            finally:
                is_retiring = reply is None or reply[0] & worker.RETIRING
                if is_retiring or self._is_closed:
                    status = await self._discard(it)
                else:
                    self._idle.append(it)
        if reply is None and self._is_closed:
            raise VarflowError("the evaluator was closed")
        if reply is None:
            raise CannotRunError(syntax.ending(status, self._limits))
        return reply[0] & ~worker.RETIRING, reply[1]

    async def close(self) -> None:
        """End all workers."""
        self._is_closed = True
        self._idle.clear()
        await asyncio.gather(*(it.close() for it in list(self._all)))
        self._all.clear()

    async def _take(self) -> Channel:
        while self._idle:
            it = self._idle.pop()
            if it.is_alive:
                return it
            await self._discard(it)
        if self._is_closed:
            raise VarflowError("the evaluator is closed")
        if not syntax.is_installed(self._language):
            raise CannotRunError(javascript.MISSING)
        it = await Channel.open(self._language, self._limits)
        self._all.add(it)
        return it

    async def _discard(self, it: Channel) -> int | None:
        self._all.discard(it)
        return await it.kill()
