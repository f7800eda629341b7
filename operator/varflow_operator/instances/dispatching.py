"""Brings the actions of one instance to pods and their outcomes back, whatever becomes of the pods.

    resumed? ─► decided already? ─► does a pod know the id? ───────────┐
       │ no                                                            ▼
       └──► `waiting`: a place ─► `talking`: POST, poll … ────────► outcome
                ▲                        │ draining, or the pod is lost
                └──── not decided ◄──────┘

An action's decision object lets only one of two executions commit, so one whose pod is lost can be
sent to another; before that its decision is looked at. One that changes nothing writes no decision,
so the outcome of the second says that the first may still commit, and the engine gives that up.
"""

from __future__ import annotations

import asyncio
from typing import Final

from varflow.contract import Outcome
from varflow.errors import Draining, StaleEpoch, VarflowError
from varflow.shells.variables import VariableEffects
from varflow_operator.instances.conflicts import Deposed
from varflow_operator.instances.crashpoints import CrashPoint
from varflow_operator.instances.errands import Errand, NotStarted, PodLost
from varflow_operator.instances.ground import Ground
from varflow_operator.instances.talking import Talking
from varflow_operator.instances.waiting import Report, Waiting
from varflow_operator.pods.functions import Place, Pod

_LATE_SECONDS: Final = 30.0
"""After the deadline: the engine has given up waiting by then."""


class Errands:
    """The actions of one instance that are on their way."""

    def __init__(
        self,
        ground: Ground,
        *,
        token: str,
        pending_seconds: float,
        variables: VariableEffects,
        report: Report,
    ) -> None:
        """Take what the instance has.

        Args:
            ground: what all instances have.
            token: for the workflow's sidecars.
            pending_seconds: how long to wait for a pod that does not start.
            variables: the instance's, for its decisions.
            report: told why an action waits for a pod.
        """
        self._ground = ground
        self._variables = variables
        self._talking = Talking(ground, token=token, find=self._find_committed)
        self._waiting = Waiting(
            ground.pods, clock=ground.clock, pending_seconds=pending_seconds, report=report
        )
        self._errands: dict[str, Errand] = {}
        self.is_anything_left = False
        """An attempt was sent whose end is not known: it may go on somewhere."""

    async def run(self, errand: Errand) -> Outcome:
        """Return the outcome of an action.

        Raises:
            Deposed: there is a newer control plane.
            VarflowError: nobody knows what became of it.
        """
        action_id = errand.dispatch.action_id
        self._errands[action_id] = errand
        seconds = errand.dispatch.deadline + _LATE_SECONDS - self._ground.clock()
        try:
            async with asyncio.timeout(max(seconds, _LATE_SECONDS)):
                outcome = await self._run(errand)
        except NotStarted as error:
            return error.outcome
        except StaleEpoch as error:
            raise Deposed(error.message) from error
        except TimeoutError as error:
            self.is_anything_left |= errand.was_sent
            raise PodLost(f"action {action_id}: no outcome came in time") from error
        except VarflowError:
            self.is_anything_left |= errand.was_sent
            raise
        finally:
            del self._errands[action_id]
        self._ground.passed(CrashPoint.ANSWERED)
        return outcome

    async def give_up(self, decision: str, *, workflow_uid: str, action_id: str) -> None:
        """Tell every attempt of an action that can be found to stop; best effort."""
        errands = [it for it in self._errands.values() if it.dispatch.decision == decision]
        if errands:
            await asyncio.gather(*map(self.stop, errands))
            return
        pods = self._ground.pods.all_of(workflow_uid)
        await asyncio.gather(*(self._talking.cancel(pod, action_id) for pod in pods))

    async def stop(self, errand: Errand) -> None:
        """Tell an attempt to stop; best effort."""
        errand.is_given_up = True
        if errand.pod is not None:
            await self._talking.cancel(errand.pod, errand.dispatch.action_id)

    async def _run(self, errand: Errand) -> Outcome:
        found = await self._find(errand) if errand.is_resumed else None
        while found is None:
            with self._ground.metrics.dispatch_durations.time():
                place = await self._waiting.take(errand)
            self._ground.passed(CrashPoint.PLACED)
            found = await self._use(place, errand, is_known=False)
        return found

    async def _find(self, errand: Errand) -> Outcome | None:
        """Return the outcome of an action that was sent before, if anybody knows it.

        A pod that has the action may have got it in place of one that was out of sight: a control
        plane before this one knew, and is no more. So there may be rivals in any case.
        """
        decided = await self._find_committed(errand)
        if decided is not None:
            return decided
        errand.has_rivals = True
        pods = self._ground.pods.pods_of(errand.settings.key)
        answers = await asyncio.gather(*(self._talking.knows(pod, errand) for pod in pods))
        knowing = next((pod for pod, knows in zip(pods, answers, strict=True) if knows), None)
        if knowing is None:
            return None
        errand.was_sent = True
        errand.taken.set()
        place = self._ground.pods.attach(errand.settings, knowing)
        return await self._use(place, errand, is_known=True)

    async def _use(self, place: Place, errand: Errand, *, is_known: bool) -> Outcome | None:
        """Return the outcome of an action in a pod; None when another pod has to be asked."""
        try:
            return await self._talking.attend(place.pod, errand, is_known=is_known)
        except (Draining, PodLost) as error:
            self._note_left(place.pod, errand, error)
            place.release(is_refused=True)
            return await self._find_committed(errand)
        finally:
            place.release()

    def _note_left(self, pod: Pod, errand: Errand, error: VarflowError) -> None:
        """Note that a pod may go on with an action, unless it is known to have ended."""
        if isinstance(error, PodLost) and not pod.state.is_over:
            errand.has_rivals = self.is_anything_left = True

    async def _find_committed(self, errand: Errand) -> Outcome | None:
        return await self._variables.find_committed(errand.dispatch.decision)
