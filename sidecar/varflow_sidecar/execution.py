"""One execution of an action: the order of design.md §5, from its folder to its outcome.

    a free place ─► folder ─► committed before? ─► mounts ─► POST / ─► answer
        ─► the folder is taken away ─► out/ spooled ─► commit ─► outcome, and meanwhile
        the folder is removed (`disposal`)

Up to the answer a cancel or the deadline stops it at once; a function that is at work gets `DELETE
/` and a grace period. From then on the commit decides: it writes nothing after the deadline,
nothing once the control plane has given the action up, and of two executions the second adopts the
first one's outcome. Only a COMPLETE answer commits.

Errors become outcomes here and nowhere else. What the workflow may catch is FAILED with a stable
code: the function's and the caller's faults, and a store that stayed away until the deadline. What
is broken on our side (a full or damaged store, a defect) is CRASHED.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import orjson

from varflow.contract import (
    CODE_CANCELLED,
    CODE_CONTAINER_FAILED,
    CODE_INTERNAL,
    CODE_TIMEOUT,
    HEADER_ACTION_ID,
    HEADER_IDEMPOTENCY_KEY,
    HEADER_ITERATOR,
    HEADER_TEMP_DIR,
    Dispatch,
    Outcome,
    OutcomeStatus,
    SidecarSettings,
)
from varflow.errors import ActionAbandoned, DeadlinePassed, StoreUnavailable, VarflowError
from varflow.logs import FUNCTION, Level, LogSink
from varflow.variables import paths, retrying
from varflow.variables.variables import Variables
from varflow_sidecar import answers, threads
from varflow_sidecar.answers import Answer
from varflow_sidecar.files import mounting, outputs
from varflow_sidecar.files.disposal import Disposal
from varflow_sidecar.files.extracting import Budget
from varflow_sidecar.files.folders import ActionFolder, Folders
from varflow_sidecar.files.mounting import Target
from varflow_sidecar.function import AnswerTooLarge, Endpoint, FunctionClient, FunctionFailed
from varflow_sidecar.metrics import Metrics
from varflow_sidecar.stopping import ActionStopped, Stop

T = TypeVar("T")

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What all executions stand on."""

    variables: Variables
    settings: SidecarSettings
    folders: Folders
    disposal: Disposal
    client: FunctionClient
    log: LogSink
    metrics: Metrics


class Execution:
    """Runs one action once."""

    def __init__(
        self, dispatch: Dispatch, *, endpoint: Endpoint, places: asyncio.Semaphore, ground: Ground
    ) -> None:
        """Prepare it; `places` are the function's."""
        self._dispatch = dispatch
        self._endpoint = endpoint
        self._places = places
        self._ground = ground
        self._stop = Stop(dispatch.deadline)
        self._folder: ActionFolder | None = None
        self._is_function_at_work = False

    def cancel(self) -> None:
        """Have it end soon as CANCELLED, unless it is committing already."""
        self._stop.cancel()

    async def run(self) -> Outcome:
        """Run it to its end. Raises nothing but `CancelledError`, when the process stops."""
        outcome = await self._run_guarded()
        self._log(outcome)
        await self._ground.log.flush(self._dispatch.owners)
        return outcome

    async def _run_guarded(self) -> Outcome:
        try:
            await self._unless_stopped(self._places.acquire())
            try:
                return await self._run_in_place()
            finally:
                self._places.release()
        except ActionStopped:
            return self._stopped_outcome()
        except VarflowError as error:
            return _outcome_of(error)
        except OSError as error:
            return _crashed(f"the sidecar cannot use its temp dir: {error.strerror}")
        except Exception:
            _logger.exception("action %s crashed", self._dispatch.action_id)
            return _crashed("an internal error occurred; the sidecar's log has the details")

    async def _run_in_place(self) -> Outcome:
        try:
            answer = await self._prepare_and_call()
            if isinstance(answer, Outcome):
                return answer
            outcome = answers.outcome_of(answer)
            if outcome.status is OutcomeStatus.COMPLETE:
                return await self._commit(outcome)
            return outcome
        finally:
            await self._leave_folder()

    async def _prepare_and_call(self) -> Answer | Outcome:
        """Return the function's answer, or the outcome of an earlier execution."""
        if not self._dispatch.is_first:
            committed = await self._unless_stopped(self._find_committed())
            if committed is not None:
                return committed
        targets = mounting.plan(self._dispatch.files)
        folders = self._ground.folders
        self._folder = await threads.run(folders.create, self._dispatch.action_id)
        if targets:
            await self._unless_stopped(self._mount(targets, self._folder))
        return await self._call(self._folder)

    async def _find_committed(self) -> Outcome | None:
        found = await retrying.until(
            self._dispatch.deadline,
            lambda: self._ground.variables.find_decision(self._decision),
        )
        return outputs.committed_outcome(found)

    async def _mount(self, targets: Sequence[Target], folder: ActionFolder) -> None:
        settings = self._ground.settings
        budget = Budget(
            max_bytes=settings.max_archive_bytes, max_entries=settings.max_archive_entries
        )
        await mounting.mount(
            targets,
            folder,
            variables=self._ground.variables,
            owners=self._dispatch.owners,
            budget=budget,
            deadline=self._dispatch.deadline,
        )

    async def _call(self, folder: ActionFolder) -> Answer:
        call = asyncio.ensure_future(
            self._ground.client.call(
                self._endpoint,
                name=self._dispatch.function,
                headers=self._headers(folder),
                body=orjson.dumps(self._dispatch.input),
            )
        )
        self._is_function_at_work = True
        try:
            if await self._stop.comes_before(call):
                await self._ground.client.stop(
                    self._endpoint, action_id=self._dispatch.action_id, call=call
                )
                raise ActionStopped
            answer = call.result()
            self._is_function_at_work = False
            return answer
        finally:
            call.cancel()

    def _headers(self, folder: ActionFolder) -> Mapping[str, str]:
        return {
            HEADER_ACTION_ID: self._dispatch.action_id,
            HEADER_TEMP_DIR: str(folder.path),
            HEADER_ITERATOR: str(self._dispatch.iterator),
            HEADER_IDEMPOTENCY_KEY: self._dispatch.idempotency_key,
        }

    async def _commit(self, outcome: Outcome) -> Outcome:
        """Commit what lies in `out/`, and return the outcome that then stands.

        Whoever sends an action a second time looks for its decision before taking an outcome of the
        first, so a first execution that changes nothing need not ask the store.
        """
        assert self._folder is not None
        self._folder, has_outputs = await threads.run(
            self._ground.folders.take_outputs, self._folder
        )
        if self._dispatch.is_first and not has_outputs:
            return outcome
        return await outputs.commit(
            self._folder if has_outputs else None,
            outcome,
            variables=self._ground.variables,
            owners=self._dispatch.owners,
            decision=self._decision,
            deadline=self._dispatch.deadline,
        )

    async def _unless_stopped(self, step: Coroutine[Any, Any, T]) -> T:
        """Wait for a step that may be broken off.

        Raises:
            ActionStopped: it was; the step has ended.
        """
        task = asyncio.ensure_future(step)
        try:
            if await self._stop.comes_before(task):
                raise ActionStopped
            return task.result()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _leave_folder(self) -> None:
        """Have the folder removed, out of reach of a function that may still run."""
        if self._folder is None:
            return
        folder, self._folder = self._folder, None
        if self._is_function_at_work:
            try:
                folder = await threads.run(self._ground.folders.bury, folder)
            except OSError as error:
                self._ground.disposal.note_left(folder, error)
                return
        await self._ground.disposal.dispose(folder)

    @property
    def _decision(self) -> str:
        return paths.decision(self._dispatch.owners, self._dispatch.decision)

    def _stopped_outcome(self) -> Outcome:
        if self._stop.is_cancelled:
            return CANCELLED
        what = "answer" if self._is_function_at_work else "start"
        return Outcome(
            status=OutcomeStatus.FAILED,
            code=CODE_TIMEOUT,
            message=f"function {self._dispatch.function!r} did not {what} before the deadline",
        )

    def _log(self, outcome: Outcome) -> None:
        for warning in outcome.warnings:
            self._ground.log.write(
                self._dispatch.owners, warning, source=FUNCTION, level=Level.WARNING
            )
        if outcome.status is OutcomeStatus.CRASHED:
            _logger.error("action %s crashed: %s", self._dispatch.action_id, outcome.message)


CANCELLED: Final = Outcome(
    status=OutcomeStatus.CANCELLED, code=CODE_CANCELLED, message="the action was cancelled"
)


def _outcome_of(error: VarflowError) -> Outcome:
    """Return the outcome that an error stands for: what trying again may mend can be caught."""
    match error:
        case FunctionFailed():
            status, code = OutcomeStatus.FAILED, CODE_CONTAINER_FAILED
        case AnswerTooLarge():
            status, code = OutcomeStatus.CRASHED, CODE_INTERNAL
        case ActionAbandoned():
            return CANCELLED
        case DeadlinePassed():
            status, code = OutcomeStatus.FAILED, CODE_TIMEOUT
        case StoreUnavailable():
            status, code = OutcomeStatus.FAILED, error.code
        case _:
            is_ours = error.status >= 500
            status, code = OutcomeStatus.CRASHED if is_ours else OutcomeStatus.FAILED, error.code
    return Outcome(status=status, code=code, message=answers.clean(error.message))


def _crashed(message: str) -> Outcome:
    return Outcome(status=OutcomeStatus.CRASHED, code=CODE_INTERNAL, message=message)
