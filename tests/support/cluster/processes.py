"""Servers as child processes: each with a log, and none outliving the process that started it."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.cluster.places import ClusterError

STOP_SECONDS = 10.0
START_SECONDS = 90.0
LOG_TAIL = 2000


class Processes:
    """Programs that run until the `with` block ends, then end in the opposite order."""

    def __init__(self, folder: Path, *, wrapper: Sequence[str] = ()) -> None:
        self._folder = folder
        self._wrapper = (*_dying_with_parent(), *wrapper)
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for process in reversed(self._running.values()):
            _stop(process)

    def start(self, name: str, *command: str | Path, env: Mapping[str, str] | None = None) -> None:
        """Start a program; what it prints goes to `<name>.log`."""
        with self.log_of(name).open("ab") as log:
            self._running[name] = subprocess.Popen(
                [*self._wrapper, *map(str, command)],
                env={**os.environ, **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def wait_until(
        self, is_so: Callable[[], bool], *, what: str, seconds: float = START_SECONDS
    ) -> None:
        """Wait for a condition, or for the first program that ends instead."""
        deadline = time.monotonic() + seconds
        while not is_so():
            for name, process in self._running.items():
                if process.poll() is not None:
                    raise ClusterError(f"{name} ended: {self.tail_of(name)}")
            if time.monotonic() > deadline:
                logs = "\n".join(f"--- {name}\n{self.tail_of(name)}" for name in self._running)
                raise ClusterError(f"{what}: not so after {seconds:.0f} s\n{logs}")
            time.sleep(0.05)

    def log_of(self, name: str) -> Path:
        """Return the file that has what a program printed."""
        return self._folder / f"{name}.log"

    def tail_of(self, name: str) -> str:
        """Return the end of it."""
        return self.log_of(name).read_text(errors="replace")[-LOG_TAIL:].strip()


@functools.cache
def _dying_with_parent() -> tuple[str, ...]:
    """Words before a command that let the kernel end it with its parent; Linux has some."""
    words = ("setpriv", "--pdeathsig", "KILL")
    if not shutil.which("setpriv"):
        return ()
    probe = subprocess.run([*words, "true"], capture_output=True, check=False)
    return words if probe.returncode == 0 else ()


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
