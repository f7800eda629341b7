"""How many requests a use of variables costs in S3: each is money and some 30 ms."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tests.support import s3, stores
from tests.support.faulty_s3 import FaultyS3
from varflow.variables import paths
from varflow.variables.scopes import Address, Owners, Scope
from varflow.variables.variables import Change, Variables

OWNERS = Owners(cluster="c", namespace="ns", workflow="wf", instance="in")
COUNTER = Address(OWNERS, Scope.WORKFLOW, "counter")
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def proxy() -> Iterator[FaultyS3]:
    with s3.moto() as server, FaultyS3(server) as proxy:
        yield proxy


@pytest_asyncio.fixture
async def variables(proxy: FaultyS3) -> AsyncIterator[Variables]:
    place = s3.make_place(proxy.server, s3.make_bucket(proxy.server))
    variables = Variables(place.make_store())
    await variables.open()
    proxy.take()
    yield variables
    await variables.close()


def counts(proxy: FaultyS3) -> dict[str, int]:
    return dict(Counter(proxy.take()))


async def test_a_small_write_is_two_requests_and_the_next_one(
    variables: Variables, proxy: FaultyS3
) -> None:
    await variables.set(COUNTER, b"1")
    assert proxy.take() == ["GET", "PUT"]
    await variables.set(COUNTER, b"2")
    assert proxy.take() == ["PUT"]


async def test_a_write_does_not_ask_whether_it_may_send_its_bytes(
    variables: Variables, proxy: FaultyS3
) -> None:
    await variables.set(COUNTER, b"1")
    await variables.set(COUNTER, stores.chunks_of(b"x" * 9 * MIB))
    assert [request.kind for request in proxy.requests if "Expect" in request.headers] == []


async def test_a_read_is_one_request_also_of_what_is_missing(
    variables: Variables, proxy: FaultyS3
) -> None:
    assert await variables.get(COUNTER) is None
    assert proxy.take() == ["GET"]
    await variables.set(COUNTER, b"x" * 1024)
    proxy.take()
    found = await variables.get(COUNTER)
    assert found is not None
    assert await found.bytes() == b"x" * 1024
    assert proxy.take() == ["GET"]


async def test_a_large_value_costs_one_request_more_each_way(
    variables: Variables, proxy: FaultyS3
) -> None:
    await variables.set(COUNTER, stores.chunks_of(b"x" * MIB, b"y" * MIB))
    assert counts(proxy) == {"GET": 1, "PUT": 2}
    found = await variables.get(COUNTER)
    assert found is not None
    assert len(await found.bytes()) == 2 * MIB
    assert counts(proxy) == {"GET": 2}


@pytest.mark.parametrize("count", [1, 2, 10])
async def test_a_commit_reads_and_writes_each_record_and_its_decision_once_before_the_answer(
    count: int, variables: Variables, proxy: FaultyS3
) -> None:
    changes = [
        Change(
            Address(OWNERS, Scope.NAMESPACE, f"k{number}"),
            await variables.store_content(OWNERS, b"value"),
        )
        for number in range(count)
    ]
    decision = paths.decision(OWNERS, "1-0")
    await variables.commit(decision, changes)
    assert counts(proxy) == {"GET": count + 1, "PUT": count + 1}
    await variables.settle()
    assert counts(proxy) == {"PUT": count}


async def test_opening_is_a_listing_and_the_layout_marker(proxy: FaultyS3) -> None:
    place = s3.make_place(proxy.server, s3.make_bucket(proxy.server))
    proxy.take()
    for requests in (["GET list-type", "GET", "PUT"], ["GET list-type", "GET"]):
        variables = Variables(place.make_store())
        await variables.open()
        await variables.close()
        assert proxy.take() == requests
