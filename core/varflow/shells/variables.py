"""What the engine asks of variables, done over `Variables`: the same in every shell.

    ReadVariables ──► Variables.get, all at one time ─► VariablesRead
    WriteVariables ─► one commit, under its decision ─► VariablesWritten
    GiveUp ─────────► abandon the decision; what had committed before stands

No semantics of its own: what a value is, and what may be tried again, is decided by `conversions`,
`Variables` and the engine. A store that is away is waited out for a while (`PATIENCE_SECONDS`);
what is left of an error becomes `EffectFailed`, a crash unless the workflow's author can mend it.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

from varflow import errors
from varflow.contract import CODE_INTERNAL, Outcome, OutcomeStatus
from varflow.engine.messages import (
    EffectFailed,
    Json,
    ReadVariables,
    VariableRead,
    VariablesRead,
    VariablesWritten,
    VariableWrite,
    WriteVariables,
)
from varflow.variables import conversions, paths, retrying, scopes
from varflow.variables.scopes import Owners
from varflow.variables.variables import Change, Variables
from varflow.variables.writes.commits import Abandoned

PATIENCE_SECONDS: Final = 60.0
"""How long a getter or setter waits for a store that is away (design.md §8, promise 4)."""

Clock = Callable[[], float]
_T = TypeVar("_T")


class VariableEffects:
    """The variables of one instance."""

    def __init__(self, *, owners: Owners, variables: Variables, clock: Clock = time.time) -> None:
        self._owners = owners
        self._variables = variables
        self._clock = clock

    async def read(self, command: ReadVariables) -> VariablesRead:
        """Read all of them at one time.

        Raises:
            VarflowError: one of them cannot be read, or has no valid name.
        """
        values = await asyncio.gather(*(self._read(item) for item in command.items))
        return VariablesRead(at=self._clock(), request=command.request, values=tuple(values))

    async def write(self, command: WriteVariables) -> VariablesWritten:
        """Write all of them in one commit.

        Raises:
            ActionAbandoned: it was given up before.
            VarflowError: they cannot be written; whether they were is not known.
        """
        changes = await self._make_changes(command.items)
        decision = paths.decision(self._owners, command.decision)
        result = Outcome(status=OutcomeStatus.COMPLETE).encode()
        await self._patiently(lambda: self._variables.commit(decision, changes, result=result))
        return VariablesWritten(at=self._clock(), request=command.request)

    async def abandon(self, decision: str) -> Outcome | None:
        """Give an action or write up for good and return its outcome if it had committed.

        Raises:
            StoreError: the store could not take it; nothing is given up.
        """
        path = paths.decision(self._owners, decision)
        found = await self._patiently(lambda: self._variables.abandon(path))
        return None if found is None else Outcome.decode(found.result)

    async def find_committed(self, decision: str) -> Outcome | None:
        """Return the outcome of an action that has committed.

        Raises:
            StoreError: the store could not say.
        """
        path = paths.decision(self._owners, decision)
        found = await self._patiently(lambda: self._variables.find_decision(path))
        if found is None or isinstance(found, Abandoned):
            return None
        return Outcome.decode(found.result)

    def failure(self, request: str, error: errors.VarflowError) -> EffectFailed:
        """Return the event for a command that ended with an error."""
        is_catchable = error.status < 500
        return EffectFailed(
            at=self._clock(),
            request=request,
            code=error.code if is_catchable else CODE_INTERNAL,
            message=error.message if is_catchable else f"{error.message} [{error.code}]",
            is_catchable=is_catchable,
        )

    async def _read(self, item: VariableRead) -> Json:
        address = scopes.address(self._owners, item.scope, item.key)
        variable = await self._patiently(lambda: self._variables.get(address))
        return None if variable is None else conversions.json_or_base64(await variable.bytes())

    async def _make_changes(self, items: Sequence[VariableWrite]) -> list[Change]:
        """Store what the changes need; all of it or, when something fails, nothing."""
        made = await asyncio.gather(*map(self._make_change, items), return_exceptions=True)
        changes = [change for change in made if isinstance(change, Change)]
        for failure in made:
            if isinstance(failure, BaseException):
                await self._discard(changes)
                raise failure
        return changes

    async def _discard(self, changes: Sequence[Change]) -> None:
        for change in changes:
            if change.content is not None:
                with contextlib.suppress(errors.StoreError):  # then it is left to the sweeper
                    await self._variables.discard(self._owners, change.content)

    async def _make_change(self, item: VariableWrite) -> Change:
        address = scopes.address(self._owners, item.scope, item.key)
        if item.data is None:
            return Change(address, None)
        data = item.data
        try:
            content = await self._patiently(
                lambda: self._variables.store_content(self._owners, data)
            )
        except errors.TooLarge as error:
            raise errors.TooLarge(f"{address}: {error.message}") from error
        return Change(address, content, item.content_type)

    async def _patiently(self, call: Callable[[], Awaitable[_T]]) -> _T:
        return await retrying.until(self._clock() + PATIENCE_SECONDS, call)
