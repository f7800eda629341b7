"""Many objects in a cluster at one time, and waiting until somebody has seen to all of them."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from varflow_operator.cluster import Cluster
from varflow_operator.kinds import Kind, Object

AT_ONCE: Final = 32
"""Requests under way at one time."""
NAMESPACE: Final = "bench"
WAIT_SECONDS: Final = 300.0


@dataclass(frozen=True, slots=True)
class Crowd:
    """So many objects of a kind, by number."""

    cluster: Cluster
    count: int

    async def add(
        self, kind: Kind, make: Callable[[int], Object], is_done: Callable[[Object], bool]
    ) -> float:
        """Create objects; return after how many seconds all of them were seen to."""
        started = time.perf_counter()
        async with asyncio.timeout(WAIT_SECONDS), asyncio.TaskGroup() as tasks:
            tasks.create_task(self._wait(kind, is_done))
            numbers = iter(range(self.count))
            for _ in range(AT_ONCE):
                tasks.create_task(self._create(kind, map(make, numbers)))
        return time.perf_counter() - started

    async def _create(self, kind: Kind, objects: Iterable[Object]) -> None:
        for one in objects:
            await self.cluster.create(kind, one)

    async def _wait(self, kind: Kind, is_done: Callable[[Object], bool]) -> None:
        done = set()
        async with contextlib.aclosing(self.cluster.watch(kind, NAMESPACE)) as changes:
            async for _, found in changes:
                if is_done(found):
                    done.add(found["metadata"]["name"])
                if len(done) == self.count:
                    return
