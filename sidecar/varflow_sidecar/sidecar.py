"""One sidecar, put together: everything that its applications and its shells need.

    async with Sidecar.open(variables, functions, settings=settings) as sidecar:
        outcome = await sidecar.actions.run(dispatch)

Three programs embed it: the pod's process (`__main__`), the local shell (`varflow run`, several
functions in one process) and the tests. None of them gets a global: all state hangs on this value.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from varflow.contract import SidecarSettings
from varflow.logs import LogSink, StoreLog
from varflow.variables.variables import Variables
from varflow_sidecar import threads
from varflow_sidecar.actions import Actions
from varflow_sidecar.execution import Ground
from varflow_sidecar.files.disposal import Disposal
from varflow_sidecar.files.folders import ActionFolder, Folders
from varflow_sidecar.function import Endpoint, FunctionClient
from varflow_sidecar.metrics import Metrics

_logger = logging.getLogger(__name__)


class OneFunction(dict[str, Endpoint]):
    """The functions of a pod: whatever an action calls it, there is one."""

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__({"": endpoint})

    def __missing__(self, function: str) -> Endpoint:
        return self[""]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sidecar:
    """A running sidecar."""

    variables: Variables
    actions: Actions
    log: LogSink
    metrics: Metrics
    settings: SidecarSettings
    client: FunctionClient
    functions: Mapping[str, Endpoint]

    async def functions_listen(self) -> bool:
        """Tell whether all functions take connections."""
        endpoints = set(self.functions.values())
        return all([await self.client.listens(endpoint) for endpoint in endpoints])

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls,
        variables: Variables,
        functions: Mapping[str, Endpoint],
        *,
        settings: SidecarSettings,
        log: LogSink | None = None,
    ) -> AsyncIterator[Sidecar]:
        """Run a sidecar without servers as long as the context lasts.

        Args:
            variables: Opened, and closed later, by the caller.
            functions: Where each function listens, by id; may change while it runs.
            settings: `shared_dir` and the limits; ports, store and token are the shell's business.
            log: Where instances' log lines go; None for chunk objects in the store.

        Raises:
            OSError: the shared folder cannot be made.
        """
        metrics = Metrics()
        store_log = StoreLog(variables.store, note_dropped=metrics.log_lines_dropped.inc)
        client = FunctionClient(
            max_answer_bytes=settings.max_answer_bytes,
            cancel_grace_seconds=settings.cancel_grace_seconds,
        )
        folders = Folders(Path(settings.shared_dir))
        async with client, Disposal(folders, metrics=metrics) as disposal:
            ground = Ground(
                variables=variables,
                settings=settings,
                folders=folders,
                disposal=disposal,
                client=client,
                log=log or store_log,
                metrics=metrics,
            )
            leftovers = await _stop_leftovers(ground, functions)
            clearing = asyncio.ensure_future(_dispose(leftovers, disposal))
            actions = Actions(functions, ground=ground)
            try:
                yield cls(
                    variables=variables,
                    actions=actions,
                    log=ground.log,
                    metrics=metrics,
                    settings=settings,
                    client=client,
                    functions=functions,
                )
            finally:
                clearing.cancel()
                await asyncio.gather(clearing, return_exceptions=True)
                await actions.close()
                await store_log.close()


async def _stop_leftovers(ground: Ground, functions: Mapping[str, Endpoint]) -> list[ActionFolder]:
    """Put aside what a previous process left, and tell the functions to stop what nobody waits for.

    That is over before new actions are taken: else a late `DELETE /` would meet an action that was
    dispatched again under its old id.
    """
    await threads.run(ground.folders.open)
    action_ids, folders = await threads.run(ground.folders.take_leftovers)
    for action_id in sorted(action_ids):
        _logger.warning("action %s was left by a previous process; it is stopped", action_id)
    await asyncio.gather(
        *(
            ground.client.stop(endpoint, action_id=action_id)
            for action_id in action_ids
            for endpoint in set(functions.values())
        )
    )
    return folders


async def _dispose(folders: list[ActionFolder], disposal: Disposal) -> None:
    for folder in folders:
        await disposal.dispose(folder)
