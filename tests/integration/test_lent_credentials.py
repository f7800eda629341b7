"""Sidecars whose credentials are renewed while they work, over MinIO."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.support import lending, s3, sidecars
from tests.support.cluster.control_plane import free_ports
from tests.support.cluster.s3_servers import S3Server
from tests.support.sidecars import OWNERS, Call
from tests.support.writing_function import WritingFunction, large_value
from varflow.contract import Outcome, OutcomeStatus, SidecarSettings
from varflow.variables.scopes import Address, Scope
from varflow.variables.stores.credentials import CredentialsFile, LentCredentials
from varflow.variables.variables import Variables

UNUSED_SECONDS = 30.0
"""So long before their end a sidecar uses credentials no more."""
WRITERS = 4


@pytest.fixture
async def place(minio_server: S3Server) -> s3.Place:
    """A store that an operator has opened."""
    place = s3.make_place(minio_server, s3.make_bucket(minio_server))
    operator = Variables(place.make_store())
    await operator.open()
    await operator.set(Address(OWNERS, Scope.NAMESPACE, "k"), b"value")
    await operator.close()
    return place


async def lend_for(place: s3.Place, seconds: float) -> LentCredentials:
    """Return credentials that a sidecar uses for so long."""
    lent = await lending.lend(place, OWNERS)
    return dataclasses.replace(lent, expires_at=time.time() + UNUSED_SECONDS + seconds)


@pytest.fixture
def file(tmp_path: Path) -> CredentialsFile:
    return CredentialsFile(str(tmp_path / "credentials.json"))


class SidecarProcess:
    """A sidecar's own process, beside a function of this one."""

    def __init__(self, settings: SidecarSettings) -> None:
        self.settings = settings
        environ = {name: text for name, text in os.environ.items() if not name.startswith("AWS_")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "varflow_sidecar"],
            env={**environ, **settings.encode()},
            stderr=subprocess.DEVNULL,
        )

    async def is_ready(self) -> bool:
        assert self.process.poll() is None
        url = f"http://127.0.0.1:{self.settings.metrics_port}/readyz"
        with contextlib.suppress(aiohttp.ClientError):
            async with aiohttp.ClientSession() as http, http.get(url) as response:
                return response.status == 200
        return False

    async def run(self, *, seconds: float) -> Outcome:
        """Run one new action, which may take so long."""
        dispatch = sidecars.make_dispatch(deadline=time.time() + seconds, is_first=True)
        url = f"http://127.0.0.1:{self.settings.action_port}/actions/{dispatch.action_id}"
        async with (
            aiohttp.ClientSession(headers={"Authorization": "Bearer t"}) as http,
            http.post(f"{url}?wait={seconds}", data=dispatch.encode()) as response,
        ):
            body = await response.read()
            assert response.status == 200, body
            return Outcome.decode(body)


class KeepingFunction(WritingFunction):
    """Leaves a value of a name of its own at every call, so that no action waits for another."""

    def call(self, folder: Path) -> dict[str, str]:
        (folder / "out/instance" / folder.name).write_bytes(large_value(folder.name))
        self.calls += 1
        return {"name": folder.name}


@pytest.fixture
def function() -> Iterator[WritingFunction]:
    with KeepingFunction() as function:
        yield function


@pytest.fixture
async def sidecar(
    place: s3.Place, file: CredentialsFile, function: WritingFunction, tmp_path: Path
) -> AsyncIterator[SidecarProcess]:
    """A sidecar that was lent credentials for a short time."""
    await lending.replace(file, await lend_for(place, seconds=60))
    action, variable, metrics = free_ports(3)
    process = SidecarProcess(
        SidecarSettings(
            store=place.url,
            store_credentials_file=file.path,
            token="t",
            shared_dir=str(tmp_path / "shared"),
            function_port=function.port,
            action_port=action,
            variable_port=variable,
            metrics_port=metrics,
        )
    )
    try:
        await sidecars.eventually(process.is_ready, seconds=30)
        yield process
    finally:
        process.process.kill()
        process.process.wait()


async def test_a_sidecar_works_on_across_a_rotation_without_a_failure(
    sidecar: SidecarProcess, place: s3.Place, file: CredentialsFile
) -> None:
    first, second = await lend_for(place, seconds=4), await lend_for(place, seconds=600)
    await lending.replace(file, first)
    end_of_first = first.expires_at - UNUSED_SECONDS
    outcomes: list[tuple[float, Outcome]] = []

    def has_worked_long_enough() -> bool:
        return len([at for at, _ in outcomes if at > end_of_first + 1]) > WRITERS

    async def work() -> None:
        while not has_worked_long_enough():
            outcomes.append((time.time(), await sidecar.run(seconds=60)))

    async with asyncio.timeout(120), asyncio.TaskGroup() as tasks:
        for _ in range(WRITERS):
            tasks.create_task(work())
        await sidecars.eventually(lambda: len(outcomes) >= WRITERS, seconds=60)
        await lending.replace(file, second)

    assert {outcome.status for _, outcome in outcomes} == {OutcomeStatus.COMPLETE}


async def test_an_action_waits_until_credentials_that_have_ended_are_replaced(
    sidecar: SidecarProcess, place: s3.Place, file: CredentialsFile, function: WritingFunction
) -> None:
    await lending.replace(file, await lend_for(place, seconds=-3600))
    action = asyncio.create_task(sidecar.run(seconds=60))
    await sidecars.eventually(lambda: function.calls == 1, seconds=30)
    assert not action.done()

    await lending.replace(file, await lend_for(place, seconds=600))

    assert (await action).status is OutcomeStatus.COMPLETE
    assert function.calls == 1


async def test_a_function_is_told_that_the_store_is_away_and_not_that_nothing_is_there(
    place: s3.Place, file: CredentialsFile, tmp_path: Path
) -> None:
    good, ended = await lend_for(place, seconds=600), await lend_for(place, seconds=-3600)
    await lending.replace(file, good)
    answers: list[tuple[int, str, str]] = []

    async def ask(call: Call) -> object:
        url = call.pod.url() + f"?aid={call.action_id}&scope=namespace&key=k"

        async def answer() -> int:
            async with call.pod.http.get(url) as response:
                retry = response.headers.get("Retry-After", "")
                answers.append((response.status, retry, await response.text()))
                return response.status

        async def is_refused() -> bool:
            return await answer() == 503

        async def is_answered() -> bool:
            return await answer() == 200

        await lending.replace(file, ended)
        await sidecars.eventually(is_refused, seconds=30)
        await lending.replace(file, good)
        await sidecars.eventually(is_answered, seconds=30)
        return {}

    store = lending.make_store(place, file)
    async with sidecars.running(tmp_path / "shared", store=store) as pod:
        outcome = await pod.run(ask, deadline=time.time() + 60)

    assert outcome.status is OutcomeStatus.COMPLETE, outcome
    assert {status for status, _, _ in answers} <= {200, 503}
    assert all(text == "value" for status, _, text in answers if status == 200)
    refused = [(retry, json.loads(text)) for status, retry, text in answers if status == 503]
    assert all(retry and it["error"]["code"] == "store_unavailable" for retry, it in refused)
    assert refused
