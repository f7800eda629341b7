"""Sealing a namespace with another key, over every driver."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support import renewals, s3, stores
from tests.support.cluster.s3_servers import S3Server
from tests.support.encryption import RING
from tests.support.renewals import LARGE, LARGE_KEY, PREFIX, SECOND_ALONE, SMALL_KEY
from tests.support.variables import OWNERS, Clock
from varflow.variables.encryption.headers import Header
from varflow.variables.renewal import counting
from varflow.variables.stores.base import ObjectStore
from varflow.variables.stores.file import FileStore
from varflow.variables.stores.memory import MemoryStore
from varflow.variables.sweep.findings import Ages, Kind
from varflow.variables.sweep.sweeps import Sweep


@pytest.fixture(scope="module")
def versitygw_bucket(s3_server: S3Server) -> tuple[S3Server, str]:
    return s3_server, s3.make_bucket(s3_server)


@pytest.fixture(params=["memory", "file", "versitygw_bucket"])
async def inner(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ObjectStore]:
    made: ObjectStore
    match request.param:
        case "memory":
            made = MemoryStore()
        case "file":
            made = FileStore(tmp_path / "store")
        case bucket:
            made = s3.make_place(*request.getfixturevalue(bucket)).make_store()
    await made.open()
    yield made
    await made.close()


@pytest.fixture
async def clock(inner: ObjectStore) -> Clock:
    """The clock of a store that has one of everything under the first key."""
    clock = Clock()
    variables = renewals.open_variables(inner, RING, clock=clock)
    await renewals.fill(variables)
    return clock


async def headers(inner: ObjectStore, prefix: str) -> dict[str, Header | None]:
    """Return what the objects begin with, salts included."""
    return {
        listed.path: await counting.find_header(inner, listed)
        async for listed in inner.list(prefix)
    }


async def test_afterwards_the_new_key_alone_opens_all_values_as_they_were(
    inner: ObjectStore, clock: Clock
) -> None:
    before = renewals.facts(await renewals.known(renewals.open_variables(inner, clock=clock)))
    assert len(before) == 9

    done = await renewals.renew(inner, clock=clock)

    alone = renewals.open_variables(inner, SECOND_ALONE, clock=clock)
    assert renewals.facts(await renewals.known(alone)) == before
    assert sum(done.values()) == 11
    assert await renewals.renew(inner, clock=clock) == {}, "there is nothing left to do"


async def test_variables_go_on_with_the_new_key_alone(inner: ObjectStore, clock: Clock) -> None:
    await renewals.renew(inner, clock=clock)
    alone = renewals.open_variables(inner, SECOND_ALONE, clock=clock)
    info = (await alone.revisions(SMALL_KEY))[0]

    await alone.set(SMALL_KEY, b"on")
    await alone.settle()

    kept = [it.rev for it in await alone.revisions(SMALL_KEY)]
    assert len(kept) == 2
    assert kept[1] == info.rev, "the older ones went first"


async def test_decisions_data_logs_and_other_namespaces_are_not_touched(
    inner: ObjectStore, clock: Clock
) -> None:
    root = PREFIX.removesuffix(f"{OWNERS.namespace}/")
    kept = [f"{PREFIX}i/{OWNERS.instance}/{part}/" for part in ("decisions", "data", "log")]
    before = [await headers(inner, prefix) for prefix in (*kept, f"{root}other/")]
    assert all(before)

    await renewals.renew(inner, clock=clock)

    assert [await headers(inner, prefix) for prefix in (*kept, f"{root}other/")] == before
    other = replace(SMALL_KEY, owners=replace(OWNERS, namespace="other"))
    value = await renewals.open_variables(inner, RING, clock=clock).get(other)
    assert value is not None
    assert await value.bytes() == LARGE


async def test_what_was_copied_is_swept_later_and_nothing_else(
    inner: ObjectStore, clock: Clock
) -> None:
    old = await renewals.body_of(renewals.open_variables(inner, RING, clock=clock), LARGE_KEY)
    await renewals.renew(inner, clock=clock)
    alone = renewals.open_variables(inner, SECOND_ALONE, clock=clock)
    before = renewals.facts(await renewals.known(alone))
    both = renewals.open_variables(inner, clock=clock)

    sweep = Sweep(both.store, clock=clock, ages=Ages(unused=0.0), is_repairing=True)
    _, swept = [[it async for it in sweep.namespace(PREFIX)] for _ in range(2)]

    gone = {it.finding.path for it in swept if it.finding.kind is Kind.ORPHANED_BODY}
    assert old in gone
    assert not gone & set(await stores.paths_in(inner))
    assert renewals.facts(await renewals.known(alone)) == before
