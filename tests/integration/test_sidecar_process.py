"""The sidecar as its own process over a folder: start, stop, restart, another user."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.support import sidecars
from varflow.contract import Dispatch, Outcome, OutcomeStatus, SidecarSettings
from varflow.variables.scopes import Address, Scope
from varflow.variables.stores.file import FileStore
from varflow.variables.variables import Variables

HEAVY = {"kopf", "kubernetes", "pydantic", "boto3", "botocore", "jq", "yaml", "click", "rich"}

FUNCTION = """
import http.server, json, os, sys, time
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        given = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        here = self.headers["Direktiv-TempDir"]
        if given.get("wait"):
            open(given["wait"] + ".started", "w").close()
            while not os.path.exists(given["wait"]):
                time.sleep(0.01)
        if given.get("die"):
            os._exit(1)
        names = {
            "here": here,
            "os": os,
            "open": lambda name, *mode: open(os.path.join(here, name), *mode),
            "makedirs": lambda name: os.makedirs(os.path.join(here, name)),
        }
        answer = json.dumps(eval(given["code"], names)).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)
    def log_message(self, *arguments):
        pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
if len(sys.argv) > 2:
    os.setgroups([])
    os.setgid(int(sys.argv[2]))
    os.setuid(int(sys.argv[2]))
    os.umask(0o077)
server.serve_forever()
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as bound:
        return int(bound.getsockname()[1])


class Process:
    """A sidecar's process with a function's beside it."""

    def __init__(self, folder: Path) -> None:
        folder.chmod(0o755)
        self.store = folder / "store"
        self.settings = SidecarSettings(
            store=f"file://{self.store}",
            token="t",
            shared_dir=str(folder / "shared"),
            function_port=free_port(),
            action_port=free_port(),
            variable_port=free_port(),
            metrics_port=free_port(),
            function_start_seconds=5,
        )
        self.started: list[subprocess.Popen[bytes]] = []
        self.sidecar: subprocess.Popen[bytes]

    def start(self) -> None:
        self.sidecar = self._spawn("-m", "varflow_sidecar")

    def start_function(self, uid: int | None = None) -> subprocess.Popen[bytes]:
        user = [] if uid is None else [str(uid)]
        return self._spawn("-c", FUNCTION, str(self.settings.function_port), *user)

    def end(self) -> None:
        for process in self.started:
            process.kill()
            process.wait()
            assert process.stderr is not None
            process.stderr.close()

    def _spawn(self, *arguments: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            env={**os.environ, **self.settings.encode()},
            stderr=subprocess.PIPE,
        )
        self.started.append(process)
        return process

    async def get(self, path: str) -> int:
        url = f"http://127.0.0.1:{self.settings.metrics_port}{path}"
        async with aiohttp.ClientSession() as http, http.get(url) as response:
            return response.status

    async def is_draining(self) -> bool:
        return await self.get("/readyz") == 503

    async def ready(self) -> None:
        await sidecars.eventually(self._is_ready, seconds=20)

    async def _is_ready(self) -> bool:
        with contextlib.suppress(aiohttp.ClientError):
            return await self.get("/readyz") == 200
        return False

    async def dispatch(self, dispatch: Dispatch, *, wait: float = 20) -> tuple[int, bytes]:
        url = f"http://127.0.0.1:{self.settings.action_port}/actions/{dispatch.action_id}"
        async with (
            aiohttp.ClientSession(headers={"Authorization": "Bearer t"}) as http,
            http.post(f"{url}?wait={wait}", data=dispatch.encode()) as response,
        ):
            return response.status, await response.read()

    async def run(self, code: str, **given: Any) -> Outcome:
        status, body = await self.dispatch(make(code, **given))
        assert status == 200, body
        return Outcome.decode(body)

    async def read(self, scope: str, key: str) -> bytes | None:
        variables = Variables(FileStore(self.store))
        await variables.open()
        try:
            address = Address(sidecars.OWNERS, Scope(scope), key)
            found = await variables.get(address)
            return None if found is None else await found.bytes()
        finally:
            await variables.close()


def make(code: str, **given: Any) -> Dispatch:
    files = given.pop("files", ())
    return sidecars.make_dispatch(input={"code": code, **given}, files=files)


@pytest.fixture
async def process(tmp_path: Path) -> AsyncIterator[Process]:
    process = Process(tmp_path)
    process.start()
    process.start_function()
    try:
        await process.ready()
        yield process
    finally:
        process.end()


async def test_it_runs_an_action_of_a_real_process(process: Process) -> None:
    outcome = await process.run("open('out/workflow/x', 'w').write('hello')")

    assert outcome == Outcome(status=OutcomeStatus.COMPLETE, output=5)
    assert await process.read("workflow", "x") == b"hello"


async def test_a_function_that_dies_fails_the_action_and_can_be_retried(process: Process) -> None:
    outcome = await process.run("open('out/workflow/x', 'w').write('hello')", die=True)

    assert (outcome.status, outcome.code) == (OutcomeStatus.FAILED, "container failed")
    assert await process.read("workflow", "x") is None
    process.start_function()
    assert (await process.run("'again'")).output == "again"


async def test_term_waits_for_the_running_action_and_for_its_outcome(
    process: Process, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    dispatch = make("open('out/workflow/x', 'w').write('1')", wait=str(gate))
    assert (await process.dispatch(dispatch, wait=0))[0] == 202
    await sidecars.eventually(Path(f"{gate}.started").exists)

    process.sidecar.send_signal(signal.SIGTERM)
    await sidecars.eventually(process.is_draining)
    assert (await process.dispatch(make("1"), wait=0))[0] == 503
    gate.touch()

    status, body = await process.dispatch(dispatch)
    assert (status, Outcome.decode(body).output) == (200, 1)
    assert await asyncio.to_thread(process.sidecar.wait, 10) == 0
    assert await process.read("workflow", "x") == b"1"


async def test_term_lets_a_write_that_has_begun_end_well(process: Process, tmp_path: Path) -> None:
    """PE-42 of the persist list."""
    gate = tmp_path / "gate"
    dispatch = make("1", wait=str(gate))
    assert (await process.dispatch(dispatch, wait=0))[0] == 202
    await sidecars.eventually(Path(f"{gate}.started").exists)
    url = f"http://localhost:{process.settings.variable_port}/var"
    query = {"aid": dispatch.action_id, "scope": "workflow", "key": "k"}

    async def body() -> AsyncIterator[bytes]:
        yield b"before the signal, "
        process.sidecar.send_signal(signal.SIGTERM)
        await sidecars.eventually(process.is_draining)
        yield b"and after it"

    async with (
        aiohttp.ClientSession() as http,
        http.put(url, params=query, data=body()) as response,
    ):
        assert response.status == 200
    gate.touch()
    assert (await process.dispatch(dispatch))[0] == 200
    assert await asyncio.to_thread(process.sidecar.wait, 10) == 0
    assert await process.read("workflow", "k") == b"before the signal, and after it"


async def test_a_second_signal_ends_it_at_once(process: Process, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    await process.dispatch(make("1", wait=str(gate)), wait=0)
    await sidecars.eventually(Path(f"{gate}.started").exists)

    process.sidecar.send_signal(signal.SIGTERM)
    await sidecars.eventually(process.is_draining)
    process.sidecar.send_signal(signal.SIGTERM)

    assert await asyncio.to_thread(process.sidecar.wait, 10) == 0
    gate.touch()


async def test_after_a_kill_the_action_runs_again_and_the_first_attempt_commits_nothing(
    process: Process, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    dispatch = make("open('out/workflow/x', 'a').write(here[-2:])", wait=str(gate))
    await process.dispatch(dispatch, wait=0)
    await sidecars.eventually(Path(f"{gate}.started").exists)

    process.sidecar.kill()
    await asyncio.to_thread(process.sidecar.wait)
    process.start()
    await process.ready()
    gate.touch()
    status, body = await process.dispatch(dispatch)

    assert (status, Outcome.decode(body).output) == (200, 2)
    assert await process.read("workflow", "x") == b".1"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a function as another user")
async def test_a_function_under_another_user_reads_its_files_and_writes_out(
    tmp_path: Path,
) -> None:
    process = Process(tmp_path)
    for parent in (tmp_path, *tmp_path.parents):
        if not parent.stat().st_mode & 0o001:
            parent.chmod(parent.stat().st_mode | 0o011)
    process.start()
    process.start_function(uid=65534)
    try:
        await process.ready()
        await process.run("open('out/instance/x', 'w').write('hello')")
        outcome = await process.run(
            "[os.getuid(), open('x').read(), open('x', 'a').write('!'), makedirs('a/b'),"
            " makedirs('out/workflow/d'), open('out/workflow/d/f', 'w').write('1')]",
            files=(sidecars.mount("x"),),
        )

        assert outcome.status is OutcomeStatus.COMPLETE, outcome
        assert outcome.output[:3] == [65534, "hello", 1]
        assert await process.read("workflow", "d")
        await sidecars.eventually(lambda: not sidecars.names(tmp_path / "shared"))
    finally:
        process.end()


@pytest.fixture
def empty_environment() -> dict[str, str]:
    return {name: text for name, text in os.environ.items() if not name.startswith("VARFLOW_")}


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("VARFLOW_ACTION_PORT", "many", "VARFLOW_ACTION_PORT='many'"),
        ("VARFLOW_ACTION_PORT", "99999", "no port"),
        ("VARFLOW_CONCURRENCY", "0", "VARFLOW_CONCURRENCY"),
        ("VARFLOW_FUNCTION_START_SECONDS", "nan", "VARFLOW_FUNCTION_START_SECONDS"),
        ("VARFLOW_STORE", "", "no URL"),
        ("VARFLOW_STORE", "ftp://x", "ftp"),
    ],
)
def test_a_bad_setting_is_named_and_exits_2(
    empty_environment: dict[str, str], name: str, value: str, said: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "varflow_sidecar"],
        env={"VARFLOW_STORE": "memory:", **empty_environment, name: value},
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )

    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_that_is_taken_is_named_and_exits_1(
    empty_environment: dict[str, str], tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "varflow_sidecar"],
            env={
                **empty_environment,
                "VARFLOW_STORE": "memory:",
                "VARFLOW_SHARED_DIR": str(tmp_path),
                "VARFLOW_VARIABLE_PORT": str(port),
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=20,
        )

    assert done.returncode == 1
    assert f"port {port} of 127.0.0.1" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("option", ["--help", "-h", "--version"])
def test_it_explains_itself(option: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "varflow_sidecar", option], capture_output=True, check=False
    )

    assert done.returncode == 0
    assert done.stdout


def test_it_imports_nothing_heavy() -> None:
    code = "import json, sys, varflow_sidecar.__main__; print(json.dumps(list(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)

    loaded = set(json.loads(done.stdout))
    assert not loaded & HEAVY
    assert not {name for name in loaded if name.startswith(("varflow.engine", "varflow.language"))}


def resident_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


async def test_it_is_ready_soon_and_small(process: Process) -> None:
    """Wide bounds, for busy machines; `bench/` holds the goals (0.5 s, 48 MiB)."""
    resident = resident_mib(process.sidecar.pid)
    started = time.monotonic()
    process.sidecar.kill()
    process.sidecar.wait()
    process.start()
    await process.ready()

    assert resident < 56
    assert time.monotonic() - started < 5
