"""Bringing what files say into the cluster, and waiting until the operator has accepted it.

Server-side apply: what others manage beside it stays. Fields that another manager has set otherwise
become as the file says, as somebody who runs a file expects.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from varflow_cli.cluster import readiness, watching
from varflow_cli.cluster.connecting import Connection
from varflow_cli.cluster.planning import Plan
from varflow_cli.console.failures import Failure, Mistake, TimedOut
from varflow_cli.console.progress import Progress
from varflow_operator.kinds import VARIABLE, WORKFLOW, Object

READY_SECONDS: Final = 60.0
"""How long the operator may take to accept what was applied."""
_HINT_SECONDS: Final = 5.0
"""It usually takes less; then somebody may want to know what is waited for."""

_KINDS: Final = {kind.name: kind for kind in (WORKFLOW, VARIABLE)}


async def prepare(connection: Connection, plan: Plan, progress: Progress) -> Object:
    """Apply what the plan holds and return its workflow, once all of that is ready.

    Raises:
        Mistake: the operator refuses something; the message has its reason.
        ObjectNotFound: there is no such workflow, or no such namespace.
        TimedOut: the operator does not say anything.
        ClusterError: the API server refuses something, or cannot be reached.
    """
    applied = [await _apply(connection, manifest, progress) for manifest in plan.manifests]
    wanted = applied or [await _find(connection, plan.workflow)]
    ready = [await _ready(connection, obj, progress) for obj in wanted]
    return next(
        obj
        for obj in ready
        if obj["kind"] == WORKFLOW.name and obj["metadata"]["name"] == plan.workflow
    )


async def _find(connection: Connection, workflow: str) -> Object:
    return await connection.cluster.get(WORKFLOW, connection.namespace, workflow)


async def _apply(connection: Connection, manifest: Object, progress: Progress) -> Object:
    kind = _KINDS[manifest["kind"]]
    metadata = {"namespace": connection.namespace, **manifest["metadata"]}
    applied = await connection.cluster.apply(kind, {**manifest, "metadata": metadata})
    progress.note(f"applied {_shown(applied)}")
    return applied


async def _ready(connection: Connection, obj: Object, progress: Progress) -> Object:
    kind = _KINDS[obj["kind"]]
    metadata = obj["metadata"]
    waiting = _Waiting(obj, progress)
    hint = asyncio.get_running_loop().call_later(_HINT_SECONDS, waiting.hint)
    try:
        async with asyncio.timeout(READY_SECONDS):
            return await watching.wait_until(
                connection.cluster,
                kind,
                (metadata["namespace"], metadata["name"]),
                waiting.is_over,
            )
    except TimeoutError as error:
        raise waiting.timed_out() from error
    finally:
        hint.cancel()


class _Waiting:
    """Waits for one object to be accepted."""

    def __init__(self, obj: Object, progress: Progress) -> None:
        self._shown = _shown(obj)
        self._warn: Callable[[str], None] = progress.warn
        self._said = ""

    def is_over(self, obj: Object) -> bool:
        """Tell whether it is ready.

        Raises:
            Mistake: it never will be.
        """
        found = readiness.judge(obj)
        self._said = found.message
        if found.is_refused:
            raise Mistake(f"{self._shown} is not accepted: {found.message}", code="not_accepted")
        return found.is_ready

    def hint(self) -> None:
        """Tell what is waited for."""
        self._warn(f"waiting until {self._shown} is accepted: {self._reason}")

    def timed_out(self) -> Failure:
        """Return what to say when it took too long."""
        return TimedOut(
            f"{self._shown} is not accepted after {READY_SECONDS:g} s: {self._reason}",
            code="timeout",
        )

    @property
    def _reason(self) -> str:
        return self._said or "the operator has not looked at it; does it run?"


def _shown(obj: Object) -> str:
    metadata = obj["metadata"]
    return f"{obj['kind']} {metadata['namespace']}/{metadata['name']}"
