"""The workflow's functions on this machine: started with the run, again after they have died.

    launching ──Launch──► LocalFunction.ready() ──► the port on which the function listens

A function is started in parallel with the run's first steps; whoever needs it waits in `ready`. One
that has died is started again for the next attempt, so that a retry in the workflow means what it
means in a cluster.
"""

from __future__ import annotations

import asyncio
import shlex
import time
from collections.abc import Mapping
from typing import Final

from varflow_cli.console.progress import Progress
from varflow_cli.local import ports
from varflow_cli.local.guarding import Warden
from varflow_cli.local.launching import Launch
from varflow_cli.local.processes import ProcessGroup
from varflow_sidecar.function import Endpoint

STOP_SECONDS: Final = 2.0
"""From SIGTERM to SIGKILL at the end of a run: the function has no work any more."""

_FIRST_PAUSE_SECONDS: Final = 0.002
_LONGEST_PAUSE_SECONDS: Final = 0.05
"""Between two looks whether a function listens; there is no event for that."""

_REACHED_SECONDS: Final = 1.0
"""How long the sidecar tries to connect: the function listened a moment ago."""

_DYING_SECONDS: Final = 0.05
"""From a connection that breaks until its process, if it dies, is known to have ended."""
_END_SECONDS: Final = 1.0
"""How long the end of a process may take that has closed its port."""

_PORT_RELEASE_SECONDS: Final = 1.0
"""How long a fixed port may still be held by a process that has just been ended."""


class FunctionNotStarted(Exception):
    """A function could not be started, or ended before it listened."""


class LocalFunction:
    """One function as a process."""

    def __init__(
        self,
        launch: Launch,
        *,
        environ: Mapping[str, str],
        warden: Warden,
        progress: Progress,
        start_seconds: float,
    ) -> None:
        """Start nothing yet.

        Args:
            environ: the whole environment of the process but `PORT`.
            start_seconds: how long it may take until it listens.
        """
        self.launch = launch
        self._environ = environ
        self._warden = warden
        self._progress = progress
        self._start_seconds = start_seconds
        self._group: ProcessGroup | None = None
        self._starting: asyncio.Task[int] | None = None
        self._is_stopping = False

    def start(self) -> None:
        """Start it in the background, unless it runs."""
        if self._starting is None or (self._starting.done() and self._is_down(self._starting)):
            self._starting = asyncio.create_task(self._start())
            self._starting.add_done_callback(_retrieve)

    async def ready(self) -> int:
        """Return the port on which it listens, once it does.

        Raises:
            FunctionNotStarted: it does not; the message says why.
        """
        self.start()
        assert self._starting is not None
        return await asyncio.shield(self._starting)

    async def stop(self) -> None:
        """End it, for good."""
        self._is_stopping = True
        if self._starting is not None:
            # Not cancelled: that could lose sight of a process that has just been started.
            await asyncio.wait({self._starting})
        if self._group is not None:
            await self._group.stop(grace_seconds=STOP_SECONDS)

    async def find_end(self) -> str:
        """Return how its process ended by itself; nothing when it has not."""
        group, starting = self._group, self._starting
        if group is None or starting is None or self._is_stopping:
            return ""
        # A process that dies closes its connections one after the other, the port perhaps last.
        await asyncio.wait({group.over}, timeout=_DYING_SECONDS)
        if not group.has_ended and await ports.is_listening(await starting):
            return ""
        await asyncio.wait({group.over}, timeout=_END_SECONDS)
        return f"its process {group.describe_end()}; {_said(group)}" if group.has_ended else ""

    def kill(self) -> None:
        """End it at once; `stop` is still to be called."""
        if self._group is not None:
            self._group.kill()

    def _is_down(self, starting: asyncio.Task[int]) -> bool:
        has_failed = starting.cancelled() or starting.exception() is not None
        return has_failed or self._group is None or self._group.has_ended

    async def _start(self) -> int:
        if self._group is not None:
            await self._group.stop(grace_seconds=0)
        port = await self._choose_port()
        self._group = await self._spawn(port)
        try:
            await self._until_listening(self._group, port)
        except FunctionNotStarted:
            await self._group.stop(grace_seconds=STOP_SECONDS)
            raise
        return port

    async def _choose_port(self) -> int:
        port = self.launch.port
        if port is None:
            return ports.find_free_port()
        deadline = time.monotonic() + _PORT_RELEASE_SECONDS
        while await ports.is_listening(port):
            if self._is_stopping or time.monotonic() > deadline:
                raise FunctionNotStarted(
                    f"function {self.launch.function!r} wants port {port}, on which another "
                    "program listens; end that program, or let the function listen on $PORT"
                )
            await asyncio.sleep(_LONGEST_PAUSE_SECONDS)
        return port

    async def _spawn(self, port: int) -> ProcessGroup:
        launch = self.launch
        try:
            return await ProcessGroup.spawn(
                launch.words,
                folder=launch.folder,
                environ={**self._environ, "PORT": str(port)},
                warden=self._warden,
                show=lambda line: self._progress.show_output(launch.function, line),
            )
        except OSError as error:
            raise FunctionNotStarted(
                f"function {launch.function!r} cannot be started: {error.strerror}: "
                f"{shlex.join(launch.words)} (in {launch.folder})"
            ) from error

    async def _until_listening(self, group: ProcessGroup, port: int) -> None:
        deadline = time.monotonic() + self._start_seconds
        pause = _FIRST_PAUSE_SECONDS
        while True:
            listens = await ports.is_listening(port)
            if group.has_ended:  # also when somebody listens: then it is somebody else
                await group.over
                raise self._failure(group, f"{group.describe_end()} before it listened")
            if listens:
                return
            if self._is_stopping:
                raise self._failure(group, "was stopped before it listened")
            if time.monotonic() > deadline:
                raise self._failure(group, f"does not listen after {self._start_seconds:g} s")
            await asyncio.wait({group.over}, timeout=pause)
            pause = min(pause * 1.5, _LONGEST_PAUSE_SECONDS)

    def _failure(self, group: ProcessGroup, what: str) -> FunctionNotStarted:
        port = self.launch.port
        where = "on $PORT" if port is None else f"on its local.port {port}"
        return FunctionNotStarted(
            f"function {self.launch.function!r} ({shlex.join(self.launch.words)}) {what} "
            f"{where}; {_said(group)}"
        )


def _said(group: ProcessGroup) -> str:
    lines = (line for line in group.last_lines if line.strip())
    return f"it last printed: {'; '.join(lines) or 'nothing'}"


def _retrieve(starting: asyncio.Task[int]) -> None:
    """Take note of the result: nobody may ever ask for it."""
    if not starting.cancelled():
        starting.exception()


class LocalFunctions:
    """All functions of a run."""

    def __init__(self) -> None:
        self.endpoints: dict[str, Endpoint] = {}
        """Where each function listens, for the sidecar; kept up to date by `ready`."""
        self._functions: dict[str, LocalFunction] = {}

    def add(self, function: LocalFunction) -> None:
        """Add a function that does not run yet."""
        self._functions[function.launch.function] = function

    def start(self) -> None:
        """Start them all in the background."""
        for function in self._functions.values():
            function.start()

    async def ready(self, name: str) -> None:
        """Return when the function listens.

        Raises:
            FunctionNotStarted: it does not; the message says why.
        """
        function = self._functions[name]
        self.endpoints[name] = Endpoint(
            port=await function.ready(),
            concurrency=function.launch.concurrency,
            start_seconds=_REACHED_SECONDS,
        )

    async def find_end(self, name: str) -> str:
        """Return how the function's process ended by itself; nothing when it has not."""
        return await self._functions[name].find_end()

    def kill(self) -> None:
        """End them all at once."""
        for function in self._functions.values():
            function.kill()

    async def stop(self) -> None:
        """End them all, for good."""
        await asyncio.gather(*(function.stop() for function in self._functions.values()))
