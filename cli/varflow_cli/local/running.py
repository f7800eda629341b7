"""One local run: everything is set up, the instance runs, and everything is taken down again.

    folder, warden ► variables ► sidecar ► /var served ► functions ► evaluator ► the shell

In this order, and back again whatever happens; functions start in parallel with the first steps.
When the instance and all that it has begun have ended, actions that were given up have a moment to
end on `DELETE` before their functions are stopped; then the instances' own variables end, and what
commits still had to tidy up is waited for.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from varflow.contract import VARIABLE_PORT
from varflow.engine import codes
from varflow.engine.messages import Finish, InstanceStatus
from varflow.language.evaluating import Evaluator
from varflow.variables.variables import Variables
from varflow_cli.console.progress import Progress
from varflow_cli.local import declaring, guarding, serving, signals
from varflow_cli.local.families import Family, Ground, ProgressLog
from varflow_cli.local.functions import LocalFunction, LocalFunctions
from varflow_cli.local.launching import SIDECAR_URL, Launch
from varflow_cli.local.planning import Plan
from varflow_cli.local.serving import Served
from varflow_cli.runs.results import Result
from varflow_cli.stores import encrypting, storing, trusting
from varflow_sidecar.actions import Actions
from varflow_sidecar.sidecar import Sidecar

DRAIN_SECONDS: Final = 3.0
"""How long given-up actions may take to end on their functions' `DELETE` at the end of a run."""


@dataclass(frozen=True, slots=True)
class LocalRun:
    """A run that can start."""

    plan: Plan

    @property
    def instance(self) -> str:
        """The instance's id."""
        return self.plan.owners.instance

    def mask(self, text: str) -> str:
        """Return the text without secrets."""
        return self.plan.secrets.mask(text)

    async def run(self, progress: Progress) -> Result:
        """Run one instance to its end; see `run`."""
        return await run(self.plan, progress)


async def run(plan: Plan, progress: Progress) -> Result:
    """Run one instance to its end, and leave nothing running.

    Raises:
        Mistake: the environment or a store's URL cannot be used.
        StoreError: the store cannot be opened.
        Exception: Varflow has a defect.
    """
    instance = plan.owners.instance
    progress.note(f"instance {instance} of {plan.workflow.name} in {plan.owners.namespace}")
    for warning in plan.warnings:
        progress.warn(warning)
    with signals.taken() as interrupts:
        async with contextlib.AsyncExitStack() as stack:
            family, functions = await _set_up(stack, plan, progress)
            running = asyncio.create_task(family.run(plan.input))
            interrupts.connect(
                cancel=lambda name: _cancel(family, progress, name),
                end=lambda: _end(running, functions),
            )
            functions.start()
            with _limited(family, plan.timeout_seconds) as is_late:
                finish = await _result(running)
    result = Result.of_finish(instance, finish, is_late=is_late.is_set())
    progress.finish(result.status, error=": ".join(filter(None, (result.code, result.message))))
    return replace(result, message=plan.secrets.mask(result.message))


async def _set_up(
    stack: contextlib.AsyncExitStack, plan: Plan, progress: Progress
) -> tuple[Family, LocalFunctions]:
    """Set everything up, to be taken down by `stack`; no function runs yet."""
    folder, warden = await stack.enter_async_context(guarding.guarded_folder())
    variables = await stack.enter_async_context(
        storing.open_variables(
            plan.store,
            writer=f"instance {plan.owners.instance}",
            max_bytes=plan.settings.max_variable_bytes,
        )
    )
    _show_store(variables, progress)
    verdict = await trusting.trust(
        variables.store, accepts_unsafe=plan.accepts_unsafe_store, warn=progress.warn
    )
    await declaring.declare(plan.declared, variables)
    ending = await stack.enter_async_context(contextlib.AsyncExitStack())
    functions, log = LocalFunctions(), ProgressLog(progress)
    settings = replace(plan.settings, shared_dir=str(folder / "shared"), verdict=verdict)
    sidecar = await stack.enter_async_context(
        Sidecar.open(variables, functions.endpoints, settings=settings, log=log)
    )
    served = await stack.enter_async_context(serving.serve(sidecar, plan.environ))
    _warn_of_taken_port(plan, served, progress)
    for launch in plan.launches:
        functions.add(
            LocalFunction(
                launch,
                environ=_environ(plan.environ, launch, served),
                warden=warden,
                progress=progress,
                start_seconds=settings.function_start_seconds,
            )
        )
    stack.push_async_callback(functions.stop)
    stack.push_async_callback(_drain, sidecar.actions)
    evaluator = await stack.enter_async_context(Evaluator())
    ground = Ground(
        workflows=plan.workflows,
        variables=variables,
        actions=sidecar.actions,
        functions=functions,
        evaluator=evaluator,
        secrets=plan.secrets,
        log=log,
        trigger=plan.trigger,
    )
    family = Family(ground, plan.owners, progress)
    ending.push_async_callback(family.end_variables)
    return family, functions


def _cancel(family: Family, progress: Progress, signal_name: str) -> None:
    progress.warn(f"{signal_name}: cancelling the instance; once more to end it at once")
    family.cancel(message=f"cancelled by {signal_name}")


def _end(running: asyncio.Task[Finish], functions: LocalFunctions) -> None:
    functions.kill()
    running.cancel()


async def _result(running: asyncio.Task[Finish]) -> Finish:
    """Return how the instance ended, when it was not allowed to, too."""
    await asyncio.wait({running})
    if not running.cancelled():
        return running.result()
    return Finish(
        status=InstanceStatus.CANCELLED,
        output=None,
        code=codes.CANCELLED,
        message="ended at once by a second signal",
    )


@contextlib.contextmanager
def _limited(family: Family, seconds: float | None) -> Iterator[asyncio.Event]:
    """Cancel the instance when it takes longer than `--timeout` allows, and set what is given."""
    is_late = asyncio.Event()
    if seconds is None:
        yield is_late
        return

    def cancel() -> None:
        is_late.set()
        family.cancel(message=f"the run took longer than --timeout {seconds:g} s")

    handle = asyncio.get_running_loop().call_later(seconds, cancel)
    try:
        yield is_late
    finally:
        handle.cancel()


async def _drain(actions: Actions) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(DRAIN_SECONDS):
            await actions.idle()


def _show_store(variables: Variables, progress: Progress) -> None:
    store = variables.store
    if store.is_durable:
        progress.note(f"store {store.url}")
    else:
        progress.warn(f"store {store.url}: variables end with this run")


def _warn_of_taken_port(plan: Plan, served: Served, progress: Progress) -> None:
    fixed = [launch.function for launch in plan.launches if launch.port is not None]
    if fixed and not served.has_usual_port:
        progress.warn(
            f"port {VARIABLE_PORT} is taken, perhaps by another run: {', '.join(fixed)} reaches "
            f"variables only through ${SIDECAR_URL}"
        )


def _environ(environ: Mapping[str, str], launch: Launch, served: Served) -> dict[str, str]:
    # What a Python function prints should be seen when it prints it, not when it ends.
    usual = {"PYTHONUNBUFFERED": "1"}
    told = {name: text for name, text in environ.items() if name not in encrypting.VARIABLES}
    return {**usual, **told, **launch.environ, SIDECAR_URL: served.url}
