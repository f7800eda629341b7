"""What the operator makes of a store that lies, as long as it does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest_asyncio

from tests.support import lying_s3, s3, sidecars
from tests.support.faulty_s3 import Fault, FaultyS3
from tests.support.sidecars import Call
from varflow.variables.probe.promises import KEPT, Promise, Verdict
from varflow.variables.stores.base import ObjectStore
from varflow.variables.stores.memory import MemoryStore
from varflow_operator.metrics import Metrics
from varflow_operator.readiness import Readiness
from varflow_operator.storing import Insisting, Judging


class Office:
    """A judge, and what others learn of the verdict."""

    def __init__(self) -> None:
        self.readiness = Readiness()
        self.metrics = Metrics()
        insist = Insisting(self.readiness)
        self.judge = Judging(insist, self.readiness, self.metrics, again_seconds=0.01).judge

    def kept(self, promise: Promise) -> float | None:
        name = "varflow_operator_store_promises_kept"
        return self.metrics.registry.get_sample_value(name, {"promise": promise})


@asynccontextmanager
async def lying_store(lie: Fault) -> AsyncIterator[tuple[FaultyS3, ObjectStore]]:
    """A store on a server that lies, and the liar."""
    with s3.moto() as server:
        place = s3.make_place(server, s3.make_bucket(server))
        with FaultyS3(server, lie=lie) as proxy:
            store = s3.Place(proxy.server, place.bucket, place.prefix).make_store()
            await store.open()
            yield proxy, store
            await store.close()


@pytest_asyncio.fixture
async def liar() -> AsyncIterator[tuple[FaultyS3, ObjectStore]]:
    async with lying_store(lying_s3.making_what_is_missing) as found:
        yield found


async def test_a_store_that_is_mended_is_found_so(liar: tuple[FaultyS3, ObjectStore]) -> None:
    proxy, store = liar
    office = Office()
    judging = asyncio.create_task(office.judge(store, accepts_unsafe=False))
    await sidecars.eventually(lambda: "replace-missing: 4 of 4" in office.readiness.text)
    assert not office.readiness.is_ready
    assert (office.kept(Promise.WRITES), office.kept(Promise.UPDATES)) == (1, 0)

    proxy.repent()

    assert await judging == KEPT
    assert office.kept(Promise.UPDATES) == 1


async def test_an_accepted_store_is_judged_once(liar: tuple[FaultyS3, ObjectStore]) -> None:
    _, store = liar
    office = Office()

    verdict = await office.judge(store, accepts_unsafe=True)

    assert verdict == Verdict(frozenset({Promise.UPDATES, Promise.COMMITS}))
    office.readiness.set("leading")
    assert office.readiness.text.startswith("leading; the store does not keep: updates (")


async def test_over_a_store_that_ignores_conditions_an_accepted_sidecar_refuses_them(
    tmp_path: Path,
) -> None:
    """PE-30: not ready; accepted, a create is 501 and a plain write works."""
    async with lying_store(lying_s3.ignoring("if-none-match")) as (_, store):
        office = Office()
        judging = asyncio.create_task(office.judge(store, accepts_unsafe=False))
        await sidecars.eventually(lambda: "create: 3 of 3" in office.readiness.text)
        assert not office.readiness.is_ready
        judging.cancel()

        verdict = await office.judge(store, accepts_unsafe=True)
        async with sidecars.running(tmp_path / "shared", store=store, verdict=verdict) as pod:
            outcome = await pod.run(write_and_create)
            assert await pod.read("instance", "k") == b"plain"

    assert outcome.output == [200, [501, "conditions_unsupported"]]


async def write_and_create(call: Call) -> object:
    """Write a variable, then create it; return how both ended."""
    url = call.pod.url(f"/var?aid={call.action_id}&key=k")
    async with call.pod.http.put(url, data=b"plain") as plain:
        pass
    async with call.pod.http.put(f"{url}&mode=create", data=b"created") as created:
        code = (await created.json())["error"]["code"]
    return [plain.status, [created.status, code]]


async def test_a_store_without_a_server_is_good() -> None:
    office = Office()

    assert await office.judge(MemoryStore(), accepts_unsafe=False) == KEPT
    assert [office.kept(promise) for promise in Promise] == [1, 1, 1]
