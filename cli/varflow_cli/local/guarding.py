"""The run's folder, and the handle on the warden, which cleans up when this process is killed."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from varflow_cli.local import warden

_FOLDER_MODE: Final = 0o711
"""A function may run as another user: it may pass through, but not look around."""


class Warden:
    """Knows every process group of a run and the run's folder (see `warden`)."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, unless it runs: before the first process that it is to look after."""
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", warden.__file__, str(self._folder)],
                stdin=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,
            )

    def begin(self, group: int) -> None:
        """Put a process group into its care."""
        self._tell(f"+{group}\n")

    def end(self, group: int) -> None:
        """Take a group that is gone out of its care, since its number may come again."""
        self._tell(f"-{group}\n")

    async def close(self) -> None:
        """Have it end whatever is left, and wait for that."""
        process, self._process = self._process, None
        if process is not None and process.stdin is not None:
            process.stdin.close()
            await asyncio.to_thread(process.wait)

    def _tell(self, line: str) -> None:
        if self._process is not None and self._process.stdin is not None:
            # A few bytes into a pipe that is read at once. If somebody has killed the warden, the
            # run goes on as one without it.
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.write(line.encode())


@contextlib.asynccontextmanager
async def guarded_folder() -> AsyncIterator[tuple[Path, Warden]]:
    """Make a temporary folder, and a warden that removes it when nobody else can."""
    folder = _make_folder()
    guard = Warden(folder)
    try:
        yield folder, guard
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        await guard.close()


def _make_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="varflow-"))
    folder.chmod(_FOLDER_MODE)
    return folder
