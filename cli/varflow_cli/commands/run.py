"""`varflow run`: one instance of a workflow, on this machine."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from varflow_cli import failures, options, streams

if TYPE_CHECKING:
    from varflow_cli.results import Result


class _Seconds(click.FloatRange):
    """A number of seconds."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        seconds = super().convert(value, param, ctx)
        if math.isnan(seconds):  # which no range keeps out
            self.fail(f"{value!r} is no number of seconds", param, ctx)
        return seconds


@click.command(
    "run",
    epilog="Exit codes: 0 complete, 1 failed, crashed or cancelled, "
    "2 a file or the command line is wrong and nothing was started.",
)
@options.files
@click.option(
    "--input",
    metavar="JSON|@FILE|-",
    help="The instance's input; - is standard input. Bytes that are not JSON arrive as base64.",
)
@options.store
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
@click.option(
    "--timeout",
    "timeout_seconds",
    type=_Seconds(min=0, min_open=True),
    metavar="SECONDS",
    help="Cancel the run when it takes longer.",
)
@click.option(
    "--json", "is_json", is_flag=True, help="Print one JSON object: how it ended, and its output."
)
@options.debug
@click.pass_context
def command(context: click.Context, /, *, is_json: bool, **given: Any) -> None:
    """Run one instance of the first workflow in FILE...

    Its functions are started as processes, its variables persist in the store. Further workflows
    and Variables in the files are there for it. Progress and logs go to standard error.
    """
    result = _run(given, is_debugging=options.is_debugging(context))
    _print(result, is_json=is_json)
    context.exit(result.exit_code)


def _run(given: dict[str, Any], *, is_debugging: bool) -> Result:
    """Plan and run; whatever goes wrong is shown, and becomes a result as well."""
    with interrupts_put_off() as interrupted:
        from varflow_cli import loops, progress
        from varflow_cli.local import planning, running
        from varflow_cli.results import Result

    instance: str | None = None
    mask: Callable[[str], str] = str
    try:
        if interrupted:
            raise KeyboardInterrupt
        request = planning.Request(environ=os.environ, folder=Path.cwd(), **given)
        plan = planning.make_plan(request)
        instance, mask = plan.owners.instance, plan.secrets.mask
        shown = progress.to_stderr(mask=mask)
        progress.show_logging(shown, with_traceback=is_debugging)
        return loops.run(running.run(plan, shown))
    except KeyboardInterrupt:  # before the run took over the signals
        return Result.of_interrupt()
    except Exception as error:  # noqa: BLE001 - the last resort of the command line
        if is_debugging:
            streams.tell(mask(traceback.format_exc()))
        failure = failures.translate(error, mask=mask)
        failure.show()
        return Result.of_failure(instance, failure)


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
