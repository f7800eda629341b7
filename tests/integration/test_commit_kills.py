"""Promises 1 and 2 of design.md §8, with real processes that are killed or stopped.

An action writes one variable in each scope. Its sidecar dies at some point of the commit; another
writer then overwrites one of the keys; a successor gets the same action. Meanwhile a reader loops
over the keys. All of it over a folder and over an S3 server. In contested schedules the other
writer writes all the time; VARFLOW_KILL_SCHEDULES=200 runs more of them.
"""

from __future__ import annotations

import asyncio
import io
import itertools
import os
import random
import secrets
import signal
import tarfile
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.support import encryption, s3
from tests.support.crashing import When
from tests.support.doomed import DECISION, OWNERS, Doom, DoomedSidecar, Ground, dispatch
from tests.support.writing_function import KEYS, WritingFunction, large_value
from varflow.contract import Outcome, OutcomeStatus
from varflow.variables import paths
from varflow.variables.scopes import Address, Scope
from varflow.variables.variables import Variables

ADDRESSES = {scope: Address(OWNERS, scope, key) for scope, key in KEYS.items()}
OVERWRITTEN = Scope.WORKFLOW
STORE_CALLS = 30
"""More than a commit makes; the last ones run to the end, which the test asserts."""
DEADLY_CALLS = {
    ("file", "before"): range(1, STORE_CALLS + 1),
    ("file", "after"): range(1, STORE_CALLS + 1),
    ("s3", "before"): range(1, STORE_CALLS + 1, 2),
    ("s3", "after"): range(2, STORE_CALLS + 1, 2),
    ("encrypted", "before"): range(1, STORE_CALLS + 1, 2),
    ("encrypted", "after"): range(2, STORE_CALLS + 1, 2),
}
"""All of them over a folder; over a server a process starts ten times slower. Encrypted is a folder
too: what is written is the same in number and order."""
RANDOM_KILLS = {"file": 200, "s3": 20}
BATCH = 20
LONGEST_SECONDS = {"file": 0.06, "s3": 0.3}
"""Within which a whole action usually ends, so that kills fall everywhere in it."""

LONG_SECONDS = 400
"""For twenty and more processes one after the other, on a machine with other things to do."""

SCHEDULES = int(os.environ.get("VARFLOW_KILL_SCHEDULES", "8"))
CONTESTED_CALLS = 16
"""What comes later is mostly after the answer: so four of five schedules have their death."""
SECONDS_EACH = 30
COMPETITORS_PAUSE = 0.005

in_either_store = pytest.mark.parametrize("kind", ["file", "s3"])

MakeGround = Callable[[str], Ground]


@pytest.fixture(scope="module")
def function() -> Iterator[WritingFunction]:
    with WritingFunction() as running:
        yield running


@pytest.fixture
def make_ground(tmp_path: Path, request: pytest.FixtureRequest) -> MakeGround:
    """Return a new store of a kind at each call."""

    def make(kind: str) -> Ground:
        folder = tmp_path / secrets.token_hex(4)
        folder.mkdir()
        if kind != "s3":
            keys = encryption.RING if kind == "encrypted" else None
            return Ground(folder, (folder / "store").as_uri(), keys=keys)
        server = request.getfixturevalue("s3_server")
        place = s3.make_place(server, request.getfixturevalue("bucket"))
        return Ground(folder, place.url, s3.credentials_of(server))

    return make


@asynccontextmanager
async def opened(ground: Ground) -> AsyncIterator[Variables]:
    """Another process's view of the store: a driver of its own."""
    variables = Variables(ground.make_store(), writer="test")
    await variables.open()
    try:
        yield variables
    finally:
        await variables.close()


async def names(variables: Variables) -> dict[Scope, str]:
    """Return which name each variable holds at this moment."""
    return {scope: await name_of(variables, scope) for scope in ADDRESSES}


async def name_of(variables: Variables, scope: Scope) -> str:
    found = await variables.get(ADDRESSES[scope])
    assert found is not None
    data = await found.bytes()
    if found.content_type == "application/gzip":
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            member = archive.extractfile("file")
            assert member is not None
            return member.read().decode()
    return data.rstrip(b".").decode()


async def loop_over(variables: Variables, stop: asyncio.Event) -> None:
    """Read the keys in turn; having seen one new value, never see an old one again."""
    has_seen_new = False
    while not stop.is_set():
        for scope in ADDRESSES:
            name = await name_of(variables, scope)
            assert name != "old" or not has_seen_new, f"{scope} went back to its old value"
            has_seen_new = has_seen_new or name.startswith("new")
        await asyncio.sleep(0)


@asynccontextmanager
async def a_looping_reader(ground: Ground) -> AsyncIterator[None]:
    stop = asyncio.Event()
    async with opened(ground) as variables:
        reading = asyncio.create_task(loop_over(variables, stop))
        try:
            yield
        finally:
            stop.set()
            await reading


async def run_trial(
    ground: Ground, function: WritingFunction, doom: Doom, *, kill_after: float | None = None
) -> bool:
    """Run the story of the module's text once, and return whether the first sidecar died."""
    async with opened(ground) as variables:
        for address in ADDRESSES.values():
            await variables.set(address, b"old")
        async with a_looping_reader(ground):
            died = await asyncio.to_thread(
                _run_first, ground, function.port, doom, kill_after=kill_after
            )
            committed = await variables.find_decision(paths.decision(OWNERS, DECISION))
            await variables.set(ADDRESSES[OVERWRITTEN], large_value("other"))
            winner = await asyncio.to_thread(_run_to_the_end, ground, function.port)
        after = await names(variables)
    expected = dict.fromkeys(ADDRESSES, winner)
    if committed is not None:
        expected[OVERWRITTEN] = "other"  # it came later; no recovery takes it back
    assert after == expected
    return died


def _run_first(ground: Ground, function_port: int, doom: Doom, *, kill_after: float | None) -> bool:
    with DoomedSidecar(ground, function_port=function_port, doom=doom) as sidecar:
        if kill_after is None:
            return sidecar.send(dispatch()) is None
        killing = threading.Timer(kill_after, sidecar.signal, [signal.SIGKILL])
        killing.start()
        outcome = sidecar.send(dispatch())
        killing.cancel()
        killing.join()
        return outcome is None


def _run_to_the_end(ground: Ground, function_port: int) -> str:
    """Send the action to a successor, twice, and return the name that its outcome has."""
    with DoomedSidecar(ground, function_port=function_port) as sidecar:
        outcome = sidecar.send(dispatch())
        again = sidecar.send(dispatch())
    assert outcome is not None
    assert outcome.status is OutcomeStatus.COMPLETE, outcome
    assert again == outcome
    return str(outcome.output["name"])


@pytest.mark.parametrize("kind", ["file", "s3", "encrypted"])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.timeout(LONG_SECONDS)
async def test_a_sidecar_killed_at_any_store_call_leaves_all_of_its_variables_or_none(
    kind: str, when: When, make_ground: MakeGround, function: WritingFunction
) -> None:
    calls = DEADLY_CALLS[kind, when]
    deaths = 0
    for at in calls:
        doom = Doom(at=at, when=when)
        deaths += await run_trial(make_ground(kind), function, doom)

    assert len(calls) // 3 <= deaths < len(calls)  # those that came later outlived the answer


@in_either_store
async def test_a_sidecar_killed_before_its_answer_has_committed_once(
    kind: str, make_ground: MakeGround, function: WritingFunction
) -> None:
    assert await run_trial(make_ground(kind), function, Doom(before_answer=True))


@in_either_store
async def test_a_sidecar_killed_after_its_answer_has_committed_once(
    kind: str, make_ground: MakeGround, function: WritingFunction
) -> None:
    assert not await run_trial(make_ground(kind), function, Doom())


@pytest.mark.parametrize(
    ("kind", "seed"),
    [
        *(("file", seed) for seed in range(RANDOM_KILLS["file"] // BATCH)),
        *(("s3", seed) for seed in range(RANDOM_KILLS["s3"] // BATCH)),
    ],
)
@pytest.mark.timeout(LONG_SECONDS)
async def test_a_sidecar_killed_at_a_random_moment_leaves_all_of_its_variables_or_none(
    kind: str, seed: int, make_ground: MakeGround, function: WritingFunction
) -> None:
    chance = random.Random(seed)
    for _ in range(BATCH):
        moment = chance.uniform(0, LONGEST_SECONDS[kind])
        await run_trial(make_ground(kind), function, Doom(), kill_after=moment)


def schedules(count: int) -> list[Doom]:
    """Return where the first process dies: each store call once before one comes again."""
    whens: list[When] = ["before", "after"]
    calls = [Doom(at=at, when=when) for at in range(1, CONTESTED_CALLS + 1) for when in whens]
    random.Random(8).shuffle(calls)
    return list(itertools.islice(itertools.cycle(calls), count))


async def write_again_and_again(variables: Variables, stop: asyncio.Event) -> list[str]:
    """Overwrite one key; return what was acknowledged. Only a commit may come after a write."""
    acknowledged: list[str] = []
    while not stop.is_set():
        name = f"other{len(acknowledged)}"
        await variables.set(ADDRESSES[OVERWRITTEN], large_value(name))
        acknowledged.append(name)
        seen = await name_of(variables, OVERWRITTEN)
        assert seen == name or seen.startswith("new"), f"{name} was lost: {seen}"
        await asyncio.sleep(COMPETITORS_PAUSE)
    return acknowledged


async def run_contested(ground: Ground, function: WritingFunction, doom: Doom) -> bool:
    """Kill a sidecar among a writer and a reader, and return whether it died."""
    stop = asyncio.Event()
    async with opened(ground) as variables, opened(ground) as others:
        for address in ADDRESSES.values():
            await variables.set(address, b"old")
        async with a_looping_reader(ground):
            writing = asyncio.create_task(write_again_and_again(others, stop))
            died = await asyncio.to_thread(_run_first, ground, function.port, doom, kill_after=None)
            winner = await asyncio.to_thread(_run_to_the_end, ground, function.port)
            stop.set()
            acknowledged = await writing
        after = await names(variables)
        overwritten = await variables.get(ADDRESSES[OVERWRITTEN])
    assert after.pop(OVERWRITTEN) in {winner, acknowledged[-1]}
    assert set(after.values()) == {winner}
    assert overwritten is not None
    written = int(overwritten.rev.partition("-")[0])
    assert written == len(["old", *acknowledged, winner]), "a write is lost, or there twice"
    return died


@in_either_store
@pytest.mark.timeout(LONG_SECONDS + SECONDS_EACH * SCHEDULES)
async def test_a_sidecar_killed_among_a_writer_and_a_reader_commits_once_and_loses_nothing(
    kind: str, make_ground: MakeGround, function: WritingFunction
) -> None:
    deaths = 0
    for doom in schedules(SCHEDULES):
        deaths += await run_contested(make_ground(kind), function, doom)
    assert deaths >= SCHEDULES // 2


@pytest.mark.parametrize(
    ("kind", "at"),
    [*(("file", at) for at in range(3, 16)), *(("s3", at) for at in range(3, 16, 3))],
)
async def test_an_attempt_that_was_stopped_changes_nothing_after_its_successor_committed(
    kind: str, at: int, make_ground: MakeGround, function: WritingFunction
) -> None:
    ground = make_ground(kind)
    async with opened(ground) as variables:
        for address in ADDRESSES.values():
            await variables.set(address, b"old")
        doom = Doom(at=at, by=signal.SIGSTOP)
        with DoomedSidecar(ground, function_port=function.port, doom=doom) as first:
            async with a_looping_reader(ground):
                sending = asyncio.create_task(asyncio.to_thread(first.send, dispatch()))
                await asyncio.to_thread(first.wait_until_stopped, or_when=sending.done)
                second = await asyncio.to_thread(_run_successor, ground, function.port)
                before = await revisions(variables)
                first.signal(signal.SIGCONT)
                late = await sending
            after = await revisions(variables)

    assert late == second
    assert after == before
    assert set((await names_in(ground)).values()) == {second.output["name"]}


async def revisions(variables: Variables) -> list[str]:
    found = [await variables.get(address) for address in ADDRESSES.values()]
    return [variable.rev for variable in found if variable is not None]


async def names_in(ground: Ground) -> dict[Scope, str]:
    async with opened(ground) as variables:
        return await names(variables)


def _run_successor(ground: Ground, function_port: int) -> Outcome:
    with DoomedSidecar(ground, function_port=function_port) as sidecar:
        outcome = sidecar.send(dispatch(attempt=2))
    assert outcome is not None
    return outcome
