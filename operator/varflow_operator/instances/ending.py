"""The end of an instance: in its status first, then in the store.

What is left to do after the end is in the status is done again by the sweeper when this process
does not get to it: variables of an instance that has ended end, whoever sees them.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final

import orjson

from varflow.contract import CODE_INTERNAL
from varflow.engine.messages import Finish, InstanceStatus
from varflow.errors import StoreError, VarflowError
from varflow.variables import retrying
from varflow.variables.scopes import Owners
from varflow_operator.instances import statuses
from varflow_operator.instances.checkpoints import Keeper
from varflow_operator.instances.conflicts import InstanceGone
from varflow_operator.instances.crashpoints import CrashPoint
from varflow_operator.instances.ground import Ground
from varflow_operator.instances.statuses import MAX_OUTPUT_BYTES, View

TAIL_SECONDS: Final = 15.0
"""How long functions that were told to stop may take: their grace is 10 s."""
_PATIENCE_SECONDS: Final = 60.0
"""How long a store that is away is waited for; then it is the sweeper's."""

_logger = logging.getLogger(__name__)


def crash(error: Exception) -> Finish:
    """Return the end of an instance by a fault of Varflow's, or of what Varflow stands on."""
    if isinstance(error, VarflowError):
        said = f"{error.message} [{error.code}]"
    else:
        said = "the operator's log has the details"
    return Finish(
        status=InstanceStatus.CRASHED,
        output=None,
        code=CODE_INTERNAL,
        message=f"Varflow failed: {said}",
    )


class End:
    """The end of one instance."""

    def __init__(self, ground: Ground, keeper: Keeper, owners: Owners, *, view: View) -> None:
        self._ground = ground
        self._keeper = keeper
        self._owners = owners
        self.view = view
        """What is shown of it; after `write` also how it ended."""
        self.is_gone = True
        """There is no object that says how it ended."""

    async def write(self, finish: Finish) -> None:
        """Write the last status.

        Raises:
            Deposed: a newer control plane has the instance.
            VarflowError: it cannot be written.
        """
        now = self._ground.clock()
        view = replace(self.view, finish=finish, completed_at=now, reason="")
        output = b"" if finish.output is None else orjson.dumps(finish.output)
        if len(output) > MAX_OUTPUT_BYTES:
            view = replace(view, output_ref=f"output-{secrets.token_hex(8)}")
            await self._keeper.store(self._owners, view.output_ref, output)
            self._ground.passed(CrashPoint.STORED)
        try:
            await self._keeper.write(view, owners=self._owners)
        except InstanceGone:
            return
        self.is_gone = False
        self.view = view
        self._ground.passed(CrashPoint.FINISHED)
        began = now if view.started_at is None else view.started_at
        self._ground.metrics.instance_ended(statuses.phase(view), max(0.0, now - began))

    async def wait_for(self, tasks: Iterable[asyncio.Task[Any]]) -> bool:
        """Wait a while for what was given up; say whether all of it is over."""
        tasks = list(tasks)
        if not tasks:
            return True
        _, left = await asyncio.wait(tasks, timeout=TAIL_SECONDS)
        return not left

    async def end_variables(self, *, keep_until: float | None) -> None:
        """End what the instance has in the store, or all of it when its object is gone.

        Args:
            keep_until: how long an attempt may go on somewhere; None when none does.
        """
        try:
            await retrying.until(
                self._ground.clock() + _PATIENCE_SECONDS, lambda: self._end_once(keep_until)
            )
        except StoreError as error:
            _logger.warning("%s: %s", self._keeper.record.name, error.message)
        self._ground.passed(CrashPoint.ENDED)

    async def _end_once(self, keep_until: float | None) -> None:
        variables = self._ground.variables
        if self.is_gone:
            await variables.remove_instance(self._owners, keep_until=keep_until)
        else:
            await variables.end_instance(
                self._owners, keep_until=keep_until, kept_data=self.view.output_ref
            )
