"""What one variable among many costs, and a list of them all.

`python -m tests.support.many_keys_program URL` looks at the namespace's variables of `OWNERS` and
prints what it has found as JSON. A process of its own: what others have done would show in its
memory.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable
from pathlib import Path

from tests.support.crashing import CountingStore
from varflow.variables.scopes import Address, Owners, Scope
from varflow.variables.stores import opening
from varflow.variables.variables import Variables

OWNERS = Owners("c", "ns", "wf", "in")
GETS = 100


def address(number: int) -> Address:
    return Address(OWNERS, Scope.NAMESPACE, f"key-{number:06}")


def memory(name: str) -> float:
    """Return `VmRSS`, or its peak, `VmHWM`, in MiB."""
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith(name)) / 1024


async def look(variables: Variables, store: CountingStore) -> dict[str, object]:
    await drain(variables, until=50)
    store.take()
    times = sorted([await time_of(variables.get(address(number))) for number in range(GETS)])
    gets = store.take()
    before = memory("VmRSS")
    first = await drain(variables, until=1)
    ahead = store.take()
    count = await drain(variables)
    return {
        "calls for each get": sum(gets.values()) / GETS,
        "milliseconds of a get": times[GETS // 2] * 1000,
        "calls before the first is listed": sum(ahead.values()),
        "first": first,
        "listed": count,
        "calls of the list": store.take(),
        "MiB more": memory("VmHWM") - before,
    }


async def drain(variables: Variables, *, until: int | None = None) -> int:
    """List variables, all or so many, and return how many there were."""
    count = 0
    listing = variables.list(OWNERS, Scope.NAMESPACE)
    async for _ in listing:
        count += 1
        if count == until:
            break
    await listing.aclose()
    return count


async def time_of(work: Awaitable[object]) -> float:
    begun = time.perf_counter()
    await work
    return time.perf_counter() - begun


async def main(url: str) -> None:
    store = CountingStore(opening.open_store(url))
    variables = Variables(store)
    await variables.open()
    sys.stdout.write(json.dumps(await look(variables, store)) + "\n")
    await variables.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
