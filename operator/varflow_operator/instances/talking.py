"""The conversation with one pod about one action, until its outcome is here or the pod is lost.

    POST ─► 202 ─► GET … ─► 200                 the usual way; often the first answer is the outcome
      ▲              │ 404: the sidecar was restarted
      └── not decided┘

Where there is no answer the same is asked again: an action's id makes that harmless. A pod is lost
when it is gone, and when it has been not ready, or silent, for longer than `LOST_SECONDS`.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, TypeVar

from varflow.contract import Outcome
from varflow.errors import StaleEpoch, UnknownAction, VarflowError
from varflow_operator.instances.crashpoints import CrashPoint
from varflow_operator.instances.errands import GIVEN_UP, Errand, PodLost
from varflow_operator.instances.ground import Ground
from varflow_operator.pods.functions import Pod
from varflow_operator.pods.sidecars import WAIT_SECONDS, SidecarUnreachable

LOST_SECONDS: Final = 30.0
"""How long a pod may be not ready, or silent, until it is given up."""

_FIRST_PAUSE_SECONDS: Final = 0.1
_LONGEST_PAUSE_SECONDS: Final = 2.0
_SEND_SECONDS: Final = 1.0
"""The answer to the POST brings the outcome, if that takes no longer."""
_ASKS: Final = 4
"""Times that a pod that is ready is asked for an action's id."""
_CANCEL_SECONDS: Final = 3.0

_T = TypeVar("_T")


class Talking:
    """Talks to the sidecars of one workflow."""

    def __init__(
        self, ground: Ground, *, token: str, find: Callable[[Errand], Awaitable[Outcome | None]]
    ) -> None:
        """Take the sidecars' token, and who looks up what an action has committed."""
        self._ground = ground
        self._token = token
        self._find = find

    async def attend(self, pod: Pod, errand: Errand, *, is_known: bool) -> Outcome:
        """Return the outcome of an action in a pod, which gets it unless it knows it already.

        Raises:
            Draining: it takes no new actions.
            PodLost: it is gone, or cannot be reached.
            StaleEpoch: there is a newer control plane.
            VarflowError: the sidecar does not accept it.
        """
        errand.pod = pod
        try:
            return await _while_there(pod, self._talk(pod, errand, is_known=is_known))
        finally:
            errand.pod = None

    async def knows(self, pod: Pod, errand: Errand) -> bool:
        """Ask a pod for an action's id; one that stays silent is taken not to have it.

        Raises:
            StaleEpoch: there is a newer control plane.
        """
        pause = _FIRST_PAUSE_SECONDS
        for _ in range(_ASKS):
            try:
                await self._poll(pod, errand, wait=0.0)
            except SidecarUnreachable:
                if not pod.state.is_ready:
                    return False
                await asyncio.sleep(pause)
                pause *= 2
            except StaleEpoch:
                raise
            except VarflowError:
                return False
            else:
                return True
        return False

    async def cancel(self, pod: Pod, action_id: str) -> None:
        """Tell a pod to stop an action; best effort, what counts is the decision."""
        with contextlib.suppress(VarflowError, TimeoutError):
            async with asyncio.timeout(_CANCEL_SECONDS):
                await self._ground.sidecars.cancel(pod.state.url, action_id, token=self._token)

    async def _talk(self, pod: Pod, errand: Errand, *, is_known: bool) -> Outcome:
        silence = _Silence(pod)
        while True:
            try:
                outcome = await self._ask(pod, errand, is_known=is_known)
                is_known = True
            except UnknownAction:
                outcome, is_known = await self._find(errand), False
            except SidecarUnreachable as error:
                await silence.last(error)
                continue
            if not errand.is_given_up:
                errand.taken.set()
            if outcome is not None:
                return outcome
            silence = _Silence(pod)
            self._ground.passed(CrashPoint.SENT)

    async def _ask(self, pod: Pod, errand: Errand, *, is_known: bool) -> Outcome | None:
        """Send the action, or ask how it goes; None while it runs."""
        if is_known:
            await self._repeat_cancel(pod, errand)
            return await self._poll(pod, errand, wait=WAIT_SECONDS)
        if errand.is_given_up:
            return GIVEN_UP
        message, errand.was_sent = errand.message(), True
        wait = 0.0 if errand.is_detached else _SEND_SECONDS
        return await self._ground.sidecars.start(
            pod.state.url, message, token=self._token, wait=wait
        )

    async def _poll(self, pod: Pod, errand: Errand, *, wait: float) -> Outcome | None:
        action_id = errand.dispatch.action_id
        return await self._ground.sidecars.poll(
            pod.state.url, action_id, token=self._token, wait=wait
        )

    async def _repeat_cancel(self, pod: Pod, errand: Errand) -> None:
        """Say again what was said before the action had arrived."""
        if errand.is_given_up and pod.state.url not in errand.told:
            errand.told.add(pod.state.url)
            await self.cancel(pod, errand.dispatch.action_id)


class _Silence:
    """How long a pod has not answered."""

    def __init__(self, pod: Pod) -> None:
        self._pod = pod
        self._began: float | None = None
        self._pause = _FIRST_PAUSE_SECONDS

    async def last(self, error: VarflowError) -> None:
        """Pause, each time longer.

        Raises:
            PodLost: it has been long enough.
        """
        now = time.monotonic()
        self._began = now if self._began is None else self._began
        if max(now - self._began, self._pod.unready_seconds) > LOST_SECONDS:
            raise PodLost(error.message) from error
        await asyncio.sleep(self._pause)
        self._pause = min(2 * self._pause, _LONGEST_PAUSE_SECONDS)


async def _while_there(pod: Pod, work: Coroutine[Any, Any, _T]) -> _T:
    """Do what needs a pod.

    Raises:
        PodLost: it has gone meanwhile.
    """
    working = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(pod.gone.wait())
    try:
        await asyncio.wait({working, gone}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise PodLost(f"pod {pod.state.name} is gone")
    finally:
        for task in (working, gone):
            task.cancel()
        await asyncio.gather(working, gone, return_exceptions=True)
