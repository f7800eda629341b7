"""Processes that add to one counter by compare-and-swap, each with several writers at once."""

from __future__ import annotations

import asyncio
import multiprocessing
import random
from multiprocessing.connection import Connection

from tests.support.doomed import OWNERS, Ground
from varflow.errors import PreconditionFailed, VariableExists
from varflow.variables.scopes import Address, Scope
from varflow.variables.variables import Variables

COUNTER = Address(OWNERS, Scope.NAMESPACE, "counter")
_LONGEST_PAUSE = 0.05

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(
    ["tests.support.counting_processes", "varflow.variables.stores.s3", "boto3"]
)


def count_in_processes(ground: Ground, *, processes: int, writers: int, times: int) -> list[int]:
    """Let everybody add one so many times, and return the numbers that they were told."""
    started = []
    for _ in range(processes):
        receiver, sender = _processes.Pipe(duplex=False)
        process = _processes.Process(
            target=_main, args=(ground, writers, times, sender), daemon=True
        )
        process.start()
        sender.close()
        started.append((process, receiver))
    numbers = [number for _, receiver in started for number in receiver.recv()]
    for process, receiver in started:
        process.join()
        receiver.close()
        assert process.exitcode == 0
    return numbers


def _main(ground: Ground, writers: int, times: int, sender: Connection) -> None:
    sender.send(asyncio.run(_count_together(ground, writers, times)))


async def _count_together(ground: Ground, writers: int, times: int) -> list[int]:
    counted = await asyncio.gather(*(count(ground, times) for _ in range(writers)))
    return [number for numbers in counted for number in numbers]


async def count(ground: Ground, times: int) -> list[int]:
    """Add one so many times over a store object of one's own; return the acknowledged numbers."""
    variables = Variables(ground.make_store())
    await variables.open()
    numbers: list[int] = []
    while len(numbers) < times:
        try:
            numbers.append(await _add_one(variables))
        except (PreconditionFailed, VariableExists):
            await asyncio.sleep(random.uniform(0, _LONGEST_PAUSE))
    await variables.close()
    return numbers


async def _add_one(variables: Variables) -> int:
    found = await variables.get(COUNTER)
    number = int(await found.bytes()) + 1 if found is not None else 1
    etag = found.etag if found is not None else None
    await variables.set(COUNTER, b"%d" % number, if_match=etag, create=etag is None)
    return number
