"""`varflow run`: one instance of a workflow, on this machine or in a cluster."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import click

from varflow_cli.cluster import completing
from varflow_cli.console import choosing, failures, options, streams
from varflow_cli.console.failures import Mistake

if TYPE_CHECKING:
    from varflow_cli.console.progress import Progress
    from varflow_cli.runs.results import Result

_ONLY_IN_CLUSTER: Final = {"workflow", "kubeconfig", "context", "system_namespace"}


class Run(Protocol):
    """A run that can start, here or in a cluster."""

    @property
    def instance(self) -> str | None:
        """The instance's name, once that is known."""
        ...

    def mask(self, text: str) -> str:
        """Return the text without secrets."""
        ...

    async def run(self, progress: Progress) -> Result:
        """Run one instance to its end."""
        ...


@click.command(
    "run",
    epilog="Exit codes: 0 complete, 1 failed, crashed or cancelled, "
    "2 a file or the command line is wrong and nothing was started, 4 it took longer than "
    "--timeout. In a cluster also: 3 not found, 5 a conflict, 6 the cluster cannot be reached.",
)
@click.argument("files", nargs=-1, metavar="FILE...", type=click.Path(path_type=Path))
@options.kubernetes
@click.option(
    "--workflow",
    metavar="NAME",
    help="With -k, instead of files: a workflow that is in the cluster.",
    shell_complete=completing.workflows,
)
@click.option(
    "--input",
    metavar="JSON|@FILE|-",
    help="The instance's input; - is standard input. Bytes that are not JSON arrive as base64.",
)
@options.store
@options.accept_unsafe_store
@options.namespace
@click.option(
    "--secret",
    "secrets",
    multiple=True,
    metavar="NAME[=VALUE]",
    help="A secret for actions that name it; without a value, from the environment.",
)
@click.option(
    "--function",
    "functions",
    multiple=True,
    metavar="ID|IMAGE=COMMAND",
    help="How to start a function here, by its id or image.",
)
@options.expressions
@options.timeout("Cancel the run when it takes longer.")
@options.access
@click.option(
    "--json", "is_json", is_flag=True, help="Print one JSON object: how it ended, and its output."
)
@options.debug
@click.pass_context
def command(context: click.Context, /, *, is_json: bool, in_cluster: bool, **given: Any) -> None:
    """Run one instance of the first workflow in FILE...

    Its functions are started as processes, its variables persist in the store. Further workflows
    and Variables in the files are there for it. Progress and logs go to standard error.

    With -k it runs in a cluster: what the files define is applied there, then an instance is
    created and waited for.
    """
    is_debugging = options.is_debugging(context)
    result = _run(context, given, in_cluster=in_cluster, is_debugging=is_debugging)
    _print(result, is_json=is_json)
    context.exit(result.exit_code)


def _run(
    context: click.Context, given: dict[str, Any], *, in_cluster: bool, is_debugging: bool
) -> Result:
    """Plan and run; whatever goes wrong is shown, and becomes a result as well."""
    with interrupts_put_off() as interrupted:
        from varflow_cli.console import loops, progress
        from varflow_cli.runs.results import Result

        plan = _planner_of_cluster() if in_cluster else _planner_of_machine()

    run: Run | None = None
    try:
        if interrupted:
            raise KeyboardInterrupt
        choosing.check(context, in_cluster=in_cluster)
        run = plan(given)
        shown = progress.to_stderr(mask=run.mask)
        progress.show_logging(shown, with_traceback=is_debugging)
        return loops.run(run.run(shown))
    except KeyboardInterrupt:  # before the run took over the signals
        return Result.of_interrupt()
    except Exception as error:  # noqa: BLE001 - the last resort of the command line
        mask: Callable[[str], str] = run.mask if run else str
        if is_debugging:
            streams.tell(mask(traceback.format_exc()))
        failure = failures.translate(error, mask=mask)
        failure.show()
        return Result.of_failure(run.instance if run else None, failure)


def _planner_of_machine() -> Callable[[dict[str, Any]], Run]:
    from varflow_cli.local import planning
    from varflow_cli.local.running import LocalRun

    def plan(given: dict[str, Any]) -> Run:
        own = {name: value for name, value in given.items() if name not in _ONLY_IN_CLUSTER}
        if given["workflow"]:
            raise Mistake("--workflow names one that is in a cluster; add -k, or give files")
        if not given["files"]:
            raise Mistake("give a file with a workflow")
        request = planning.Request(environ=os.environ, folder=Path.cwd(), **own)
        return LocalRun(planning.make_plan(request))

    return plan


def _planner_of_cluster() -> Callable[[dict[str, Any]], Run]:
    from varflow_cli.cluster import planning
    from varflow_cli.cluster.connecting import Access
    from varflow_cli.cluster.running import ClusterRun

    def plan(given: dict[str, Any]) -> Run:
        request = planning.Request(
            files=given["files"],
            workflow=given["workflow"],
            input=given["input"],
            expressions=given["expressions"],
            timeout_seconds=given["timeout_seconds"],
            access=Access.of(given),
        )
        return ClusterRun(planning.make_plan(request))

    return plan


@contextlib.contextmanager
def interrupts_put_off() -> Iterator[list[int]]:
    """Give the signals of Ctrl-C that came meanwhile: half-loaded modules could not say so."""
    came: list[int] = []
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, lambda number, _frame: came.append(number))
    try:
        yield came
    finally:
        signal.signal(signal.SIGINT, before)


def _print(result: Result, *, is_json: bool) -> None:
    with streams.printing():
        if is_json:
            sys.stdout.buffer.write(result.encode() + b"\n")
        elif result.exit_code == 0 or result.output is not None:
            sys.stdout.buffer.write(result.encode_output() + b"\n")
