"""From a command line to all that a run needs, or to what is wrong with it; nothing starts here.

files ──load──► the first workflow ──► its functions' launches
└► declared variables      input, secrets, owners
"""

from __future__ import annotations

import sys
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from varflow.contract import SidecarSettings
from varflow.engine import inputs
from varflow.engine.messages import Json
from varflow.language import loading
from varflow.language.expressions import Dialect
from varflow.language.loading import Definitions
from varflow.language.workflow import Workflow
from varflow.variables.scopes import Owners
from varflow_cli import storing
from varflow_cli.failures import Mistake
from varflow_cli.local import declaring, launching, secrets
from varflow_cli.local.declaring import Declared
from varflow_cli.local.launching import Launch
from varflow_cli.local.secrets import Secrets

_ENCODED_INPUT: Final = "the input is not JSON; the workflow sees it as base64"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the caller asked for, in the caller's words."""

    files: Sequence[Path]
    input: str | None
    store: str | None
    namespace: str | None
    """None for what the workflow says, else the default."""
    secrets: Sequence[str]
    functions: Sequence[str]
    expressions: str | None
    timeout_seconds: float | None
    environ: Mapping[str, str]
    folder: Path
    """The caller's working folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A run that can start."""

    workflow: Workflow
    declared: Sequence[Declared]
    launches: Sequence[Launch]
    owners: Owners
    input: Json
    warnings: Sequence[str]
    """What is allowed but may not be meant."""
    secrets: Secrets
    settings: SidecarSettings
    store: str
    timeout_seconds: float | None
    environ: Mapping[str, str]


def make_plan(request: Request) -> Plan:
    """Check everything that can be wrong before something starts.

    Raises:
        InvalidWorkflowFile: the files' problems, all of them.
        Mistake, InvalidInput: another thing that was given cannot be used.
    """
    definitions = loading.load_files(request.files, dialect=_dialect(request.expressions))
    workflow = _first_workflow(definitions, request.files)
    commands = launching.parse_commands(request.functions)
    data = read_input(request.input, stdin=sys.stdin.buffer)
    owners = storing.make_owners(
        namespace=request.namespace or workflow.namespace or storing.NAMESPACE,
        workflow=workflow.name,
        instance=str(uuid.uuid4()),
    )
    return Plan(
        workflow=workflow,
        declared=[
            declaring.resolve(variable, owners=owners, namespace=request.namespace)
            for variable in definitions.variables
        ],
        launches=launching.plan(
            workflow,
            folder=request.folder / Path(definitions.origins[workflow.name].file).parent,
            commands=commands,
            working_folder=request.folder,
            environ=request.environ,
        ),
        owners=owners,
        input=inputs.parse_input(data),
        warnings=[
            *launching.find_unused(commands, definitions.workflows.values()),
            *([_ENCODED_INPUT] if data and not inputs.is_json(data) else []),
        ],
        secrets=Secrets(secrets.parse(request.secrets, request.environ)),
        settings=SidecarSettings.decode(request.environ),
        store=storing.store_url(request.store),
        timeout_seconds=request.timeout_seconds,
        environ=request.environ,
    )


def read_input(given: str | None, *, stdin: BinaryIO) -> bytes:
    """Return the bytes that `--input` stands for: a text, `@file`, or `-` for standard input.

    Raises:
        Mistake: the file, or standard input, cannot be read.
    """
    if given is None:
        return b""
    if given != "-" and not given.startswith("@"):
        return given.encode("utf-8", "surrogateescape")
    try:
        return stdin.read() if given == "-" else Path(given[1:]).read_bytes()
    except OSError as error:
        raise Mistake(f"--input {given}: {error.strerror}") from error


def _first_workflow(definitions: Definitions, files: Sequence[Path]) -> Workflow:
    for workflow in definitions.workflows.values():
        return workflow
    raise Mistake(f"there is no workflow in {', '.join(map(str, files))}")


def _dialect(name: str | None) -> Dialect | None:
    return None if name is None else Dialect(name)
