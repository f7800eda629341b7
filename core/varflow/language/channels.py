"""One worker process, and the frames that go to it and come from it.

The two are joined by a socket pair, not by pipes: one descriptor, one protocol, and a worker that
dies closes it at once. Either side's end ends the other: a worker stops when it reads no more.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from asyncio.subprocess import Process
from typing import Self, cast

from varflow.errors import VarflowError
from varflow.language import syntax, worker
from varflow.language.expressions import Language
from varflow.language.syntax import Limits

Reply = tuple[int, bytes]
"""Outcome and payload."""
_START_SECONDS = 60.0
"""How long an interpreter may take to start, on a machine that is very busy."""
_END_SECONDS = 2.0
"""How long a worker has to end by itself."""


class Channel(asyncio.Protocol):
    """A worker process; one request at a time."""

    def __init__(self, language: Language) -> None:
        self._language = language
        self._transport: asyncio.Transport | None = None
        self._process: Process | None = None
        self._received = bytearray()
        self._answer: asyncio.Future[Reply | None] | None = None
        self._is_lost = False

    @classmethod
    async def open(cls, language: Language, limits: Limits) -> Self:
        """Start a worker and wait until it is ready.

        Raises:
            VarflowError: it does not start.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            loop = asyncio.get_running_loop()
            _, channel = await loop.create_unix_connection(lambda: cls(language), sock=ours)
            try:
                await channel._start(theirs, limits)  # noqa: SLF001
            except BaseException:
                await channel.kill()
                raise
        return channel

    @property
    def is_alive(self) -> bool:
        """Whether it can be asked."""
        return self._transport is not None and not self._transport.is_closing()

    async def ask(self, request: bytes, *, seconds: float) -> Reply | None:
        """Send a request and return the answer, or None when the worker ends instead.

        Raises:
            TimeoutError: there was none in time.
        """
        if self._transport is None or self._transport.is_closing():
            return None
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        async with asyncio.timeout(seconds):
            return await self._answer

    async def close(self) -> None:
        """Let the worker end."""
        if self._transport is not None:
            self._transport.close()
        await self._wait(_END_SECONDS)
        await self.kill()

    async def kill(self) -> int | None:
        """End the worker now; return its exit status, its own if it is ending already."""
        if self._is_lost:
            await self._wait(_END_SECONDS)
        if self._transport is not None:
            self._transport.abort()
        if self._process is None:
            return None
        if self._process.returncode is None:
            # Not Process.kill(): it polls first, and before Python 3.12 that may take the exit
            # status away from asyncio's own thread that waits for it, which then reports 255.
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGKILL)
        return await self._process.wait()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not checked by isinstance: uvloop's transports are no subclasses.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        if len(self._received) < worker.REPLY.size:
            return
        outcome, length = worker.REPLY.unpack_from(self._received)
        end = worker.REPLY.size + length
        if len(self._received) >= end:
            payload = bytes(self._received[worker.REPLY.size : end])
            self._received.clear()
            self._settle((outcome, payload))

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_lost = True
        self._settle(None)

    def _settle(self, reply: Reply | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(reply)

    async def _wait(self, seconds: float) -> None:
        """Wait for the process to end by itself."""
        if self._process is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._process.wait()

    async def _start(self, theirs: socket.socket, limits: Limits) -> None:
        self._answer = asyncio.get_running_loop().create_future()
        self._process = await asyncio.create_subprocess_exec(
            *syntax.command(self._language, limits),
            stdin=theirs.fileno(),
            stdout=theirs.fileno(),
            env={},
            start_new_session=True,
        )
        theirs.close()
        try:
            async with asyncio.timeout(_START_SECONDS):
                ready = await self._answer
        except TimeoutError as error:
            raise VarflowError(
                f"the {self._language} worker is not ready after {_START_SECONDS:g} s"
            ) from error
        if ready is None:
            status = await self._process.wait()
            raise VarflowError(
                f"the {self._language} worker does not start: it ended with status {status}"
            )
