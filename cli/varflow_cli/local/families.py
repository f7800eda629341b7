"""The instances of a run: the one that was asked for, and those that run below it as subflows.

All share the store, the sidecar, the functions' processes, the evaluator and the secrets; each has
its own id, and variables of its own instance and workflow.

The variables of a child end with it. Where something of it may still run (it was given up, or is
not waited for) that has to wait until no function runs any more: what ends takes the decisions
along that keep it from committing.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace

from varflow.engine.messages import Finish, Json, StartSubflow
from varflow.errors import StoreError
from varflow.language import subflows
from varflow.language.evaluating import Evaluator
from varflow.language.workflow import Workflow
from varflow.logs import Level
from varflow.shells.variables import Clock
from varflow.variables.scopes import Owners
from varflow.variables.states import States, Trigger
from varflow.variables.variables import Variables
from varflow_cli.console.progress import Progress
from varflow_cli.local.background import Background
from varflow_cli.local.children import Child, Children
from varflow_cli.local.effects import Effects
from varflow_cli.local.functions import LocalFunctions
from varflow_cli.local.secrets import Secrets
from varflow_cli.local.shell import Shell
from varflow_sidecar.actions import Actions


class ProgressLog:
    """The instances' log as the sidecar sees it: lines are shown, and end with the run."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._children: dict[str, Progress] = {}

    def add(self, owners: Owners, progress: Progress) -> None:
        """Have a child's lines shown as its own."""
        self._children[owners.instance] = progress

    def write(self, owners: Owners, text: str, *, source: str, level: Level = Level.INFO) -> None:
        self._children.get(owners.instance, self._progress).log(text, level=level)

    async def flush(self, owners: Owners) -> None:
        pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What all instances of a run share."""

    workflows: Mapping[str, Workflow]
    """Those that may run, by name."""
    variables: Variables
    actions: Actions
    functions: LocalFunctions
    evaluator: Evaluator
    secrets: Secrets
    log: ProgressLog
    trigger: Trigger
    """What started the run; subflows, too, go on behalf of who started it."""
    clock: Clock = time.time


class Family:
    """The instance that was asked for, and all that come of it."""

    def __init__(self, ground: Ground, owners: Owners, progress: Progress) -> None:
        self._ground = ground
        self._owners = owners
        self._progress = progress
        self._background = Background()
        self._unfinished = [owners]
        """Whose variables are still to be removed."""
        self._main, _ = self._make(owners, progress, name="")

    async def run(self, input: Json) -> Finish:
        """Run the instance, and all that it has begun, to the end.

        Raises:
            Exception: Varflow has a defect.
        """
        try:
            finish = await self._main.run(input)
            await self._background.finish()
        finally:
            await self._background.close()
        return finish

    def cancel(self, *, message: str) -> None:
        """Ask everything to stop; `run` returns when it has."""
        self._main.cancel(message=message)
        self._background.cancel()

    async def end_variables(self) -> None:
        """End the instances' variables: no process of the run is left that could write."""
        for owners in self._unfinished:
            await self._end_variables(owners)

    def _make(self, owners: Owners, progress: Progress, *, name: str) -> tuple[Shell, Effects]:
        workflow = self._ground.workflows[owners.workflow]
        effects = Effects(
            owners=owners,
            states=States(trigger=self._ground.trigger, is_per_user=workflow.state.perUser),
            variables=self._ground.variables,
            actions=self._ground.actions,
            functions=self._ground.functions,
            family=name,
            children=Children(
                lambda command: self._make_child(owners, progress, command),
                background=self._background,
                clock=self._ground.clock,
            ),
            background=self._background,
            progress=progress,
        )
        shell = Shell(
            workflow,
            instance=owners.instance,
            effects=effects,
            evaluator=self._ground.evaluator,
            secrets=self._ground.secrets,
            progress=progress,
        )
        return shell, effects

    def _make_child(self, parent: Owners, progress: Progress, command: StartSubflow) -> Child:
        name = subflows.find(command.workflow, self._ground.workflows)
        assert name is not None, "planning finds every subflow"
        owners = replace(parent, workflow=name, instance=str(uuid.UUID(command.action_id)))
        inside = progress.inside(name)
        self._ground.log.add(owners, inside)
        family = "" if name == self._owners.workflow else name
        shell, effects = self._make(owners, inside, name=family)

        async def live() -> Finish:
            self._unfinished.append(owners)
            finish = await shell.run(command.input, depth=command.depth)
            if not effects.has_left_work:
                self._unfinished.remove(owners)
                await self._end_variables(owners)
            return finish

        return Child(live=live, cancel=shell.cancel)

    async def _end_variables(self, owners: Owners) -> None:
        try:
            await self._ground.variables.end_instance(owners)
        except StoreError as error:
            # The instance has ended as it has; what is left in the store disturbs nobody.
            self._progress.warn(f"the instance's variables could not be removed: {error.message}")
