"""Promises 1 and 2 of design.md §8, with real processes that are killed or stopped.

An action writes one variable in each scope. Its sidecar dies at some point of the commit; another
writer then overwrites one of the keys; a successor gets the same action. Meanwhile a reader loops
over the keys.
"""

from __future__ import annotations

import asyncio
import io
import random
import signal
import tarfile
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.support.crashing import When
from tests.support.doomed import DECISION, OWNERS, Doom, DoomedSidecar, dispatch
from tests.support.writing_function import KEYS, WritingFunction, large_value
from varflow.contract import Outcome, OutcomeStatus
from varflow.variables import paths
from varflow.variables.scopes import Address, Scope
from varflow.variables.stores.file import FileStore
from varflow.variables.variables import Variables

ADDRESSES = {scope: Address(OWNERS, scope, key) for scope, key in KEYS.items()}
OVERWRITTEN = Scope.WORKFLOW
STORE_CALLS = 30
"""More than a commit makes; the last ones run to the end, which the test asserts."""
RANDOM_KILLS = 200
BATCH = 20
LONGEST_SECONDS = 0.06
"""Within which a whole action usually ends, so that kills fall everywhere in it."""


@pytest.fixture(scope="module")
def function() -> Iterator[WritingFunction]:
    with WritingFunction() as running:
        yield running


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Variables]:
    """Another process's view of the store: a driver of its own."""
    variables = Variables(FileStore(folder / "store"), writer="test")
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
async def a_looping_reader(folder: Path) -> AsyncIterator[None]:
    stop = asyncio.Event()
    async with opened(folder) as variables:
        reading = asyncio.create_task(loop_over(variables, stop))
        try:
            yield
        finally:
            stop.set()
            await reading


async def run_trial(
    folder: Path, function: WritingFunction, doom: Doom, *, kill_after: float | None = None
) -> bool:
    """Run the story of the module's text once, and return whether the first sidecar died."""
    async with opened(folder) as variables:
        for address in ADDRESSES.values():
            await variables.set(address, b"old")
        async with a_looping_reader(folder):
            died = await asyncio.to_thread(
                _run_first, folder, function.port, doom, kill_after=kill_after
            )
            committed = await variables.find_decision(paths.decision(OWNERS, DECISION))
            await variables.set(ADDRESSES[OVERWRITTEN], large_value("other"))
            winner = await asyncio.to_thread(_run_to_the_end, folder, function.port)
        after = await names(variables)
    expected = dict.fromkeys(ADDRESSES, winner)
    if committed is not None:
        expected[OVERWRITTEN] = "other"  # it came later; no recovery takes it back
    assert after == expected
    return died


def _run_first(folder: Path, function_port: int, doom: Doom, *, kill_after: float | None) -> bool:
    with DoomedSidecar(folder, function_port=function_port, doom=doom) as sidecar:
        if kill_after is None:
            return sidecar.send(dispatch()) is None
        killing = threading.Timer(kill_after, sidecar.signal, [signal.SIGKILL])
        killing.start()
        outcome = sidecar.send(dispatch())
        killing.cancel()
        killing.join()
        return outcome is None


def _run_to_the_end(folder: Path, function_port: int) -> str:
    """Send the action to a successor, twice, and return the name that its outcome has."""
    with DoomedSidecar(folder, function_port=function_port) as sidecar:
        outcome = sidecar.send(dispatch())
        again = sidecar.send(dispatch())
    assert outcome is not None
    assert outcome.status is OutcomeStatus.COMPLETE, outcome
    assert again == outcome
    return str(outcome.output["name"])


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_sidecar_killed_at_any_store_call_leaves_all_of_its_variables_or_none(
    when: When, tmp_path: Path, function: WritingFunction
) -> None:
    deaths = 0
    for at in range(1, STORE_CALLS + 1):
        doom = Doom(at=at, when=when)
        deaths += await run_trial(tmp_path / str(at), function, doom)

    assert 10 < deaths < STORE_CALLS


async def test_a_sidecar_killed_before_its_answer_has_committed_once(
    tmp_path: Path, function: WritingFunction
) -> None:
    assert await run_trial(tmp_path, function, Doom(before_answer=True))


async def test_a_sidecar_killed_after_its_answer_has_committed_once(
    tmp_path: Path, function: WritingFunction
) -> None:
    assert not await run_trial(tmp_path, function, Doom())


@pytest.mark.parametrize("seed", range(RANDOM_KILLS // BATCH))
async def test_a_sidecar_killed_at_a_random_moment_leaves_all_of_its_variables_or_none(
    seed: int, tmp_path: Path, function: WritingFunction
) -> None:
    chance = random.Random(seed)
    for number in range(BATCH):
        moment = chance.uniform(0, LONGEST_SECONDS)
        await run_trial(tmp_path / str(number), function, Doom(), kill_after=moment)


@pytest.mark.parametrize("at", range(3, 16))
async def test_an_attempt_that_was_stopped_changes_nothing_after_its_successor_committed(
    at: int, tmp_path: Path, function: WritingFunction
) -> None:
    async with opened(tmp_path) as variables:
        for address in ADDRESSES.values():
            await variables.set(address, b"old")
        doom = Doom(at=at, by=signal.SIGSTOP)
        with DoomedSidecar(tmp_path, function_port=function.port, doom=doom) as first:
            async with a_looping_reader(tmp_path):
                sending = asyncio.create_task(asyncio.to_thread(first.send, dispatch()))
                await asyncio.to_thread(first.wait_until_stopped, or_when=sending.done)
                second = await asyncio.to_thread(_run_successor, tmp_path, function.port)
                before = await revisions(variables)
                first.signal(signal.SIGCONT)
                late = await sending
            after = await revisions(variables)

    assert late == second
    assert after == before
    assert set((await names_in(tmp_path)).values()) == {second.output["name"]}


async def revisions(variables: Variables) -> list[str]:
    found = [await variables.get(address) for address in ADDRESSES.values()]
    return [variable.rev for variable in found if variable is not None]


async def names_in(folder: Path) -> dict[Scope, str]:
    async with opened(folder) as variables:
        return await names(variables)


def _run_successor(folder: Path, function_port: int) -> Outcome:
    with DoomedSidecar(folder, function_port=function_port) as sidecar:
        outcome = sidecar.send(dispatch(attempt=2))
    assert outcome is not None
    return outcome
