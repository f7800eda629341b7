"""One run in a cluster, from files to the instance's end.

    files ──apply──► accepted ──create──► instance ──watch──► its end
                                             │ └─ log lines, as far as the store may be read
               Ctrl-C, --timeout ──cancel────┘

The instance runs there and not here: losing this process, or the network, does it no harm. So a
first Ctrl-C asks for its end and waits for that; a second one leaves, whatever becomes of it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Final

from varflow.engine import codes
from varflow.engine.messages import Finish, InstanceStatus
from varflow.errors import VarflowError
from varflow_cli.cluster import applying, connecting, instances, outputs, tailing, users
from varflow_cli.cluster.connecting import Connection
from varflow_cli.cluster.planning import Plan
from varflow_cli.cluster.reporting import Reporter
from varflow_cli.cluster.stopping import Stop, StopWanted
from varflow_cli.cluster.views import InstanceView
from varflow_cli.console import failures
from varflow_cli.console.failures import Failure, TimedOut
from varflow_cli.console.progress import Progress
from varflow_cli.local import signals
from varflow_cli.runs.results import Result
from varflow_operator.kinds import INSTANCE

END_SECONDS: Final = 90.0
"""How long a cancelled instance may take to end: design.md §8 promises 60 s."""


class ClusterRun:
    """A run that can start."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.instance: str | None = None
        """Its name, once it is there."""

    def mask(self, text: str) -> str:
        """Return the text; what a cluster shows holds no secrets."""
        return text

    async def run(self, progress: Progress) -> Result:
        """Run one instance to its end.

        Raises:
            Mistake, VarflowError: it could not be started, or is lost sight of.
        """
        for warning in self._plan.warnings:
            progress.warn(warning)
        stop = Stop()
        with signals.taken() as interrupts, _limited(stop, self._plan.timeout_seconds):
            running = asyncio.create_task(self._run(stop, progress))
            interrupts.connect(
                cancel=lambda name: _cancel(stop, progress, name),
                end=lambda: _leave(running),
            )
            await asyncio.wait({running})
        return _left(self.instance) if running.cancelled() else running.result()

    async def _run(self, stop: Stop, progress: Progress) -> Result:
        async with connecting.connect(self._plan.access) as connection:
            try:
                workflow = await stop.before(applying.prepare(connection, self._plan, progress))
            except StopWanted:
                return _not_started(stop)
            user = await users.find_user(connection.cluster, workflow)
            # Not interrupted: the instance would be there, and nobody would know its name.
            body = instances.make(workflow, input=self._plan.input.value, user=user)
            instance = InstanceView.of(await connection.cluster.create(INSTANCE, body))
            self.instance = instance.name
            progress.note(f"instance {instance.namespace}/{instance.name}")
            ended = await self._follow(connection, instance, stop, progress)
            return await _result(connection, ended, stop, progress)

    async def _follow(
        self, connection: Connection, instance: InstanceView, stop: Stop, progress: Progress
    ) -> InstanceView:
        reporter = Reporter(progress)
        async with (
            tailing.shown(connection, instance, progress),
            _cancelled_on_wish(connection, instance, stop, progress),
        ):
            ended = await instances.wait_for_end(
                connection.cluster, instance.namespace, instance.name, show=reporter.show
            )
        reporter.finish(ended)
        return ended


@contextlib.contextmanager
def _limited(stop: Stop, seconds: float | None) -> Iterator[None]:
    """Want the end when the run takes longer than `--timeout` allows."""
    if seconds is None:
        yield
        return
    message = f"the run took longer than --timeout {seconds:g} s"
    loop = asyncio.get_running_loop()
    handle = loop.call_later(seconds, lambda: stop.want(message, is_late=True))
    try:
        yield
    finally:
        handle.cancel()


def _cancel(stop: Stop, progress: Progress, signal_name: str) -> None:
    progress.warn(f"{signal_name}: cancelling the instance; once more to leave it to itself")
    stop.want(f"cancelled by {signal_name}")


def _leave(running: asyncio.Task[Result]) -> None:
    running.cancel()


@contextlib.asynccontextmanager
async def _cancelled_on_wish(
    connection: Connection, instance: InstanceView, stop: Stop, progress: Progress
) -> AsyncIterator[None]:
    """Cancel the instance when its end is wanted; then it has a while to end.

    Raises:
        TimedOut: it does not.
    """
    try:
        async with asyncio.timeout(None) as limit:
            cancelling = asyncio.create_task(
                _cancel_instance(connection, instance, stop, progress, limit)
            )
            try:
                yield
            finally:
                cancelling.cancel()
                await asyncio.gather(cancelling, return_exceptions=True)
    except TimeoutError as error:
        raise TimedOut(
            f"{stop.message}; instance {instance.name} was asked to end and has not after "
            f"{END_SECONDS:g} s: does the operator run?",
            code="timeout",
        ) from error


async def _cancel_instance(
    connection: Connection,
    instance: InstanceView,
    stop: Stop,
    progress: Progress,
    limit: asyncio.Timeout,
) -> None:
    await stop.wait()
    limit.reschedule(asyncio.get_running_loop().time() + END_SECONDS)
    try:
        await instances.cancel(connection.cluster, instance.namespace, instance.name)
    except VarflowError as error:
        progress.warn(f"the instance could not be cancelled: {error.message}")


async def _result(
    connection: Connection, ended: InstanceView, stop: Stop, progress: Progress
) -> Result:
    result = _without_output(ended, stop)
    try:
        return replace(result, output=await outputs.find(connection, ended))
    except Failure as error:
        progress.warn(error.message)
        return replace(result, exit_code=failures.FAILED)


def _without_output(ended: InstanceView, stop: Stop) -> Result:
    status = InstanceStatus(ended.phase.lower())
    is_ours = status is InstanceStatus.CANCELLED and bool(stop.message)
    message = stop.message if is_ours else ended.message
    finish = Finish(status=status, output=None, code=ended.code, message=message)
    return Result.of_finish(ended.name, finish, is_late=stop.is_late)


def _not_started(stop: Stop) -> Result:
    if stop.is_late:
        raise TimedOut(f"{stop.message}; no instance was started", code="timeout")
    return Result.of_interrupt()


def _left(instance: str | None) -> Result:
    if instance is None:
        return Result.of_interrupt()
    return Result(
        instance=instance,
        status=InstanceStatus.CANCELLED,
        code=codes.CANCELLED,
        message="left by a second signal; the instance was asked to end and may not have yet",
        exit_code=failures.FAILED,
    )
