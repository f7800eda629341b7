"""The operator as its own process, over a folder, on a real API server."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from tests.support import sidecars

READY_SECONDS = 30.0


@dataclass
class OperatorProcess:
    """A running operator, and all that it has said."""

    process: asyncio.subprocess.Process
    lines: list[dict[str, Any]] = field(default_factory=list)
    errors: str = ""

    @classmethod
    async def start(cls, environ: dict[str, str]) -> OperatorProcess:
        """Start it with these settings beside those of this process."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "varflow_operator"),
            env={**os.environ, **environ},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        operator = cls(process)
        operator._reading = asyncio.gather(operator._read_lines(), operator._read_errors())
        return operator

    def __post_init__(self) -> None:
        self._reading: asyncio.Future[Any]

    async def port(self) -> int:
        """Return where it answers."""
        await self.until(lambda: bool(self._find_port()), what="answers")
        return int(self._find_port())

    async def get(self, path: str) -> tuple[int, str]:
        """Return the status and text of an answer."""
        url = f"http://127.0.0.1:{await self.port()}{path}"
        async with aiohttp.ClientSession() as http, http.get(url) as response:
            return response.status, await response.text()

    async def until_ready(self, text: str) -> None:
        """Wait until it is ready, as this."""
        await self.until_said(lambda status, said: (status, said) == (200, f"{text}\n"))

    async def until_waits_for(self, text: str) -> None:
        """Wait until it is not ready, for a reason that has this text."""
        await self.until_said(lambda status, said: status == 503 and text in said)

    async def until_said(self, holds: Callable[[int, str], bool]) -> None:
        """Wait for an answer of `/readyz`."""

        async def check() -> bool:
            with contextlib.suppress(aiohttp.ClientConnectionError):
                return holds(*await self.get("/readyz"))
            assert self.process.returncode is None, (self.lines, self.errors)
            return False

        await sidecars.eventually(check, seconds=READY_SECONDS)

    async def until(self, holds: Any, *, what: str) -> None:
        """Wait for something that its log tells."""

        def check() -> bool:
            assert self.process.returncode is None, (what, self.lines, self.errors)
            return bool(holds())

        await sidecars.eventually(check, seconds=READY_SECONDS)

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    async def ended(self) -> int:
        """Return its exit code, once it has ended and everything that it said was read."""
        try:
            async with asyncio.timeout(READY_SECONDS):
                code = await self.process.wait()
                await self._reading
        except TimeoutError as error:
            raise AssertionError(f"it does not end: {self.lines} {self.errors}") from error
        return code

    async def kill(self) -> None:
        """End it, if it has not."""
        if self.process.returncode is None:
            self.process.kill()
        await self.ended()

    @property
    def messages(self) -> list[str]:
        """What its log says."""
        return [line["msg"] for line in self.lines]

    def _find_port(self) -> str:
        told = [text for text in self.messages if text.startswith("answering on port ")]
        return told[0].rpartition(" ")[2] if told else ""

    async def _read_lines(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.lines.append(json.loads(line))

    async def _read_errors(self) -> None:
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            self.errors += line.decode()


def settings(namespace: str, kubeconfig: Path, store: Path) -> dict[str, str]:
    """Return what an operator of one namespace, with a store in a folder, is told."""
    return {
        "KUBECONFIG": str(kubeconfig),
        "VARFLOW_STORE": f"file://{store}",
        "VARFLOW_SIDECAR_IMAGE": "example.org/varflow-sidecar:test",
        "VARFLOW_OPERATOR_NAMESPACE": namespace,
        "VARFLOW_WATCH_NAMESPACES": namespace,
        "VARFLOW_METRICS_PORT": "0",
        "VARFLOW_LEASE_SECONDS": "2",
        "VARFLOW_LOG_LEVEL": "debug",
    }
