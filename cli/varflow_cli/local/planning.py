"""From a command line to all that a run needs, or to what is wrong with it; nothing starts here.

files ──load──► the first workflow, its subflows ──► their functions' launches
└► declared variables      input, secrets, owners
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from varflow.contract import SidecarSettings
from varflow.engine.messages import Json
from varflow.language import subflows
from varflow.language.workflow import Workflow
from varflow.variables.scopes import Owners
from varflow.variables.states import Trigger
from varflow_cli.local import declaring, launching, secrets
from varflow_cli.local.declaring import Declared
from varflow_cli.local.launching import Launch
from varflow_cli.local.secrets import Secrets
from varflow_cli.runs import givens, users
from varflow_cli.stores import storing


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the caller asked for, in the caller's words."""

    files: Sequence[Path]
    input: str | None
    store: str | None
    accepts_unsafe_store: bool
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
    workflows: Mapping[str, Workflow]
    """It, and its subflows, by name."""
    declared: Sequence[Declared]
    launches: Sequence[Launch]
    owners: Owners
    trigger: Trigger
    input: Json
    warnings: Sequence[str]
    """What is allowed but may not be meant."""
    secrets: Secrets
    settings: SidecarSettings
    store: str
    accepts_unsafe_store: bool
    timeout_seconds: float | None
    environ: Mapping[str, str]


def make_plan(request: Request) -> Plan:
    """Check everything that can be wrong before something starts.

    Raises:
        InvalidWorkflowFile: the files' problems, all of them.
        NotRunYet: they hold what this version cannot run.
        Mistake, InvalidInput: another thing that was given cannot be used.
    """
    found = givens.load(request.files, expressions=request.expressions)
    definitions, workflow = found.definitions, found.workflow
    workflows = subflows.reachable(definitions, workflow)
    idle = givens.check_runs(definitions, workflows.values())
    commands = launching.parse_commands(request.functions)
    given = givens.read_input(request.input)
    owners = storing.make_owners(
        namespace=request.namespace or workflow.namespace or storing.NAMESPACE,
        workflow=workflow.name,
        instance=str(uuid.uuid4()),
    )
    return Plan(
        workflow=workflow,
        workflows=workflows,
        declared=[
            declaring.resolve(variable, owners=owners, namespace=request.namespace)
            for variable in definitions.variables
        ],
        launches=[
            launch
            for one in workflows.values()
            for launch in launching.plan(
                one,
                folder=request.folder / Path(definitions.origins[one.name].file).parent,
                commands=commands,
                working_folder=request.folder,
                environ=request.environ,
                family="" if one is workflow else one.name,
            )
        ],
        owners=owners,
        trigger=Trigger(type="cli", user=users.find_name()),
        input=given.value,
        warnings=[
            *idle,
            *launching.find_unused(commands, definitions.workflows.values()),
            *given.warnings,
        ],
        secrets=Secrets(secrets.parse(request.secrets, request.environ)),
        settings=SidecarSettings.decode(request.environ),
        store=storing.store_url(request.store),
        accepts_unsafe_store=request.accepts_unsafe_store,
        timeout_seconds=request.timeout_seconds,
        environ=request.environ,
    )
