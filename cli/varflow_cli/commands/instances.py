"""`varflow instances`: the runs in a cluster."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import click

from varflow_cli.cluster import completing
from varflow_cli.console import failures, options, streams

if TYPE_CHECKING:
    from varflow_cli.cluster.connecting import Access

PHASES: Final = ["Pending", "Running", "Complete", "Failed", "Crashed", "Cancelled"]
"""As in `varflow_operator.instances.statuses`, which takes too long to load for `--help`."""
_EXIT_CODES: Final = (
    "Exit codes: 0 done, 1 failed, 2 the command line is wrong, 3 there is no such instance, "
    "4 it took longer than --timeout, 6 the cluster cannot be reached."
)

_namespace = click.option(
    "--namespace", "-n", metavar="NAME", help="By default the context's, else `default`."
)
_name = click.argument("name", shell_complete=completing.instances)


def _access(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--namespace`, what says how to reach the cluster, and `--debug`."""
    return _namespace(options.access(options.debug(command)))


@click.group("instances")
def command() -> None:
    """List, watch, cancel the runs of workflows in a cluster, and read their logs."""


@command.command("ls", epilog=_EXIT_CODES)
@click.option("--all-namespaces", "-A", "in_all", is_flag=True, help="Those of all namespaces.")
@click.option(
    "--workflow",
    metavar="NAME",
    help="Only those of this workflow.",
    shell_complete=completing.workflows_of_cluster,
)
@click.option(
    "--phase",
    type=click.Choice(PHASES, case_sensitive=False),
    help="Only those in this phase.",
)
@options.as_json
@_access
def ls(
    *, in_all: bool, workflow: str | None, phase: str | None, is_json: bool, **given: Any
) -> None:
    """List instances, the oldest first."""
    from varflow_cli.cluster import listing, summaries
    from varflow_cli.console import loops

    found = loops.run(
        listing.find_all(_parse(given), in_all=in_all, workflow=workflow, phase=phase)
    )
    with streams.printing():
        if is_json:
            sys.stdout.buffer.write(summaries.list_as_json(found))
        else:
            sys.stdout.write(summaries.list_as_text(found, with_namespace=in_all))


@command.command("get", epilog=_EXIT_CODES)
@_name
@options.as_json
@_access
def get(*, name: str, is_json: bool, **given: Any) -> None:
    """Show what is known of instance NAME, and its output."""
    from varflow_cli.cluster import listing, summaries
    from varflow_cli.console import loops

    found = loops.run(listing.find_whole(_parse(given), name))
    with streams.printing():
        if is_json:
            sys.stdout.buffer.write(summaries.as_json(found.view, found.output))
        else:
            sys.stdout.write(summaries.as_text(found.view, found.output))
    if found.failure:
        raise found.failure


@command.command("watch", epilog=_EXIT_CODES)
@_name
@options.timeout("Stop watching then; the instance goes on.")
@_access
@click.pass_context
def watch(
    context: click.Context, /, *, name: str, timeout_seconds: float | None, **given: Any
) -> None:
    """Show the steps of instance NAME as they come, until it ends.

    The exit code is 1 when it ends otherwise than complete.
    """
    from varflow_cli.cluster import attending
    from varflow_cli.console import loops, progress

    shown = progress.to_stdout()
    is_complete = loops.run(
        attending.watch(_parse(given), name, shown, timeout_seconds=timeout_seconds)
    )
    context.exit(0 if is_complete else failures.FAILED)


@command.command("cancel", epilog=_EXIT_CODES)
@click.argument(
    "names", nargs=-1, required=True, metavar="NAME...", shell_complete=completing.instances
)
@click.option("--wait", "is_waiting", is_flag=True, help="Return when they have ended.")
@options.timeout("Wait no longer than that.")
@_access
@click.pass_context
def cancel(
    context: click.Context,
    /,
    *,
    names: Sequence[str],
    is_waiting: bool,
    timeout_seconds: float | None,
    **given: Any,
) -> None:
    """Cancel instances; that one has ended already is no error."""
    from varflow_cli.cluster import attending
    from varflow_cli.console import loops

    work = attending.cancel(
        _parse(given), names, is_waiting=is_waiting, timeout_seconds=timeout_seconds
    )
    context.exit(loops.run(work))


@command.command("logs", epilog=_EXIT_CODES)
@_name
@click.option("--follow", "-f", "is_following", is_flag=True, help="Go on until it ends.")
@click.option(
    "--since",
    callback=options.parse_duration,
    metavar="DURATION",
    help="Only lines that are no older, such as 90s, 10m, 2h or 1d.",
)
@options.as_json
@_access
def logs(
    *, name: str, is_following: bool, since: timedelta | None, is_json: bool, **given: Any
) -> None:
    """Write the log of instance NAME to standard output: a line, and what it is from."""
    from varflow_cli.cluster import attending, lines
    from varflow_cli.console import loops

    start = None if since is None else datetime.now(UTC) - since
    show = lines.write_json if is_json else lines.write_text
    loops.run(attending.read_log(_parse(given), name, show, since=start, follow=is_following))


def _parse(given: dict[str, Any]) -> Access:
    from varflow_cli.cluster.connecting import Access

    return Access.of(given)
