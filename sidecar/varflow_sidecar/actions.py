"""The actions that run here or have ended here, by id.

    dispatch ─► a new id:      runs
             ─► a running id:  the same execution
             ─► an ended id:   the same outcome

An outcome waits until it is fetched, and a while longer, since the answer that carried it may be
lost. What has been forgotten here the decision object still knows, when variables were committed.
Commands of a deposed control plane (a lower epoch) are refused; a draining sidecar takes no new
ids, so that another pod gets them, but goes on with and tells about those it has.

Of an instance that is gone the control plane removes what keeps a late attempt from committing,
once every sidecar has said that nothing of it runs (`end_instances`). That answer is final: what
was sent for it before and arrives later is refused, from a deposed control plane by its epoch, from
the present one by the instance.

The local shell embeds this class: `run` and `cancel`, without HTTP.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from varflow.contract import Dispatch, Outcome
from varflow.errors import ActionAbandoned, Draining, InvalidInput, StaleEpoch, UnknownAction
from varflow.variables.scopes import Owners, StateAddress
from varflow_sidecar.execution import Execution, Ground
from varflow_sidecar.function import Endpoint
from varflow_sidecar.shelves import Shelf

GONE_INSTANCES: Final = 10_000
"""How many gone instances are remembered: what was sent for them is a minute late at most."""


@dataclass(slots=True, kw_only=True, eq=False)
class Action:
    """One id."""

    dispatch: Dispatch
    """Without input and files once it has ended: a sidecar may keep thousands of those."""
    execution: Execution | None
    """None once it has ended."""
    task: asyncio.Task[Outcome]
    encoded: bytes | None = None
    """The outcome as it is sent, once there is one."""


class Actions:
    """The registry. Use it from one event loop."""

    def __init__(self, functions: Mapping[str, Endpoint], *, ground: Ground) -> None:
        """Take the functions by id; entries may come and go while this runs."""
        self._functions = functions
        self._ground = ground
        self._places: dict[Endpoint, asyncio.Semaphore] = {}
        self._running: dict[str, Action] = {}
        self._ended: Shelf[Action] = Shelf()
        self._gone: dict[str, None] = {}
        """UIDs of instances, the first to go first."""
        self._epoch = 0
        self._is_draining = False
        self._changed = asyncio.Event()

    @property
    def is_draining(self) -> bool:
        """True once `drain` was called."""
        return self._is_draining

    async def run(self, dispatch: Dispatch) -> Outcome:
        """Run an action, or attach to it, and return its outcome.

        Cancelling this call leaves the action running.

        Raises:
            VarflowError: as `start`.
        """
        action = self.start(dispatch)
        outcome = await asyncio.shield(action.task)
        self.confirm(action)
        return outcome

    def start(self, dispatch: Dispatch) -> Action:
        """Begin an action, or return the one with that id.

        Raises:
            StaleEpoch: a control plane with a higher epoch has been here.
            ActionAbandoned: its instance is gone.
            Draining: the id is new and this sidecar is stopping.
            InvalidInput: there is no such function.
        """
        self.check_epoch(dispatch.epoch)
        try:
            return self.get(dispatch.action_id)
        except UnknownAction:
            return self._start(dispatch)

    def get(self, action_id: str) -> Action:
        """Return an action that runs or has ended.

        Raises:
            UnknownAction: it never ran here, or is forgotten.
        """
        found = self._running.get(action_id) or self._ended.find(action_id)
        if found is None:
            raise UnknownAction(f"action {action_id[:64]!r} is not known here")
        return found

    def owners_of(self, action_id: str) -> Owners:
        """Return whose variables a running action may use.

        Raises:
            UnknownAction: it does not run here.
        """
        found = self._running.get(action_id)
        if found is None:
            raise UnknownAction(f"no action with the id {action_id[:64]!r} runs here")
        return found.dispatch.owners

    def state_of(self, action_id: str) -> StateAddress:
        """Return which state a running action may use.

        Raises:
            UnknownAction: it does not run here.
            InvalidInput: the control plane did not say which one.
        """
        owners = self.owners_of(action_id)
        name = self._running[action_id].dispatch.state
        if not name:
            raise InvalidInput("this action has no state; the control plane named none")
        return StateAddress(owners, name)

    async def wait(self, action: Action, *, seconds: float) -> bytes | None:
        """Wait for an action's outcome for a while; None when it still runs."""
        if action.encoded is None and seconds > 0:
            await asyncio.wait([action.task], timeout=seconds)
        return action.encoded

    def cancel(self, action_id: str) -> Action:
        """Tell an action to stop; its outcome tells what came of it.

        Raises:
            UnknownAction: it never ran here, or is forgotten.
        """
        action = self.get(action_id)
        if action.execution is not None:
            action.execution.cancel()
        return action

    async def end_instances(
        self, uids: frozenset[str], *, epoch: int, seconds: float
    ) -> frozenset[str]:
        """Stop all actions of instances that are gone, and wait a while for their end.

        Nobody will fetch the outcomes.

        Returns:
            The instances of which something still runs.

        Raises:
            StaleEpoch: there is a newer control plane.
        """
        self.check_epoch(epoch)
        self._note_gone(uids)
        for action in self._ended.unfetched:
            if action.dispatch.owners.instance in uids:
                self.confirm(action)
        running = self._running_of(uids)
        for action in running:
            if action.execution is not None:
                action.execution.cancel()
        if running and seconds > 0:
            await asyncio.wait([action.task for action in running], timeout=seconds)
        return frozenset(it.dispatch.owners.instance for it in self._running_of(uids))

    def check_epoch(self, epoch: int) -> None:
        """Take note of a control plane's epoch.

        Raises:
            StaleEpoch: there has been a higher one.
        """
        if epoch < self._epoch:
            raise StaleEpoch(f"epoch {epoch} is over, the present one is {self._epoch}")
        self._epoch = epoch

    def confirm(self, action: Action) -> None:
        """Note that the outcome of an action has been fetched."""
        self._ended.note_fetched(action.dispatch.action_id)
        self._note_change()

    def drain(self) -> None:
        """Take no new actions from now on."""
        self._is_draining = True

    async def idle(self) -> None:
        """Return when no action runs."""
        while self._running:
            await self._change()

    async def settled(self) -> None:
        """Return when no action runs and every outcome has been fetched."""
        while self._running or self._ended.is_anything_unfetched:
            await self._change()

    async def close(self) -> None:
        """Break off what still runs; without an outcome, as when the process were killed."""
        tasks = [action.task for action in self._running.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _start(self, dispatch: Dispatch) -> Action:
        if dispatch.owners.instance in self._gone:
            raise ActionAbandoned("the instance of this action is gone")
        if self._is_draining:
            raise Draining("this sidecar is stopping; send the action to another pod")
        endpoint = self._find_endpoint(dispatch.function)
        places = self._places.setdefault(endpoint, asyncio.Semaphore(endpoint.concurrency))
        execution = Execution(dispatch, endpoint=endpoint, places=places, ground=self._ground)
        task = asyncio.ensure_future(execution.run())
        action = Action(dispatch=dispatch, execution=execution, task=task)
        started = time.monotonic()
        self._running[dispatch.action_id] = action
        self._ground.metrics.running.inc()
        task.add_done_callback(lambda _task: self._end(action, time.monotonic() - started))
        return action

    def _note_gone(self, uids: frozenset[str]) -> None:
        self._gone.update(dict.fromkeys(uids))
        while len(self._gone) > GONE_INSTANCES:
            del self._gone[next(iter(self._gone))]

    def _running_of(self, uids: frozenset[str]) -> list[Action]:
        return [it for it in self._running.values() if it.dispatch.owners.instance in uids]

    def _find_endpoint(self, function: str) -> Endpoint:
        try:
            return self._functions[function]
        except KeyError:
            raise InvalidInput(f"there is no function {function!r} here") from None

    def _end(self, action: Action, seconds: float) -> None:
        del self._running[action.dispatch.action_id]
        action.dispatch, action.execution = replace(action.dispatch, input=None, files=()), None
        self._ground.metrics.running.dec()
        if not action.task.cancelled():
            outcome = action.task.result()
            self._ground.metrics.action_durations[outcome.status].observe(seconds)
            action.encoded = outcome.encode()
            self._ended.put(
                action.dispatch.action_id,
                action,
                size=len(action.encoded),
                wanted_until=action.dispatch.deadline,
            )
            if action.dispatch.owners.instance in self._gone:
                self._ended.note_fetched(action.dispatch.action_id)
        self._note_change()

    def _note_change(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _change(self) -> None:
        await self._changed.wait()
