"""Options that several commands have, declared once."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import click

_DEBUG: Final = "varflow.debug"

_UNITS: Final = {"": "seconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_DURATION_PART: Final = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)([smhd]?)")
_DURATION: Final = re.compile(r"\d{1,9}(?:\.\d{1,3})?|(?:\d{1,9}(?:\.\d{1,3})?[smhd])+")


class _Seconds(click.FloatRange):
    """A number of seconds."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        seconds = super().convert(value, param, ctx)
        if math.isnan(seconds):  # which no range keeps out
            self.fail(f"{value!r} is no number of seconds", param, ctx)
        return seconds


def parse_duration(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> timedelta | None:
    """Return a length of time, such as 90s, 10m or 1h30m; a number alone is seconds."""
    if value is None:
        return None
    if not _DURATION.fullmatch(value):
        raise click.BadParameter(
            f"{value!r} is no length of time; write 90s, 10m, 2h or 1d", context, parameter
        )
    parts = _DURATION_PART.findall(value)
    return sum((timedelta(**{_UNITS[unit]: float(number)}) for number, unit in parts), timedelta())


def _remember_debug(context: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        context.meta[_DEBUG] = True


def is_debugging(context: click.Context) -> bool:
    """Tell whether `--debug` was given, to the group or to the command."""
    return bool(context.meta.get(_DEBUG))


debug = click.option(
    "--debug",
    is_flag=True,
    expose_value=False,
    callback=_remember_debug,
    help="Show tracebacks of internal errors.",
)
"""`--debug`; the context's `meta`, shared by all nested contexts, remembers it."""


def parse_name(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    """Return a name; an empty one, as of a variable that a script has not set, is a mistake."""
    if value == "":
        raise click.BadParameter("it is empty; give a name, or leave the option out")
    return value


store = click.option(
    "--store",
    metavar="URL",
    envvar="VARFLOW_STORE",
    show_envvar=True,
    help="Where variables live: file:///DIR, s3://BUCKET/PREFIX or memory:. "
    "By default a folder in your data directory.",
)
accept_unsafe_store = click.option(
    "--accept-unsafe-store",
    "accepts_unsafe_store",
    is_flag=True,
    envvar="VARFLOW_ACCEPT_UNSAFE_STORE",
    help="Go on with a bucket whose server breaks promises; `varflow store probe` tells which.",
)
namespace = click.option(
    "--namespace",
    "-n",
    metavar="NAME",
    callback=parse_name,
    help="The namespace, in which workflows share variables of that scope; by default the file's, "
    "in a cluster else the context's, else `default`.",
)
kubernetes = click.option(
    "--kubernetes", "-k", "in_cluster", is_flag=True, help="In a cluster, not on this machine."
)
kubeconfig = click.option(
    "--kubeconfig",
    metavar="FILE",
    help="How to reach the cluster; by default KUBECONFIG, else ~/.kube/config.",
)
context = click.option(
    "--context", metavar="NAME", help="Another context of the kubeconfig than its current one."
)
system_namespace = click.option(
    "--system-namespace",
    metavar="NAME",
    envvar="VARFLOW_SYSTEM_NAMESPACE",
    show_envvar=True,
    help="Where Varflow is installed; by default it is looked for in all namespaces.",
)
as_json = click.option("--json", "is_json", is_flag=True, help="Print JSON for programs.")
scope = click.option(
    "--scope",
    type=click.Choice(["namespace", "workflow", "instance"]),
    help="By default the scope of the owner that is given, else namespace.",
)
workflow = click.option(
    "--workflow", metavar="NAME", callback=parse_name, help="Whose variables, in its scope."
)
instance = click.option(
    "--instance", metavar="ID", callback=parse_name, help="Whose variables, in its scope."
)
files = click.argument(
    "files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path)
)
expressions = click.option(
    "--expressions",
    type=click.Choice(["wrapped", "bare"]),
    help="How expressions are written: wrapped in jq(...), or bare as in the older edition. "
    "By default the file tells.",
)
yes = click.option("--yes", "-y", "is_confirmed", is_flag=True, help="Do not ask.")


def storage(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--store`, `--namespace` and `--debug`."""
    return store(namespace(debug(command)))


def place(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add what says whose variables are meant, and in which store, here or in a cluster."""
    return kubernetes(storage(scope(workflow(instance(access(command))))))


def access(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add what says how to reach a cluster, and where Varflow is in it."""
    return kubeconfig(context(system_namespace(command)))


def timeout(what_then: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add `--timeout`; `what_then` is its line in the help."""
    return click.option(
        "--timeout",
        "timeout_seconds",
        type=_Seconds(min=0, min_open=True),
        metavar="SECONDS",
        help=what_then,
    )


def confirm(question: str, *, is_confirmed: bool) -> None:
    """Ask, unless that was done with `--yes` or nobody is there to answer.

    Raises:
        click.Abort: the answer is no.
    """
    if not is_confirmed and sys.stdin.isatty():
        click.confirm(question, abort=True, err=True)
