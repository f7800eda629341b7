"""Sidecar processes that die, or are stopped, at a chosen point of an action's commit.

Each is a real process with the real action server over a real store. They are forked from a
server that has everything imported, so that hundreds of them cost seconds.
"""

from __future__ import annotations

import asyncio
import http.client
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Self

from aiohttp import web

from tests.support import encryption
from tests.support.crashing import CrashingStore, When, WrappedStore
from varflow.contract import Dispatch, Outcome, SidecarSettings
from varflow.variables.encryption.keyrings import KeyRing
from varflow.variables.scopes import Owners
from varflow.variables.stores import opening
from varflow.variables.stores.base import ObjectStore
from varflow.variables.stores.credentials import Credentials
from varflow.variables.variables import Variables
from varflow_sidecar.function import Endpoint
from varflow_sidecar.sidecar import OneFunction, Sidecar
from varflow_sidecar.web import app, serving

OWNERS = Owners(cluster="local", namespace="kills", workflow="kills", instance="kills-1")
DECISION = "1-0"

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["tests.support.doomed", "varflow.variables.stores.s3", "boto3"])


@dataclass(frozen=True, slots=True)
class Ground:
    """Where processes meet: the store that they share, and folders of their own."""

    folder: Path
    url: str
    credentials: Credentials | None = None
    keys: KeyRing | None = None
    """With which everything is encrypted."""

    def make_store(self) -> ObjectStore:
        """Return another process' view of the store: a driver of its own, not yet opened."""
        driver = opening.open_store(self.url, credentials=self.credentials)
        return encryption.encrypted(driver, self.keys) if self.keys else driver


@dataclass(frozen=True, slots=True, kw_only=True)
class Doom:
    """Where a process ends."""

    at: int = 0
    """The store call, counted from 1; 0 is none of them."""
    when: When = "before"
    by: signal.Signals = signal.SIGKILL
    before_answer: bool = False


SAFE = Doom()


class OneAtATime(WrappedStore):
    """Lets no two calls overlap: a process that is stopped in the middle of one holds its lock."""

    def __init__(self, inner: ObjectStore) -> None:
        super().__init__(inner)
        self._turn = asyncio.Lock()

    async def _begin(self, call: str, path: str) -> int:
        await self._turn.acquire()
        return 0

    async def _end(self, number: int) -> None:
        self._turn.release()


def dispatch(*, attempt: int = 1, deadline_seconds: float = 60) -> Dispatch:
    """Return the action that all these processes are asked to run."""
    return Dispatch(
        action_id="0" * 31 + str(attempt),
        function="writer",
        owners=OWNERS,
        decision=DECISION,
        idempotency_key="kills-1/1/0",
        epoch=1,
        deadline=time.time() + deadline_seconds,
        input={},
        attempt=attempt,
    )


class DoomedSidecar:
    """One process, as long as the context lasts."""

    def __init__(self, ground: Ground, *, function_port: int, doom: Doom = SAFE) -> None:
        shared = ground.folder / "shared"
        settings = SidecarSettings(shared_dir=str(shared), function_port=function_port)
        self._receiver, sender = _processes.Pipe(duplex=False)
        self._process = _processes.Process(
            target=_run, args=(settings, ground, doom, sender), daemon=True
        )
        self._process.start()
        sender.close()
        self.port: int | None = None

    def __enter__(self) -> Self:
        try:
            self.port = self._receiver.recv()
        except EOFError:
            self.port = None  # it died before it listened
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()

    def send(self, action: Dispatch, *, wait: float = 30) -> Outcome | None:
        """Dispatch an action; None when the process died before it had answered."""
        if self.port is None:
            return None
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        try:
            path = f"/actions/{action.action_id}?wait={wait}"
            connection.request("POST", path, body=action.encode())
            answer = connection.getresponse()
            body = answer.read()
        except (http.client.HTTPException, OSError):
            return None
        finally:
            connection.close()
        assert answer.status == 200, body
        return Outcome.decode(body)

    def signal(self, number: signal.Signals) -> None:
        """Send the process a signal."""
        assert self._process.pid is not None
        os.kill(self._process.pid, number)

    def wait_until_stopped(self, *, or_when: Callable[[], bool]) -> None:
        """Return once the process stands still after SIGSTOP, or the condition holds."""
        status = Path(f"/proc/{self._process.pid}/stat")
        while not or_when() and status.read_text().rpartition(")")[2].split()[0] != "T":
            time.sleep(0.001)

    def kill(self) -> None:
        """End it at once, whatever it does."""
        self._process.kill()
        self._process.join()
        self._receiver.close()


def _run(settings: SidecarSettings, ground: Ground, doom: Doom, sender: Connection) -> None:
    asyncio.run(_serve(settings, ground, doom, sender))


async def _serve(settings: SidecarSettings, ground: Ground, doom: Doom, sender: Connection) -> None:
    store: ObjectStore = CrashingStore(ground.make_store(), doom.at, doom.when, by=doom.by)
    if doom.by is signal.SIGSTOP:
        store = OneAtATime(store)
    variables = Variables(store, writer="sidecar")
    await variables.open()
    functions = OneFunction(Endpoint(port=settings.function_port))
    async with Sidecar.open(variables, functions, settings=settings) as sidecar:
        application = app.create_action_app(sidecar)
        if doom.before_answer:
            application.on_response_prepare.append(_die)
        sockets = serving.bind(0, hosts=("127.0.0.1",))
        async with serving.serve(application, sockets):
            sender.send(serving.port_of(sockets))
            await asyncio.Event().wait()


async def _die(_request: web.Request, _response: web.StreamResponse) -> None:
    os.kill(os.getpid(), signal.SIGKILL)
