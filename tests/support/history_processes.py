"""Processes of clients (`histories`) over one store, killed again and again at a store call."""

from __future__ import annotations

import asyncio
import multiprocessing
import random
import signal
from collections.abc import Sequence
from pathlib import Path

from tests.support import histories
from tests.support.crashing import CrashingStore, When
from tests.support.doomed import Doom, Ground
from tests.support.histories import Journal, Unfinished
from varflow.variables.variables import Variables

CLIENTS = 4
"""In each process."""
FIRST_KILL, LAST_KILL = 100, 1500
"""Within so many store calls each process but the last is killed."""

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(
    ["tests.support.history_processes", "tests.support.doomed", "varflow.variables.stores.s3"]
)


async def run(ground: Ground, *, seed: int, count: int, processes: int = 4) -> list[Path]:
    """Let processes do `count` things together and return their journals."""
    lines = [
        _run_line(ground, seed=f"{seed}.{line}", count=count // processes)
        for line in range(processes)
    ]
    return [journal for journals in await asyncio.gather(*lines) for journal in journals]


async def _run_line(ground: Ground, *, seed: str, count: int) -> list[Path]:
    """Run one process after the other, until together they have done `count` things."""
    chance = random.Random(seed)
    whens: list[When] = ["before", "after"]
    journals: list[Path] = []
    unfinished: list[Unfinished] = []
    code: int | None = -signal.SIGKILL
    while code == -signal.SIGKILL:
        doom = Doom(at=chance.randint(FIRST_KILL, LAST_KILL), when=chance.choice(whens))
        journal = ground.folder / f"{seed}-{len(journals)}.journal"
        left = count - len(histories.read_events(journals)[0])
        arguments = (ground, journal, str(journal.stem), left, doom, unfinished)
        process = _processes.Process(target=_main, args=arguments, daemon=True)
        process.start()
        await _wait_for(process.sentinel)
        process.join()
        journal.touch()
        code = process.exitcode
        journals.append(journal)
        unfinished = histories.find_unfinished(journal)
    assert code == 0, f"a process ended with {code}"
    return journals


async def _wait_for(sentinel: int) -> None:
    """Return when a process has ended. Not in a thread: `start` and `join` must not overlap."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(sentinel, ended.set)
    await ended.wait()
    loop.remove_reader(sentinel)


def _main(
    ground: Ground,
    journal: Path,
    seed: str,
    count: int,
    doom: Doom,
    unfinished: Sequence[Unfinished],
) -> None:
    asyncio.run(_serve(ground, Journal(journal), seed, count, doom, unfinished))


async def _serve(
    ground: Ground,
    journal: Journal,
    seed: str,
    count: int,
    doom: Doom,
    unfinished: Sequence[Unfinished],
) -> None:
    store = CrashingStore(ground.make_store(), doom.at, doom.when)
    variables = Variables(store, clock=histories.clock)
    await variables.open()
    await histories.run_clients(
        variables, journal, seed=seed, count=count, clients=CLIENTS, unfinished=unfinished
    )
    await variables.close()
    journal.close()
