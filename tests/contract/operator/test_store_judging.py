"""What the operator makes of a store that lies, as long as it does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest_asyncio

from tests.support import lying_s3, s3, sidecars
from tests.support.faulty_s3 import FaultyS3
from varflow.variables.promises import KEPT, Promise, Verdict
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


@pytest_asyncio.fixture
async def liar() -> AsyncIterator[tuple[FaultyS3, ObjectStore]]:
    with s3.moto() as server:
        place = s3.make_place(server, s3.make_bucket(server))
        with FaultyS3(server, lie=lying_s3.making_what_is_missing) as proxy:
            store = s3.Place(proxy.server, place.bucket, place.prefix).make_store()
            await store.open()
            yield proxy, store
            await store.close()


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


async def test_a_store_without_a_server_is_good() -> None:
    office = Office()

    assert await office.judge(MemoryStore(), accepts_unsafe=False) == KEPT
    assert [office.kept(promise) for promise in Promise] == [1, 1, 1]
