"""Several operators and one Lease: processes on a real API server, killed, stopped and cut off."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest_asyncio

from tests.support import lease_holder, sidecars
from tests.support.api_proxy import ApiProxy
from tests.support.cluster.control_plane import ApiServer
from varflow_operator import names
from varflow_operator.cluster import Cluster
from varflow_operator.kinds import LEASE
from varflow_operator.leadership import Leadership

SECONDS = 2
"""The Lease's duration; 15 outside of tests."""
LATEST = SECONDS + SECONDS / 3 + 1.0
"""From the death of a holder to the first act of the next."""


@dataclass
class Holder:
    """A running process."""

    process: asyncio.subprocess.Process
    lines: list[dict[str, Any]] = field(default_factory=list)

    async def read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.lines.append(json.loads(line))

    async def until(self, word: str, *, count: int = 1) -> Any:
        """Return what it said last with a word, once it has said so a number of times."""

        def is_said() -> bool:
            assert self.process.returncode is None, self.lines
            return len(self.said(word)) >= count

        await sidecars.eventually(is_said, seconds=30)
        return self.said(word)[-1][word]

    def said(self, word: str) -> list[dict[str, Any]]:
        return [line for line in self.lines if word in line]

    def acts(self) -> list[float]:
        return [line["at"] for line in self.lines if "acts" in line]

    def send(self, number: signal.Signals) -> None:
        os.kill(self.process.pid, number)

    async def ended(self) -> int:
        async with asyncio.timeout(30):
            return await self.process.wait()


Start = Callable[..., Awaitable[Holder]]


@pytest_asyncio.fixture
async def start(api_server: ApiServer, namespace: str) -> AsyncIterator[Start]:
    holders: list[tuple[Holder, asyncio.Task[None]]] = []

    async def begin(name: str, *, kubeconfig: Path = api_server.kubeconfig) -> Holder:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *(lease_holder.__file__, str(kubeconfig), namespace, name, str(SECONDS)),
            stdout=asyncio.subprocess.PIPE,
        )
        holder = Holder(process)
        holders.append((holder, asyncio.ensure_future(holder.read())))
        await holder.until("waits")
        return holder

    yield begin
    for holder, reading in holders:
        if holder.process.returncode is None:
            holder.process.kill()
        await holder.process.wait()
        await reading


async def test_next_takes_over_from_a_holder_that_was_killed(start: Start) -> None:
    first = await start("first")
    epoch = await first.until("epoch")
    second = await start("second")
    await first.until("acts", count=int(SECONDS / lease_holder.ACT_SECONDS))

    first.send(signal.SIGKILL)
    await first.ended()
    next_epoch = await second.until("epoch")
    await second.until("acts")

    assert next_epoch > epoch
    assert 0 < second.acts()[0] - first.acts()[-1] < LATEST


async def test_next_takes_over_at_once_from_a_holder_that_was_stopped(start: Start) -> None:
    first = await start("first")
    epoch = await first.until("epoch")
    second = await start("second")

    first.send(signal.SIGTERM)
    assert await first.ended() == 0
    next_epoch = await second.until("epoch")
    await second.until("acts")

    assert next_epoch == epoch + 1
    assert 0 < second.acts()[0] - first.acts()[-1] < 1.5


async def test_holder_that_was_frozen_ends_without_another_act(start: Start) -> None:
    first = await start("first")
    await first.until("acts")
    second = await start("second")

    first.send(signal.SIGSTOP)
    await second.until("acts", count=10)
    first.send(signal.SIGCONT)

    assert await first.ended() == 1
    assert first.acts()[-1] < second.acts()[0]


async def test_holder_that_is_cut_off_ends_before_the_next_begins(
    start: Start, api_server: ApiServer, tmp_path: Path
) -> None:
    async with ApiProxy(api_server).serving() as proxy:
        first = await start("first", kubeconfig=proxy.write_kubeconfig(tmp_path))
        await first.until("acts")
        second = await start("second")

        proxy.hold()  # answers come no more, connections stay
        assert await first.ended() == 1
        ended = len(second.acts())
        await second.until("acts")
        proxy.release()

    assert ended == 0
    assert first.acts()[-1] < second.acts()[0]


async def test_holder_rides_out_a_server_that_is_away_for_a_moment(
    start: Start, api_server: ApiServer, tmp_path: Path
) -> None:
    async with ApiProxy(api_server).serving() as proxy:
        first = await start("first", kubeconfig=proxy.write_kubeconfig(tmp_path))
        await first.until("acts")

        await proxy.refuse()
        await asyncio.sleep(SECONDS / 4)
        await proxy.listen()
        await first.until("acts", count=int(3 * SECONDS / lease_holder.ACT_SECONDS))

        assert first.process.returncode is None


async def test_one_of_many_that_start_together_holds(start: Start) -> None:
    holders = await asyncio.gather(*(start(f"h{number}") for number in range(4)))
    await sidecars.eventually(lambda: any(holder.acts() for holder in holders), seconds=30)

    await asyncio.sleep(SECONDS)

    assert sum(bool(holder.acts()) for holder in holders) == 1


async def test_lease_that_somebody_deletes_comes_back_under_its_holder(
    api_server: ApiServer, namespace: str
) -> None:
    async with Cluster.connect(kubeconfig=str(api_server.kubeconfig)) as cluster:
        lead = Leadership(cluster, namespace=namespace, pod_name="p", seconds=SECONDS)
        async with lead.hold():
            await cluster.delete(LEASE, namespace, names.LEASE)
            spec = await lease_spec(cluster, namespace)

    assert spec["leaseTransitions"] == lead.epoch
    assert spec["holderIdentity"].startswith("p_")


async def test_lease_that_somebody_took_ends_its_holder(
    api_server: ApiServer, namespace: str
) -> None:
    reasons: list[str] = []
    async with Cluster.connect(kubeconfig=str(api_server.kubeconfig)) as cluster:
        lead = Leadership(
            cluster, namespace=namespace, pod_name="p", seconds=SECONDS, give_up=reasons.append
        )
        async with lead.hold():
            await cluster.patch(
                LEASE, namespace, names.LEASE, {"spec": {"holderIdentity": "thief"}}
            )
            await sidecars.eventually(lambda: not lead.is_held, seconds=10)

    assert reasons[0] == "the Lease is held by thief"


async def test_what_is_in_the_way_of_the_lease_is_told(
    api_server: ApiServer, tmp_path: Path, namespace: str
) -> None:
    told: list[str] = []
    async with ApiProxy(api_server).serving() as proxy:
        kubeconfig = str(proxy.write_kubeconfig(tmp_path))
        async with Cluster.connect(kubeconfig=kubeconfig) as cluster:
            await proxy.refuse()
            lead = Leadership(
                cluster, namespace=namespace, pod_name="p", seconds=SECONDS, note=told.append
            )
            holding = asyncio.ensure_future(hold(lead))
            await sidecars.eventually(lambda: bool(told), seconds=10)
            await proxy.listen()
            await holding

    assert "cannot be reached" in told[0]
    assert told[-1] == ""


async def hold(lead: Leadership) -> None:
    async with lead.hold():
        pass


async def lease_spec(cluster: Cluster, namespace: str) -> Any:
    async def is_there() -> bool:
        return await cluster.find(LEASE, namespace, names.LEASE) is not None

    await sidecars.eventually(is_there, seconds=10)
    return (await cluster.get(LEASE, namespace, names.LEASE))["spec"]
