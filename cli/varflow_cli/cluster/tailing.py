"""An instance's log lines as they come.

Chunks are named by the time at which they were written, and a slow writer's may appear after later
ones: so each look goes back a little, and what was shown before is passed over.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from datetime import datetime
from typing import Final

from varflow import logs
from varflow.errors import VarflowError
from varflow.logs import LogLine
from varflow.variables.scopes import Owners
from varflow.variables.stores.base import ObjectStore
from varflow_cli.cluster import stores
from varflow_cli.cluster.connecting import Connection
from varflow_cli.cluster.views import InstanceView
from varflow_cli.console.failures import Failure
from varflow_cli.console.progress import Progress

_LOOK_SECONDS: Final = 1.0
_BACK_SECONDS: Final = 10.0
"""How much later than its name says a chunk may appear: as long as a slow upload takes."""
_REST_SECONDS: Final = 15.0
"""How long the end of a run waits for its last lines."""


async def tail(
    store: ObjectStore, owners: Owners, *, ended: asyncio.Event
) -> AsyncGenerator[LogLine, None]:
    """Yield the lines that are there, and those that come until the instance has ended.

    Raises:
        StoreError: the store cannot be read.
    """
    known: set[str] = set()
    after = ""
    while True:
        is_last = ended.is_set()
        found: set[str] = set()
        async for line in logs.read_log(store, owners, after=after):
            found.add(line.chunk)
            if line.chunk not in known:
                yield line
        known |= found
        after = logs.rewind(max(known, default=""), seconds=_BACK_SECONDS)
        known = {chunk for chunk in known if chunk > after}
        if is_last:
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(ended.wait(), _LOOK_SECONDS)


async def read(
    store: ObjectStore, owners: Owners, *, ended: asyncio.Event, since: datetime | None
) -> AsyncGenerator[LogLine, None]:
    """Yield the same, without lines that are older than `since`."""
    async with contextlib.aclosing(tail(store, owners, ended=ended)) as lines:
        async for line in lines:
            if since is None or line.at >= since:
                yield line


@contextlib.asynccontextmanager
async def shown(
    connection: Connection, instance: InstanceView, progress: Progress
) -> AsyncIterator[None]:
    """Show an instance's lines as long as the context lasts, then the last ones.

    Whoever may not read the store runs without them, and is told once.
    """
    ended = asyncio.Event()
    task = asyncio.create_task(_show(connection, instance, progress, ended))
    try:
        yield
        ended.set()
        await asyncio.wait({task}, timeout=_REST_SECONDS)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _show(
    connection: Connection, instance: InstanceView, progress: Progress, ended: asyncio.Event
) -> None:
    try:
        owners = await stores.find_owners(connection, instance=instance.name)
        async with stores.open_variables(connection) as variables:
            async for line in tail(variables.store, owners, ended=ended):
                progress.log(line.text, level=line.level, source=line.source)
    except (VarflowError, Failure) as error:
        progress.note(f"log lines are not shown: {error.message}")
