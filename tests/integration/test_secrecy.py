"""Promise 7 of design.md §8, over S3: no value lies readable in the bucket, and no error tells one.

A real sidecar logs all that it, its HTTP library and the SDK have to say at debug level, while a
function and its control plane do wrong things with a value, and the server fails. Then somebody
does wrong things with `varflow`. What was kept is searched for the value.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.support import canaries, encryption, faulty_s3, s3, sidecars
from tests.support.cluster.control_plane import free_ports
from tests.support.cluster.s3_servers import S3Server
from tests.support.faulty_s3 import FaultyS3
from tests.support.instances import Call, Function, Json
from tests.support.runs import Caller
from varflow.contract import Dispatch, FileType, Outcome, SidecarSettings
from varflow.variables.encryption.keyrings import KeyRing
from varflow.variables.scopes import Address, Scope
from varflow_sidecar.web import serving

CANARY = "canary-7be31c90d2"
LARGE = f"{CANARY} ".encode() * 10_000
LIMIT = len(LARGE)
AT_DEBUG = """
import logging
logging.basicConfig(level="DEBUG")
from varflow_sidecar.__main__ import main
main()
"""
TAMPERED = Address(sidecars.OWNERS, Scope.WORKFLOW, "tampered")


@dataclass
class Room:
    """A sidecar's process, its function, and what was told to whom."""

    proxy: FaultyS3
    place: s3.Place
    settings: SidecarSettings
    http: aiohttp.ClientSession
    function: Function
    told: dict[str, bytes] = field(default_factory=dict)
    statuses: list[int] = field(default_factory=list)

    async def ask(self, call: Call, method: str, path: str, **given: Any) -> None:
        """Ask as the function, and keep a refusal."""
        query = {"aid": call.headers["Direktiv-ActionID"], **given.pop("query", {})}
        url = f"http://127.0.0.1:{self.settings.variable_port}{path}"
        with contextlib.suppress(aiohttp.ClientPayloadError):  # an answer that was cut off
            async with self.http.request(method, url, params=query, **given) as response:
                body = await response.read()
                if response.status >= 400:
                    self.keep(f"{method} {path} {query}", response, body)

    def keep(self, name: str, response: aiohttp.ClientResponse, body: bytes) -> None:
        self.told[name] = body + str(response.headers).encode()
        self.statuses.append(response.status)

    async def send(self, name: str, data: bytes) -> bytes:
        """Send what should be a dispatch of this id, and keep a refusal."""
        url = f"http://127.0.0.1:{self.settings.action_port}/actions/{name}?wait=30"
        headers = {"Authorization": f"Bearer {self.settings.token}"}
        async with self.http.post(url, data=data, headers=headers) as response:
            body = await response.read()
            if response.status >= 400:
                self.keep(f"POST /actions/{name} {len(data)}", response, body)
            return body

    async def run(self, **fields: Any) -> Outcome:
        """Run an action, and keep what is said of it beside its output."""
        dispatch = sidecars.make_dispatch(input={"secret": CANARY}, **fields)
        outcome = Outcome.decode(await self.send(dispatch.action_id, dispatch.encode()))
        said = f"{outcome.code} {outcome.message} {outcome.warnings}"
        self.told[f"outcome of {dispatch.action_id}"] = said.encode()
        return outcome

    async def metrics(self) -> tuple[int, bytes]:
        url = f"http://127.0.0.1:{self.settings.metrics_port}/metrics"
        async with self.http.get(url) as response:
            return response.status, await response.read()

    async def is_ready(self) -> bool:
        with contextlib.suppress(aiohttp.ClientError):
            return (await self.metrics())[0] == 200
        return False


@pytest.fixture
def place(s3_server: S3Server, bucket: str) -> s3.Place:
    return s3.make_place(s3_server, bucket)


@pytest.fixture
def proxy(place: s3.Place) -> Iterator[FaultyS3]:
    with FaultyS3(place.server) as proxy:
        yield proxy


@pytest.fixture
async def room(place: s3.Place, proxy: FaultyS3, tmp_path: Path) -> AsyncIterator[Room]:
    function = Function(idle)
    ports = free_ports(3)
    async with contextlib.AsyncExitStack() as stack:
        sockets = serving.bind(0, hosts=("127.0.0.1",))
        await stack.enter_async_context(serving.serve(function.app("pod"), sockets))
        http = await stack.enter_async_context(aiohttp.ClientSession())
        behind = s3.Place(proxy.server, place.bucket, place.prefix)
        settings = SidecarSettings(
            store=behind.url,
            token="t",
            encryption_keys=encryption.RING.encode(),
            shared_dir=str(tmp_path / "shared"),
            max_variable_bytes=LIMIT,
            function_port=serving.port_of(sockets),
            action_port=ports[0],
            variable_port=ports[1],
            metrics_port=ports[2],
        )
        room = Room(proxy, place, settings, http, function)
        with said_by({**behind.environ, **settings.encode()}, tmp_path / "log"):
            await sidecars.eventually(room.is_ready, seconds=30)
            yield room


async def idle(call: Call) -> Json:
    """Do nothing."""
    return {}


@contextlib.contextmanager
def said_by(environ: dict[str, str], log: Path) -> Iterator[None]:
    """Run a sidecar whose log goes to a file, and end it well."""
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-c", AT_DEBUG],
            env={**os.environ, **environ},
            stdout=file,
            stderr=file,
        )
    try:
        yield
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()


async def test_errors_and_logs_tell_no_value_and_the_bucket_shows_none(
    room: Room, tmp_path: Path
) -> None:
    await misuse_variables(room)
    await misuse_files(room)
    await misuse_dispatches(room)
    await tamper(room)
    _, room.told["metrics"] = await room.metrics()

    stored = canaries.in_bucket(room.place)
    log = (tmp_path / "log").read_bytes()
    expected = {400, 409, 412, 413, 422, 500, 503}
    assert expected <= set(room.statuses), sorted(set(room.statuses))
    assert len(stored) > 8
    assert b"variable workflow/tampered" in b"".join(room.told.values())
    assert b"DEBUG:botocore" in log
    assert canaries.holding({**stored, **room.told, "log": log}, CANARY) == []


async def misuse_variables(room: Room) -> None:
    """Refused reads and writes, and a server that fails, as a function meets them."""
    key = {"key": "k", "scope": "workflow"}

    async def use(call: Call) -> Json:
        async def ask(method: str, path: str = "/var", **given: Any) -> None:
            await room.ask(call, method, path, **given)

        await ask("PUT", query=key, data=CANARY)
        for wanted in ("json", "int", "number", "bool", "array", "object", "secret"):
            await ask("GET", query={**key, "as": wanted})
        await ask("PUT", query=key, data=CANARY, headers={"If-Match": '"1-00000000"'})
        await ask("PUT", query={**key, "mode": "create"}, data=CANARY)
        await ask("PUT", query={**key, "ttl": "soon"}, data=CANARY)
        await ask("PUT", query=key, data=LARGE + b"x")
        await ask("PUT", query={**key, "key": "large"}, data=LARGE)
        await ask("PUT", "/state", data=CANARY)
        await ask("PUT", "/state", data=f'{{"{CANARY}": '.encode())
        await ask("POST", "/log", data=CANARY)
        await ask("GET", "/log", query={"log": CANARY})
        await use_while_failing(room, ask, key)
        return {"secret": CANARY}

    room.function.handler = use
    assert (await room.run(state="f/manual")).output == {"secret": CANARY}


async def use_while_failing(room: Room, ask: Any, key: dict[str, str]) -> None:
    """Each kind of failure for each kind of request, some in the middle of a value."""
    failures = [faulty_s3.answering(500, "InternalError"), faulty_s3.resetting(is_taken=True)]
    for failure in failures:
        for kind in ("GET", "PUT"):
            room.proxy.fail(kind, *[failure] * 9)
            for method in ("GET", "PUT", "DELETE"):
                await ask(method, query=key, data=CANARY if method == "PUT" else None)
            room.proxy.forgive()
    large = {**key, "key": "large"}
    room.proxy.fail("GET", faulty_s3.paging(1), *[faulty_s3.cutting(1000)] * 9)
    await ask("GET", query=large)
    await ask("GET", query={**large, "as": "json"})
    room.proxy.forgive()


async def misuse_files(room: Room) -> None:
    """Files that cannot be mounted, and outputs of which some cannot become variables."""

    async def write(call: Call) -> Json:
        out = call.folder / "out"
        call.write("workflow", "small", CANARY.encode())
        call.write("namespace", "large", LARGE)
        (out / "workflow" / "folder").mkdir()
        (out / "workflow" / "folder" / "file").write_text(CANARY)
        (out / "workflow" / "a\nb").write_text(CANARY)
        return {"secret": CANARY * 2000}

    room.function.handler = write
    assert (await room.run()).warnings
    for kind in (FileType.BASE64, FileType.TAR, FileType.TAR_GZ):
        mount = sidecars.mount("small", scope="workflow", type=kind)
        assert (await room.run(files=(mount,))).message
    room.proxy.fail("PUT", *[faulty_s3.answering(500, "InternalError")] * 9)
    await room.run()
    room.proxy.forgive()


async def misuse_dispatches(room: Room) -> None:
    """Messages of the control plane that are none."""
    good = sidecars.make_dispatch(input={"secret": CANARY})
    data = good.encode()
    for wrong in (data[:-1], data[: data.index(CANARY.encode()) + 5], f'["{CANARY}"]'.encode()):
        await room.send(good.action_id, wrong)
    await room.send("another", data)
    await room.send(good.action_id, data.replace(b'"deadline":', b'"late":'))
    assert Dispatch.decode(data) == good


async def tamper(room: Room) -> None:
    """A record that somebody has changed in the bucket."""

    async def use(call: Call) -> Json:
        query = {"key": TAMPERED.key, "scope": TAMPERED.scope}
        await room.ask(call, "PUT", "/var", query=query, data=CANARY)
        await asyncio.to_thread(change_record, room.place)
        for method in ("GET", "PUT", "DELETE"):
            await room.ask(call, method, "/var", query=query)
        return {}

    room.function.handler = use
    await room.run()


def change_record(place: s3.Place) -> None:
    ((key, body),) = ((k, v) for k, v in canaries.in_bucket(place).items() if TAMPERED.key in k)
    changed = body[:-1] + bytes([body[-1] ^ 1])
    with contextlib.closing(place.client()) as client:
        client.put_object(Bucket=place.bucket, Key=key, Body=changed)


def test_the_command_line_tells_no_value_in_its_errors(place: s3.Place, tmp_path: Path) -> None:
    keys = {"VARFLOW_ENCRYPTION_KEYS": encryption.RING.encode()}
    caller = Caller(tmp_path, {**place.environ, **keys})
    told: dict[str, bytes] = {}

    def call(*arguments: str, stdin: bytes = b"", code: int, **environ: str) -> None:
        ended = caller.call("var", *arguments, "--debug", stdin=stdin, **environ)
        assert ended.exit_code == code, ended
        told[str(arguments)] = ended.log.encode()

    value = CANARY.encode()
    call("set", "k", stdin=value, code=0)
    call("set", "k", "--create", stdin=value, code=5)
    call("set", "k", "--if-match", "1-00000000", stdin=value, code=5)
    call("import", "-", stdin=value, code=2)
    call("get", "k", code=1, VARFLOW_ENCRYPTION_KEYS=KeyRing((encryption.SECOND,)).encode())

    assert canaries.holding({**told, **canaries.in_bucket(place)}, CANARY) == []
