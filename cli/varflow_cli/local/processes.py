"""A process with everything it starts, until all of it is gone.

Each process is the leader of its own session: the terminal's Ctrl-C is `varflow`'s to handle, and
one signal reaches everything that the process started (but not what makes itself a session of its
own, a daemon). Should `varflow` be killed, the warden does what `stop` would have done.

Standard output and standard error share one pipe, which keeps their lines in order.
"""

from __future__ import annotations

import asyncio
import signal
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from varflow_cli.local.guarding import Warden
from varflow_cli.local.lines import LineCutter
from varflow_cli.local.warden import signal_group

_KEPT_LINES: Final = 3
"""As many of a process's last lines explain why it has ended."""

_READ_BYTES: Final = 64 * 1024

_LATE_OUTPUT_SECONDS: Final = 0.5
"""How long the pipe of an ended process is read: what has left its group may keep it open."""


class ProcessGroup:
    """A running process and its group; made by `spawn`."""

    def __init__(self, process: Process, *, warden: Warden, show: Callable[[str], None]) -> None:
        self._process = process
        self._warden = warden
        self._show = show
        self.last_lines: deque[str] = deque(maxlen=_KEPT_LINES)
        """What it printed last."""
        self.over = asyncio.create_task(self._watch())
        """Done when the process has ended and its group is gone."""

    @classmethod
    async def spawn(
        cls,
        words: Sequence[str],
        *,
        folder: Path,
        environ: Mapping[str, str],
        warden: Warden,
        show: Callable[[str], None],
    ) -> ProcessGroup:
        """Start a process; `show` is called with each line that it prints.

        Raises:
            OSError: there is no such program or folder, or it may not be started.
        """
        warden.start()
        process = await asyncio.create_subprocess_exec(
            *words,
            cwd=folder,
            env=dict(environ),
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=STDOUT,
            start_new_session=True,
        )
        warden.begin(process.pid)
        return cls(process, warden=warden, show=show)

    @property
    def has_ended(self) -> bool:
        """Tell whether the process itself has ended."""
        return self._process.returncode is not None

    def describe_end(self) -> str:
        """Say how the process ended."""
        code = self._process.returncode
        if code is None:
            return "is still running"
        if code < 0:
            return f"was ended by {signal.Signals(-code).name}"
        return f"ended with exit code {code}"

    async def stop(self, *, grace_seconds: float) -> None:
        """End it: SIGTERM, and after the grace SIGKILL, to the whole group."""
        if not self.has_ended:
            signal_group(self._process.pid, signal.SIGTERM)
            await asyncio.wait({self.over}, timeout=grace_seconds)
        self.kill()
        await self.over

    def kill(self) -> None:
        """Send SIGKILL to the whole group."""
        if not self.has_ended:
            signal_group(self._process.pid, signal.SIGKILL)

    async def _watch(self) -> None:
        reading = asyncio.create_task(self._read())
        await self._process.wait()
        signal_group(self._process.pid, signal.SIGKILL)  # what it has left behind
        self._warden.end(self._process.pid)
        await asyncio.wait({reading}, timeout=_LATE_OUTPUT_SECONDS)
        reading.cancel()

    async def _read(self) -> None:
        assert self._process.stdout is not None
        cutter = LineCutter()
        while chunk := await self._process.stdout.read(_READ_BYTES):
            for line in cutter.feed(chunk):
                self._take(line)
        for line in cutter.finish():
            self._take(line)

    def _take(self, line: str) -> None:
        self.last_lines.append(line)
        self._show(line)
