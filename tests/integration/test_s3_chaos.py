"""Promise 1 of design.md §8 over an S3 server on which every tenth request fails.

It answers with errors, hangs, cuts bodies, and fails after it has stored. What was acknowledged is
there, what was refused is not, functions are told to come back, and trying again stays cheap. A
longer run: VARFLOW_CHAOS_OPERATIONS=2000.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.support import chaos, faulty_s3, histories, linearizability, s3, sidecars
from tests.support.chaos import Chaos
from tests.support.cluster.s3_servers import S3Server
from tests.support.faulty_s3 import FaultyS3
from tests.support.histories import Journal
from tests.support.sidecars import OWNERS, Call
from varflow.errors import StoreUnavailable
from varflow.variables import paths
from varflow.variables.scopes import Address, Scope
from varflow.variables.stores import s3_urls
from varflow.variables.stores.s3 import S3Store
from varflow.variables.variables import Change, Variables

OPERATIONS = int(os.environ.get("VARFLOW_CHAOS_OPERATIONS", "240"))
SEED = int(os.environ.get("VARFLOW_CHAOS_SEED", "1"))
SHARE = 0.1
MOST_REQUESTS = 1.5
"""For each that would do on a good day."""
LONG_SECONDS = 120 + OPERATIONS


def make_store(place: s3.Place) -> S3Store:
    url = s3_urls.parse(place.url)
    return S3Store(url, s3.credentials_of(place.server), read_seconds=chaos.READ_SECONDS)


@asynccontextmanager
async def opened(place: s3.Place) -> AsyncIterator[Variables]:
    variables = Variables(make_store(place), clock=histories.clock)
    await variables.open()
    yield variables
    await variables.close()


async def open_somehow(place: s3.Place) -> Variables:
    """Return variables that are open, on a bad day too."""
    while True:
        variables = Variables(make_store(place), clock=histories.clock)
        try:
            await variables.open()
        except StoreUnavailable:
            continue
        return variables


@pytest.mark.timeout(LONG_SECONDS)
async def test_a_history_over_a_failing_server_is_linearizable(
    s3_server: S3Server, bucket: str, tmp_path: Path
) -> None:
    day = Chaos(seed=SEED, share=SHARE)
    journals = [tmp_path / f"{number}.journal" for number in range(3)]
    with FaultyS3(s3_server, lie=day, is_orderly=False) as proxy:
        place = s3.make_place(proxy.server, bucket)
        await asyncio.gather(*(run_clients(place, journal) for journal in journals))
    calls, returns = histories.read_events(journals)
    assert set(day.counts) == set(chaos.FAULTS)
    assert len(returns) > 0.8 * len(calls)  # what nobody knows proves nothing
    assert linearizability.check(histories.read(journals)) is None


async def run_clients(place: s3.Place, file: Path) -> None:
    variables, journal = await open_somehow(place), Journal(file)
    seed = f"{SEED}.{file.stem}"
    await histories.run_clients(variables, journal, seed=seed, count=OPERATIONS // 3, clients=4)
    await variables.close()
    journal.close()


@pytest.mark.timeout(LONG_SECONDS)
async def test_trying_again_costs_at_most_half_as_many_requests_more(
    s3_server: S3Server, bucket: str
) -> None:
    needed = await count_requests(Chaos(seed=SEED, share=0), s3_server, bucket)
    sent = await count_requests(Chaos(seed=SEED, share=SHARE), s3_server, bucket)
    assert needed < sent <= MOST_REQUESTS * needed, f"{sent} for {needed}"


async def count_requests(day: Chaos, server: S3Server, bucket: str) -> int:
    """Return how many requests the same work costs on such a day."""
    with FaultyS3(server, lie=day, is_orderly=False) as proxy:
        variables = await open_somehow(s3.make_place(proxy.server, bucket))
        proxy.take()
        await work(variables)
        await variables.close()
        return len(proxy.take())


async def work(variables: Variables) -> None:
    """Use some variables, one after the other; what fails is begun again."""
    chance = random.Random(SEED)
    for number in range(OPERATIONS // 6):
        address = Address(OWNERS, Scope.WORKFLOW, chance.choice("abc"))
        data = b"%d" % number * chance.choice([1, 1, 1, 40_000])
        while not await is_used(variables, address, data, decision=f"{number}-0"):
            pass


async def is_used(variables: Variables, address: Address, data: bytes, *, decision: str) -> bool:
    """Set and get a variable and commit two; return whether all of that went well."""
    try:
        await variables.set(address, data)
        found = await variables.get(address)
        assert found is not None
        assert await found.bytes() == data
        content = await variables.store_content(OWNERS, decision.encode())
        changes = [Change(Address(OWNERS, Scope.WORKFLOW, key), content) for key in "ab"]
        await variables.commit(paths.decision(OWNERS, decision), changes)
    except StoreUnavailable:
        return False
    await variables.settle()
    return True


AWAY = {name: fault for name, fault in chaos.FAULTS.items() if "cut" not in name}


@pytest.mark.parametrize("fault", [pytest.param(one, id=name) for name, one in AWAY.items()])
async def test_a_function_is_told_to_come_back_and_then_finds_what_was_acknowledged(
    fault: faulty_s3.Fault, s3_server: S3Server, bucket: str, tmp_path: Path
) -> None:
    answers: list[tuple[int, str, str | None]] = []

    with FaultyS3(s3_server, is_orderly=False) as proxy:

        async def use(call: Call) -> object:
            url = call.pod.url(f"/var?aid={call.action_id}&scope=workflow&key=k")
            for method in ("GET", "PUT", "DELETE"):
                for kind in ("GET", "PUT"):
                    proxy.fail(kind, *[fault] * 9)
                async with call.pod.http.request(method, url, data=b"new") as answer:
                    code = json.loads(await answer.read())["error"]["code"]
                    answers.append((answer.status, code, answer.headers.get("Retry-After")))
                proxy.forgive()
            async with call.pod.http.put(url, data=b"after") as answer:
                assert answer.status == 200
            async with call.pod.http.get(url) as answer:
                return (await answer.read()).decode()

        store = make_store(s3.make_place(proxy.server, bucket))
        async with sidecars.running(tmp_path / "shared", store=store) as pod:
            await pod.write("workflow", "k", b"old")
            outcome = await pod.run(use)
    assert answers == [(503, "store_unavailable", "1")] * 3
    assert outcome.output == "after"
