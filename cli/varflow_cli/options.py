"""Options that several commands have, declared once."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click

_DEBUG: Final = "varflow.debug"


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

store = click.option(
    "--store",
    metavar="URL",
    envvar="VARFLOW_STORE",
    show_envvar=True,
    help="Where variables live: file:///DIR or memory:. "
    "By default a folder in your data directory.",
)
namespace = click.option(
    "--namespace",
    metavar="NAME",
    help="The namespace, in which workflows share variables of that scope; by default the file's, "
    "else `default`.",
)
as_json = click.option("--json", "is_json", is_flag=True, help="Print JSON for programs.")
scope = click.option(
    "--scope",
    type=click.Choice(["namespace", "workflow", "instance"]),
    help="By default the scope of the owner that is given, else namespace.",
)
workflow = click.option("--workflow", metavar="NAME", help="Whose variables, in its scope.")
instance = click.option("--instance", metavar="ID", help="Whose variables, in its scope.")
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
    """Add what says whose variables are meant, and in which store."""
    return storage(scope(workflow(instance(command))))


def confirm(question: str, *, is_confirmed: bool) -> None:
    """Ask, unless that was done with `--yes` or nobody is there to answer.

    Raises:
        click.Abort: the answer is no.
    """
    if not is_confirmed and sys.stdin.isatty():
        click.confirm(question, abort=True, err=True)
