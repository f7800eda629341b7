"""Staying with instances that others have started: watching, cancelling, reading logs."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime

from varflow.errors import ClusterError
from varflow.logs import LogLine
from varflow_cli.cluster import connecting, instances, stores, tailing
from varflow_cli.cluster.connecting import Access, Connection
from varflow_cli.cluster.reporting import Reporter
from varflow_cli.cluster.views import InstanceView
from varflow_cli.console import failures, streams
from varflow_cli.console.failures import TimedOut
from varflow_cli.console.progress import Progress


async def watch(
    access: Access, name: str, progress: Progress, *, timeout_seconds: float | None
) -> bool:
    """Show an instance's steps until it ends, and return whether it is complete.

    Raises:
        ObjectNotFound: there is no such instance, or not any more.
        TimedOut: it has not ended in time.
        ClusterError: the cluster cannot be reached.
    """
    reporter = Reporter(progress)
    async with connecting.connect(access) as connection:
        await instances.find(connection, name)
        async with _limited(f"instance {name} has not ended", timeout_seconds):
            ended = await instances.wait_for_end(
                connection.cluster, connection.namespace, name, show=reporter.show
            )
    reporter.finish(ended)
    return ended.is_complete


async def cancel(
    access: Access, names: Sequence[str], *, is_waiting: bool, timeout_seconds: float | None
) -> int:
    """Cancel instances, as many as can be; show what cannot, and return the exit code.

    Raises:
        TimedOut: they have not ended in time.
    """
    code = 0
    async with connecting.connect(access) as connection:
        live: list[str] = []
        for name in names:
            try:
                if await _cancel(connection, name):
                    live.append(name)
            except ClusterError as error:
                failure = failures.translate(error)
                failure.show()
                code = code or failure.exit_code
        if is_waiting:
            await _wait(connection, live, timeout_seconds)
    return code


async def read_log(
    access: Access,
    name: str,
    show: Callable[[LogLine], None],
    *,
    since: datetime | None,
    follow: bool,
) -> None:
    """Show an instance's log: what is there, or with `follow` all until it has ended.

    Raises:
        ObjectNotFound: there is no such instance.
        ClusterError, StoreError: cluster or store cannot be reached, or refuse.
    """
    async with connecting.connect(access) as connection:
        await instances.find(connection, name)
        owners = await stores.find_owners(connection, instance=name)
        async with (
            stores.open_variables(connection) as variables,
            _ended(connection, name, follow=follow) as ended,
        ):
            lines = tailing.read(variables.store, owners, ended=ended, since=since)
            async with contextlib.aclosing(lines):
                async for line in lines:
                    show(line)


async def _cancel(connection: Connection, name: str) -> bool:
    """Cancel an instance, unless it has ended, and return whether it lives."""
    view = await instances.find(connection, name)
    if view.has_ended:
        streams.tell(f"{name} has already ended: {view.phase}")
        return False
    await instances.cancel(connection.cluster, connection.namespace, name)
    streams.tell(f"{name} is being cancelled")
    return True


async def _wait(
    connection: Connection, names: Sequence[str], timeout_seconds: float | None
) -> None:
    async with _limited("not all instances have ended", timeout_seconds):
        await asyncio.gather(*(_wait_for_one(connection, name) for name in names))


async def _wait_for_one(connection: Connection, name: str) -> None:
    ended = await instances.wait_for_end(
        connection.cluster, connection.namespace, name, show=_ignore
    )
    streams.tell(f"{name} has ended: {ended.phase}")


@contextlib.asynccontextmanager
async def _ended(
    connection: Connection, name: str, *, follow: bool
) -> AsyncIterator[asyncio.Event]:
    """Give what is set when the instance has ended; at once when nobody waits for that.

    Raises:
        ClusterError: what became of the instance could not be seen.
    """
    ended = asyncio.Event()
    if not follow:
        ended.set()
        yield ended
        return
    waiting = asyncio.create_task(
        instances.wait_for_end(connection.cluster, connection.namespace, name, show=_ignore)
    )
    waiting.add_done_callback(lambda _: ended.set())
    try:
        yield ended
        await waiting
    finally:
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)


@contextlib.asynccontextmanager
async def _limited(what: str, seconds: float | None) -> AsyncIterator[None]:
    """Bound what goes on in the context by `--timeout`.

    Raises:
        TimedOut: it took longer.
    """
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise TimedOut(f"{what} after {seconds} s", code="timeout") from error


def _ignore(_: InstanceView) -> None:
    pass
