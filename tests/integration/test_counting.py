"""Promise 1 of design.md §8: of 32 writers that compare and swap one counter none loses."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support import counting_processes, s3, sidecars
from tests.support.counting_processes import COUNTER
from tests.support.doomed import Ground
from tests.support.sidecars import OWNERS, Call, Pod
from varflow.variables.scopes import Address, Scope
from varflow.variables.variables import Variables

PROCESSES, WRITERS = 4, 8
TIMES = {"file": 10, "s3": 3}
PODS, CALLERS = 2, 16
LONG_SECONDS = 300

in_either_store = pytest.mark.parametrize("kind", ["file", "s3"])


@pytest.fixture
def ground(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> Ground:
    if kind == "file":
        return Ground(tmp_path, (tmp_path / "store").as_uri())
    server = request.getfixturevalue("s3_server")
    place = s3.make_place(server, request.getfixturevalue("bucket"))
    return Ground(tmp_path, place.url, s3.credentials_of(server))


async def end_of(ground: Ground, address: Address) -> tuple[int, int]:
    """Return the counter's number and how often it was written."""
    variables = Variables(ground.make_store())
    await variables.open()
    found = await variables.get(address)
    assert found is not None
    ended = int(await found.bytes()), int(found.rev.partition("-")[0])
    await variables.close()
    return ended


@in_either_store
@pytest.mark.timeout(LONG_SECONDS)
async def test_of_32_writers_in_four_processes_no_increment_is_lost(
    kind: str, ground: Ground
) -> None:
    numbers = await asyncio.to_thread(
        counting_processes.count_in_processes,
        ground,
        processes=PROCESSES,
        writers=WRITERS,
        times=TIMES[kind],
    )
    total = PROCESSES * WRITERS * TIMES[kind]
    assert sorted(numbers) == list(range(1, total + 1))
    assert await end_of(ground, COUNTER) == (total, total)


@contextlib.asynccontextmanager
async def at_work(ground: Ground, name: str) -> AsyncIterator[tuple[Pod, str]]:
    """A pod with a store object of its own, and the id of an action that its function is at."""
    done = asyncio.Event()

    async def wait(call: Call) -> object:
        await done.wait()
        return {}

    async with sidecars.running(ground.folder / name, store=ground.make_store()) as pod:
        pod.function.handler = wait
        dispatch = sidecars.make_dispatch(deadline=time.time() + LONG_SECONDS)
        task = asyncio.ensure_future(pod.sidecar.actions.run(dispatch))
        await sidecars.eventually(lambda: bool(pod.function.calls))
        yield pod, dispatch.action_id
        done.set()
        await task


async def count_by_http(pod: Pod, aid: str, times: int) -> list[int]:
    """Add one as a function does: GET, then PUT with the entity tag that came."""
    url = pod.url(f"/var?aid={aid}&scope=namespace&key=counter")
    numbers: list[int] = []
    while len(numbers) < times:
        async with pod.http.get(url) as found:
            assert found.status == 200
            number, etag = int(await found.read()) + 1, found.headers["ETag"]
        async with pod.http.put(url, data=b"%d" % number, headers={"If-Match": etag}) as put:
            assert put.status in {200, 412}
            if put.status == 200:
                numbers.append(number)
                continue
        await asyncio.sleep(random.uniform(0, 0.05))
    return numbers


@in_either_store
@pytest.mark.timeout(LONG_SECONDS)
async def test_of_32_callers_of_two_sidecars_no_increment_is_lost(
    kind: str, ground: Ground
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        pods = [await stack.enter_async_context(at_work(ground, f"p{n}")) for n in range(PODS)]
        await pods[0][0].write("namespace", "counter", b"0")
        counted = await asyncio.gather(
            *(count_by_http(*pod, TIMES[kind]) for pod in pods for _ in range(CALLERS))
        )
    total = PODS * CALLERS * TIMES[kind]
    assert sorted(number for numbers in counted for number in numbers) == list(range(1, total + 1))
    assert await end_of(ground, Address(OWNERS, Scope.NAMESPACE, "counter")) == (total, total + 1)
