"""Promise 1 of design.md §8: whatever clients do at once, it is as if one after the other.

Clients get, set, create, compare and set, remove and commit a few variables, some of which expire,
while their processes are killed. What each of them saw is then given to a checker of histories. A
longer run: VARFLOW_HISTORY_OPERATIONS=10000.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
from pathlib import Path

import pytest

from tests.support import histories, history_processes, linearizability, s3
from tests.support.cluster.s3_servers import S3Server
from tests.support.doomed import Ground
from tests.support.histories import Journal
from varflow.variables.stores.memory import MemoryStore
from varflow.variables.variables import Variables

OPERATIONS = int(os.environ.get("VARFLOW_HISTORY_OPERATIONS", "2000"))
SHARES = {"memory": 0.4, "file": 0.4, "s3": 0.2}
"""Of the operations; S3 is ten times slower."""
IS_LONG = OPERATIONS > 2000
SEED = int(os.environ.get("VARFLOW_HISTORY_SEED", "1"))

LONG_SECONDS = 400 if not IS_LONG else 3600


def count_of(kind: str) -> int:
    return OPERATIONS if IS_LONG else int(OPERATIONS * SHARES[kind])


def check(journals: list[Path], *, count: int) -> None:
    calls, returns = histories.read_events(journals)
    assert len(calls) >= count
    assert len(returns) > 0.9 * count  # what nobody knows proves nothing
    assert {call["do"] for call in calls} >= {"get", "set", "create", "compare", "remove", "commit"}
    assert linearizability.check(histories.read(journals)) is None


@pytest.fixture
def s3_ground(s3_server: S3Server, bucket: str, tmp_path: Path) -> Ground:
    place = s3.make_place(s3_server, bucket)
    return Ground(tmp_path, place.url, s3.credentials_of(s3_server))


@pytest.mark.timeout(LONG_SECONDS)
async def test_a_history_in_memory_with_cancelled_clients_is_linearizable(tmp_path: Path) -> None:
    store, chance = MemoryStore(), random.Random(SEED)
    count = count_of("memory")
    journals: list[Path] = []
    while (left := count - len(histories.read_events(journals)[0])) > 0:
        seconds = chance.uniform(0.05, 0.3)
        pair = [tmp_path / f"{len(journals) + number}.journal" for number in range(2)]
        await asyncio.gather(
            *(run_for(seconds, store, journal, count=(left + 1) // 2) for journal in pair)
        )
        journals += pair
    check(journals, count=count)


async def run_for(seconds: float, store: MemoryStore, file: Path, *, count: int) -> None:
    """Let clients work, and cancel what they do when the time is over."""
    variables, journal = Variables(store, clock=histories.clock), Journal(file)
    working = histories.run_clients(
        variables, journal, seed=f"{SEED}.{file.stem}", count=count, clients=4
    )
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await working
    await variables.settle()
    journal.close()


@pytest.mark.parametrize("kind", ["file", "s3"])
@pytest.mark.timeout(LONG_SECONDS)
async def test_a_history_of_killed_processes_is_linearizable(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if kind == "s3":
        ground: Ground = request.getfixturevalue("s3_ground")
    else:
        ground = Ground(tmp_path, (tmp_path / "store").as_uri())
    count = count_of(kind)
    journals = await history_processes.run(ground, seed=SEED, count=count)
    check(journals, count=count)
