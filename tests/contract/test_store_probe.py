"""The probe before servers that lie, each in its way, and before those that do not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.support import faulty_s3, s3, stores
from tests.support.cluster.s3_servers import S3Server
from tests.support.faulty_s3 import Fault, FaultyS3, Hanging
from tests.support.lying_s3 import LIES
from varflow.errors import StoreError, StoreReadOnly, StoreUnavailable
from varflow.variables import paths
from varflow.variables.probe import probing
from varflow.variables.probe.promises import Promise, Verdict
from varflow.variables.stores import s3_urls
from varflow.variables.stores.base import ObjectStore
from varflow.variables.stores.file import FileStore
from varflow.variables.stores.memory import MemoryStore
from varflow.variables.stores.s3 import S3Store

LONGEST_SECONDS = 3.0
TRIES = 3
"""Of which one must be in time: a busy machine may hold up any of them."""

lies = pytest.mark.parametrize(
    ("make", "checks"), [pytest.param(*lie, id=name) for name, lie in LIES.items()]
)


@pytest.fixture(scope="module")
def moto_bucket() -> Iterator[tuple[S3Server, str]]:
    with s3.moto() as server:
        yield server, s3.make_bucket(server)


@pytest.fixture
def place(moto_bucket: tuple[S3Server, str]) -> s3.Place:
    return s3.make_place(*moto_bucket)


@asynccontextmanager
async def opened(store: ObjectStore) -> AsyncIterator[ObjectStore]:
    await store.open()
    try:
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def behind(place: s3.Place, lie: Fault | None = None) -> AsyncIterator[ObjectStore]:
    """Give the store at a place, by way of a proxy that lies."""
    with FaultyS3(place.server, lie=lie) as proxy:
        lying = s3.Place(proxy.server, place.bucket, place.prefix)
        async with opened(lying.make_store()) as store:
            yield store


async def probed_in_time(store: ObjectStore) -> probing.Report:
    """Return a report that was there in time."""
    for _ in range(TRIES):
        report = await probing.probe(store)
        if report.seconds < LONGEST_SECONDS:
            return report
    raise AssertionError(f"no probe of {TRIES} took less than {LONGEST_SECONDS} s")


def failed(report: probing.Report) -> set[str]:
    return {finding.check.name for finding in report.faults}


# Servers that lie


@lies
async def test_each_lie_is_found_in_time_and_nothing_left(
    make: Callable[[], Fault], checks: set[str], place: s3.Place
) -> None:
    async with behind(place, make()) as store:
        report = await probed_in_time(store)

    assert report.faults
    assert checks <= failed(report)
    assert not report.verdict
    async with opened(place.make_store()) as store:
        assert await stores.paths_in(store) == []


@pytest.mark.parametrize(
    ("lie", "broken"),
    [
        ("If-None-Match is ignored", {Promise.UPDATES, Promise.COMMITS}),
        ("If-Match is ignored", set(Promise)),
        ("reads are stale", {Promise.WRITES, Promise.COMMITS}),
        ("lists are stale", {Promise.COMMITS}),
    ],
)
async def test_only_what_rests_on_the_lie_is_off(
    lie: str, broken: set[Promise], place: s3.Place
) -> None:
    make, _ = LIES[lie]
    async with behind(place, make()) as store:
        report = await probing.probe(store)

    assert report.verdict == Verdict(frozenset(broken))


async def test_the_complaint_names_store_check_and_promise(place: s3.Place) -> None:
    make, _ = LIES["If-None-Match is ignored"]
    async with behind(place, make()) as store:
        report = await probing.probe(store)
        said = probing.complain(report, store.url)

    assert place.bucket in said
    assert "create: 3 of 3 writes under `If-None-Match: *` replaced 64 bytes" in said
    assert "updates (a compare-and-swap never loses an update)" in said


# Servers that do not


async def test_a_truthful_server_is_found_so_in_time(
    server_bucket: tuple[S3Server, str],
) -> None:
    async with opened(s3.make_place(*server_bucket).make_store()) as store:
        report = await probed_in_time(store)

        assert [(one.check.name, one.fault) for one in report.faults] == []
        assert report.verdict
        assert await stores.paths_in(store) == []


@pytest.fixture(
    params=[
        pytest.param("", id="moto"),
        pytest.param("s3_server", id="versitygw"),
        pytest.param("minio_server", id="minio"),
    ]
)
def server_bucket(
    request: pytest.FixtureRequest, moto_bucket: tuple[S3Server, str]
) -> tuple[S3Server, str]:
    if not request.param:
        return moto_bucket
    server: S3Server = request.getfixturevalue(request.param)
    return server, s3.make_bucket(server)


async def test_probes_at_one_time_do_not_disturb_each_other(place: s3.Place) -> None:
    async with opened(place.make_store()) as one, opened(place.make_store()) as another:
        reports = await asyncio.gather(probing.probe(one), probing.probe(another))

    assert all(report.verdict for report in reports)


@pytest.mark.parametrize("kind", ["file", "memory"])
async def test_drivers_that_compare_by_themselves_pass_and_need_no_probe(
    kind: str, tmp_path: Path
) -> None:
    made: ObjectStore = FileStore(tmp_path / "store") if kind == "file" else MemoryStore()
    async with opened(made) as store:
        assert (await probing.probe(store)).verdict
        assert (await probing.probe_at_start(store)) == probing.Report()
        assert await stores.paths_in(store) == []


async def test_others_things_in_the_store_stay(place: s3.Place) -> None:
    async with opened(place.make_store()) as store:
        await store.put("v1/c/n/n/key", b"1")
        await probing.probe(store)

        assert await stores.paths_in(store) == ["v1/c/n/n/key"]


# Servers that stumble


async def test_a_server_that_fails_midway_is_left_clean(place: s3.Place) -> None:
    with FaultyS3(place.server) as proxy:
        there = s3.Place(proxy.server, place.bucket, place.prefix)
        async with opened(there.make_store()) as store:
            proxy.fail("DELETE", faulty_s3.answering(403, "AccessDenied"))
            with pytest.raises(StoreReadOnly, match="s3:DeleteObject"):
                await probing.probe(store)

            assert await stores.paths_in(store) == []


async def test_a_server_without_conditional_writes_is_an_error_that_says_so(
    place: s3.Place,
) -> None:
    def refuse(request: faulty_s3.Request, send: faulty_s3.Send) -> faulty_s3.Answer:
        if any(name.lower() in {"if-match", "if-none-match"} for name in request.headers):
            return faulty_s3.Answer(501, [], b"<Error><Code>NotImplemented</Code></Error>")
        return send(request)

    async with behind(place, refuse) as store:
        with pytest.raises(StoreError, match="conditional writes"):
            await probing.probe(store)


async def test_a_check_whose_answers_are_lost_is_begun_again(place: s3.Place) -> None:
    lost: list[str] = []

    def lose(request: faulty_s3.Request, send: faulty_s3.Send) -> faulty_s3.Answer | None:
        answer = send(request)
        if "/replace-race/" not in request.target or request.method == "DELETE":
            return answer
        lost.append(request.target)
        return None

    async with behind(place, lose) as store:
        assert (await probing.probe(store)).verdict
        assert lost
        assert await stores.paths_in(store) == []


async def test_a_server_that_hangs_is_unavailable_after_the_deadline(place: s3.Place) -> None:
    hanging = Hanging()
    with FaultyS3(place.server) as proxy:
        there = s3.Place(proxy.server, place.bucket, place.prefix)
        store = S3Store(s3_urls.parse(there.url), s3.credentials_of(there.server), read_seconds=1.0)
        async with opened(store):
            proxy.fail("PUT", hanging)
            try:
                with pytest.raises(StoreUnavailable, match=r"did not answer.*within 0.5 s"):
                    await probing.probe(store, longest_seconds=0.5)
            finally:
                hanging.end()


async def test_what_a_killed_probe_left_is_removed_when_it_is_old() -> None:
    store = MemoryStore()
    await store.put(paths.probe_record("killed", "create", "64"), b"1")
    await store.put(paths.probe_record("running", "create", "64"), b"1")
    killed = store._objects["probes/killed/create/64"]
    object.__setattr__(killed, "modified", killed.modified - 2 * 3600)

    await probing.probe(store)

    assert await stores.paths_in(store) == ["probes/running/create/64"]
