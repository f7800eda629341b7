"""Which functions a run needs and how each is started on this machine. PURE.

A file says so itself (`local.command`, `local.dir`, `local.port`), or the caller does with
`--function ID=COMMAND`, or `--function IMAGE=COMMAND` for files that only know images; what the
caller says counts. Only functions that some state calls are started. Commands are split as a shell
would and run without one, in the file's folder when the file gives them, and in the working folder
when the caller does. Everything is checked before anything starts.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from varflow.language.states import calls_of
from varflow.language.workflow import ContainerFunction, Workflow
from varflow_cli.console.failures import Mistake

PORT = "PORT"
"""Tells a function where to listen."""
SIDECAR_URL = "VARFLOW_SIDECAR_URL"
"""Tells a function where `/var` is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """How one function is started."""

    function: str
    """The function's id; in a subflow that of the workflow before it, see `name_of`."""
    words: tuple[str, ...]
    """The command, as exec takes it."""
    folder: Path
    """Where it runs."""
    environ: Mapping[str, str] = field(default_factory=dict)
    """The function's own variables, on top of the user's."""
    port: int | None = None
    """The port of a program that knows no other; None has one chosen."""
    concurrency: int = 10
    """As many actions as it takes at one time."""


def parse_commands(options: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the commands given by `--function`, by function id or image.

    Raises:
        Mistake: one of them is not `ID=COMMAND`.
    """
    commands = {}
    for option in options:
        name, _, command = option.partition("=")
        if not name.strip() or not command.strip():
            raise Mistake(f"--function {option!r}: write ID=COMMAND or IMAGE=COMMAND")
        commands[name.strip()] = _split(command, where=f"--function {name.strip()}")
    return commands


def find_unused(commands: Iterable[str], workflows: Iterable[Workflow]) -> list[str]:
    """Return a warning for each command whose function no workflow has.

    No error: one set of commands may serve many files. But with a misspelt id, what the file says
    would run.
    """
    known = {
        name: None
        for workflow in workflows
        for function in workflow.functions
        if isinstance(function, ContainerFunction)
        for name in (function.id, function.image)
    }
    there = f"; there are {', '.join(known)}" if known else ""
    return [
        f"--function {name}: no function has this id or image{there}"
        for name in commands
        if name not in known
    ]


def name_of(function: str, *, family: str) -> str:
    """Return what a function is called in a run, where several workflows may have the same ids.

    Args:
        function: its id.
        family: the name of the subflow that it is from; "" for the workflow that was asked for.
    """
    return f"{family}/{function}" if family else function


def plan(
    workflow: Workflow,
    *,
    folder: Path,
    commands: Mapping[str, tuple[str, ...]],
    working_folder: Path,
    environ: Mapping[str, str],
    family: str = "",
) -> tuple[Launch, ...]:
    """Return the launches of all functions that the workflow's states call.

    Args:
        workflow: the workflow that runs.
        folder: where its file is.
        commands: what the caller gave with `--function`.
        working_folder: the caller's.
        environ: the caller's; a `PORT` in it is the port of a single function.
        family: as `name_of` takes it.

    Raises:
        Mistake: a function has no command, or `PORT` is no port.
    """
    functions = [function for function in workflow.functions if function.id in _called(workflow)]
    launches = tuple(
        _launch(function, folder=folder, commands=commands, working_folder=working_folder)
        for function in functions
        if isinstance(function, ContainerFunction)
    )
    launches = tuple(
        replace(launch, function=name_of(launch.function, family=family)) for launch in launches
    )
    if PORT in environ and len(launches) == 1 and launches[0].port is None:
        return (replace(launches[0], port=parse_port(PORT, environ[PORT])),)
    return launches


def parse_port(name: str, text: str) -> int:
    """Return a port given in the environment variable `name`.

    Raises:
        Mistake: it is none.
    """
    if text.isascii() and text.isdigit() and 0 < int(text) < 65536:
        return int(text)
    raise Mistake(f"{name}={text!r} in the environment is not a port; unset it or give 1 to 65535")


def _called(workflow: Workflow) -> set[str]:
    return {action.function for state in workflow.states for action in calls_of(state)}


def _launch(
    function: ContainerFunction,
    *,
    folder: Path,
    commands: Mapping[str, tuple[str, ...]],
    working_folder: Path,
) -> Launch:
    local = function.local
    given = commands.get(function.id) or commands.get(function.image)
    if given is not None:
        words, folder = given, working_folder
    elif local is not None and local.command:
        words = _words(local.command, where=f"function {function.id!r}: local.command")
        folder = folder / (local.dir or "")
    else:
        raise Mistake(
            f"function {function.id!r} ({function.image}) has no command for this machine; give "
            f"the function a local.command in the file, or call: "
            f"varflow run --function {shlex.quote(function.id)}=COMMAND",
            code="no_local_command",
        )
    return Launch(
        function=function.id,
        words=words,
        folder=folder,
        environ={entry["name"]: entry["value"] for entry in function.env if "value" in entry},
        port=local.port if local is not None else None,
        concurrency=function.concurrency,
    )


def _words(command: str | tuple[str, ...], *, where: str) -> tuple[str, ...]:
    return _split(command, where=where) if isinstance(command, str) else command


def _split(command: str, *, where: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(command))
    except ValueError as error:
        raise Mistake(f"{where}: {error} in {command!r}") from error
