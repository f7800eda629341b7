"""Waiting for a pod that takes an action: how long, and what is said about it meanwhile.

Pods that are ready and busy are waited for until the action's deadline. Where none is ready, the
wait ends after the pending timeout, with the reason that the cluster gives. A start that goes well
is over before the status would say anything; trouble is told at the next look.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

from varflow.contract import CODE_TIMEOUT, Outcome, OutcomeStatus
from varflow_operator.instances.errands import (
    CODE_NOT_STARTED,
    GIVEN_UP,
    Errand,
    NotStarted,
    PodLost,
)
from varflow_operator.pods.functions import Place
from varflow_operator.pods.pods import Pods

QUIET_SECONDS: Final = 5.0
"""How long a start may take before the status says that it is waited for."""
_LOOK_SECONDS: Final = 1.0
"""How often who waits looks at what keeps the pods; that is in memory."""

Report = Callable[[str], None]
"""Told why an action waits; "" when it does no more."""


class Patience:
    """How long an action has been waiting for a pod, and for how long it may. PURE."""

    def __init__(self, *, now: float, deadline: float, pending_seconds: float) -> None:
        """Begin to wait; times are in seconds since the epoch."""
        self._began = self._unready_since = now
        self._deadline = deadline
        self._pending_seconds = pending_seconds

    def seconds(self, now: float) -> float:
        """Return how long it has been."""
        return now - self._began

    def left(self, now: float) -> float:
        """Return how long it may go on as things stand."""
        return max(0.0, min(self._deadline, self._unready_since + self._pending_seconds) - now)

    def note_ready(self, now: float) -> None:
        """There are pods, they only have no place."""
        self._unready_since = now

    def find_end(self, now: float) -> str:
        """Return the code of the error to end with; "" while waiting goes on."""
        if now >= self._deadline:
            return CODE_TIMEOUT
        return CODE_NOT_STARTED if self.left(now) <= 0 else ""

    def describe(self, function: str, trouble: str, *, now: float, said: str) -> str:
        """Return what the status should say, given what it says now."""
        if trouble:
            return trouble
        if said or self.seconds(now) >= QUIET_SECONDS:
            return f"waiting for a pod of function {function!r}"
        return ""


class Waiting:
    """Waits for places."""

    def __init__(
        self, pods: Pods, *, clock: Callable[[], float], pending_seconds: float, report: Report
    ) -> None:
        """Take where the pods are, and how long one that does not start is waited for."""
        self._pods = pods
        self._clock = clock
        self._pending_seconds = pending_seconds
        self._report = report

    async def take(self, errand: Errand) -> Place:
        """Wait for a place in a pod that is ready.

        Raises:
            NotStarted: none comes, or the action was given up; it never ran.
            PodLost: none comes; the action was sent before.
        """
        patience = Patience(
            now=self._clock(),
            deadline=errand.dispatch.deadline,
            pending_seconds=self._pending_seconds,
        )
        taking = asyncio.ensure_future(self._pods.take(errand.settings))
        said = ""
        try:
            while True:
                seconds = min(_LOOK_SECONDS, patience.left(self._clock()))
                await asyncio.wait({taking}, timeout=seconds)
                if taking.done():
                    return taking.result()
                said = await self._look(errand, patience, said)
        finally:
            await _withdraw(taking)
            if said:
                self._report("")

    async def _look(self, errand: Errand, patience: Patience, said: str) -> str:
        """See what keeps the pods; return what is said about it now."""
        if errand.is_given_up:
            raise NotStarted(GIVEN_UP)
        now, key = self._clock(), errand.settings.key
        if self._pods.is_any_ready(key):
            patience.note_ready(now)
        code = patience.find_end(now)
        if code:
            await self._refuse(errand, code=code, waited=patience.seconds(now))
        trouble = self._pods.trouble(key)
        text = patience.describe(errand.dispatch.function, trouble, now=now, said=said)
        if text != said:
            self._report(text)
        return text

    async def _refuse(self, errand: Errand, *, code: str, waited: float) -> None:
        trouble = await self._pods.explain(errand.settings)
        name = errand.dispatch.function
        message = f"no pod of function {name!r} took the action within {waited:.0f} s"
        message = f"{message}: {trouble}" if trouble else message
        if errand.was_sent:
            raise PodLost(message)
        raise NotStarted(Outcome(status=OutcomeStatus.FAILED, code=code, message=message))


async def _withdraw(taking: asyncio.Task[Place]) -> None:
    """Stop waiting; does nothing to a place that was taken."""
    if not taking.done():
        taking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await taking
