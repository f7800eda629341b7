"""A running sidecar with a real function beside it, each on sockets of its own."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from varflow.contract import Dispatch, FileMount, Outcome, SidecarSettings
from varflow.variables.scopes import Address, Owners, Scope
from varflow.variables.stores.base import ObjectStore
from varflow.variables.stores.memory import MemoryStore
from varflow.variables.variables import Variables
from varflow_sidecar.function import Endpoint
from varflow_sidecar.sidecar import OneFunction, Sidecar
from varflow_sidecar.web import serving
from varflow_sidecar.web.app import create_action_app, create_health_app, create_variable_app

OWNERS = Owners(cluster="c", namespace="ns", workflow="wf", instance="in")
TOKEN = "token-of-this-pod"

_numbers = itertools.count(1)

Handler = Callable[["Call"], Awaitable[web.StreamResponse | object]]


@dataclass(slots=True)
class Call:
    """One POST that the function received."""

    pod: Pod
    headers: dict[str, str]
    input: Any
    peer: tuple[str, int]
    """The sidecar's end of the connection."""

    @property
    def action_id(self) -> str:
        return self.headers["Direktiv-ActionID"]

    @property
    def folder(self) -> Path:
        return Path(self.headers["Direktiv-TempDir"])

    def out(self, scope: str, name: str) -> Path:
        return self.folder / "out" / scope / name


@dataclass(slots=True)
class Function:
    """The function: what it does, and what it has seen."""

    handler: Handler
    calls: list[Call] = field(default_factory=list)
    deletes: list[str] = field(default_factory=list)
    delete_status: int = 501


@dataclass(slots=True, kw_only=True)
class Pod:
    """A sidecar, its function, and an HTTP client."""

    sidecar: Sidecar
    variables: Variables
    function: Function
    http: aiohttp.ClientSession
    var_port: int
    action_port: int
    health_port: int
    shared: Path

    def url(self, path: str = "/var", *, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.var_port}{path}"

    def action_url(self, action_id: str) -> str:
        return f"http://127.0.0.1:{self.action_port}/actions/{action_id}"

    def health_url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.health_port}{path}"

    async def folders_left(self) -> list[str]:
        """Return what stays in the shared folder once ended actions are cleared away."""
        await self.sidecar.actions._ground.disposal.settled()
        return names(self.shared)

    async def run(self, handler: Handler | None = None, **fields: Any) -> Outcome:
        """Run one action with the given function."""
        if handler is not None:
            self.function.handler = handler
        return await self.sidecar.actions.run(make_dispatch(**fields))

    async def read(self, scope: str, key: str, *, owners: Owners = OWNERS) -> bytes | None:
        found = await self.variables.get(Address(owners, Scope(scope), key))
        return None if found is None else await found.bytes()

    async def write(self, scope: str, key: str, data: bytes, *, owners: Owners = OWNERS) -> None:
        await self.variables.set(Address(owners, Scope(scope), key), data)


def make_dispatch(**fields: Any) -> Dispatch:
    """Return a dispatch with an id of its own."""
    number = next(_numbers)
    given: dict[str, Any] = {
        "action_id": f"action-{number}",
        "function": "f",
        "owners": OWNERS,
        "decision": f"step-{number}",
        "idempotency_key": f"key-{number}",
        "epoch": 0,
        "deadline": time.time() + 30,
        "input": {"x": 1},
        **fields,
    }
    return Dispatch(**given)


def mount(key: str, **fields: Any) -> FileMount:
    """Return an entry of `files`."""
    return FileMount(key=key, **fields)


async def nothing(call: Call) -> object:
    """Answer at once."""
    return {}


@contextlib.asynccontextmanager
async def running(
    shared: Path,
    *,
    store: ObjectStore | None = None,
    variables: Variables | None = None,
    function: Function | None = None,
    **settings: Any,
) -> AsyncIterator[Pod]:
    """Run a pod."""
    function = function or Function(nothing)
    given = SidecarSettings(
        **{
            "shared_dir": str(shared),
            "token": TOKEN,
            "cancel_grace_seconds": 0.3,
            "function_start_seconds": 0.5,
            **settings,
        }
    )
    async with contextlib.AsyncExitStack() as stack:
        variables = variables or Variables(
            store or MemoryStore(), writer="test", max_bytes=given.max_variable_bytes
        )
        await variables.open()
        stack.push_async_callback(variables.close)
        received: asyncio.Future[Pod] = asyncio.get_running_loop().create_future()
        port = await _serve(stack, _function_app(function, received), hosts=("127.0.0.1",))
        endpoint = Endpoint(
            port=port,
            concurrency=given.concurrency,
            start_seconds=given.function_start_seconds,
        )
        sidecar = await stack.enter_async_context(
            Sidecar.open(variables, OneFunction(endpoint), settings=given)
        )
        pod = Pod(
            sidecar=sidecar,
            variables=variables,
            function=function,
            http=await stack.enter_async_context(aiohttp.ClientSession()),
            var_port=await _serve(stack, create_variable_app(sidecar), hosts=serving.LOOPBACK),
            action_port=await _serve(stack, create_action_app(sidecar), hosts=("127.0.0.1",)),
            health_port=await _serve(stack, create_health_app(sidecar), hosts=("127.0.0.1",)),
            shared=shared,
        )
        received.set_result(pod)
        yield pod


def _function_app(function: Function, pod: asyncio.Future[Pod]) -> web.Application:
    async def post(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        peer = request.transport.get_extra_info("peername")
        call = Call(await pod, dict(request.headers), await request.json(), peer)
        function.calls.append(call)
        answer = await function.handler(call)
        return answer if isinstance(answer, web.StreamResponse) else web.json_response(answer)

    async def delete(request: web.Request) -> web.StreamResponse:
        function.deletes.append(request.headers["Direktiv-ActionID"])
        return web.Response(status=function.delete_status)

    app = web.Application(client_max_size=1 << 30)
    app.router.add_post("/", post)
    app.router.add_delete("/", delete)
    return app


async def _serve(
    stack: contextlib.AsyncExitStack, app: web.Application, *, hosts: tuple[str, ...]
) -> int:
    sockets = serving.bind(0, hosts=hosts)
    await stack.enter_async_context(serving.serve(app, sockets))
    return serving.port_of(sockets)


async def eventually(
    condition: Callable[[], bool | Awaitable[bool]], *, seconds: float = 5.0
) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(seconds):
        for pause in itertools.repeat(0.005):
            holds = condition()
            if holds if isinstance(holds, bool) else await holds:
                return
            await asyncio.sleep(pause)


def names(folder: Path) -> list[str]:
    """Return what is in a folder."""
    return sorted(os.listdir(folder))
