"""From a command line to what a run in a cluster needs, or to what is wrong with it.

Files are loaded and checked here as for a run on this machine, with the same messages; the cluster
is not asked yet. Its API server and its operator check once more, with their own rules.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from varflow.language import manifests
from varflow.language.editions import Envelope
from varflow_cli.cluster.connecting import Access
from varflow_cli.console.failures import Mistake
from varflow_cli.runs import givens
from varflow_cli.runs.givens import Input
from varflow_operator.kinds import Object


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the caller asked for, in the caller's words."""

    files: Sequence[Path]
    workflow: str | None
    """One that is in the cluster already, instead of files."""
    input: str | None
    expressions: str | None
    timeout_seconds: float | None
    access: Access


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A run that can start."""

    access: Access
    """Its namespace is the run's, if the caller or the workflow names one."""
    workflow: str
    manifests: Sequence[Object]
    """What is applied first; each has a namespace if the caller or its file names one."""
    input: Input
    warnings: Sequence[str]
    """What is allowed but may not be meant."""
    timeout_seconds: float | None


def make_plan(request: Request) -> Plan:
    """Check everything that can be wrong before the cluster is asked.

    Raises:
        InvalidWorkflowFile: the files' problems, all of them.
        NotRunYet: the workflow holds what this version cannot run.
        Mistake: another thing that was given cannot be used.
    """
    if request.workflow and request.files:
        raise Mistake("give files, or --workflow for one that is in the cluster, not both")
    if not request.workflow and not request.files:
        raise Mistake("give a file with a workflow, or --workflow for one that is in the cluster")
    access, workflow, envelopes = request.access, request.workflow or "", list[Envelope]()
    idle: list[str] = []
    if request.files:
        found = givens.load(request.files, expressions=request.expressions)
        workflow = found.workflow.name
        access = replace(access, namespace=access.namespace or found.workflow.namespace)
        envelopes = found.definitions.envelopes
        idle = givens.check_runs(found.definitions, [found.workflow])
    given = givens.read_input(request.input)
    return Plan(
        access=access,
        workflow=_check_name(workflow),
        manifests=[_make_manifest(it, namespace=request.access.namespace) for it in envelopes],
        input=given,
        warnings=[*idle, *given.warnings],
        timeout_seconds=request.timeout_seconds,
    )


def _make_manifest(envelope: Envelope, *, namespace: str | None) -> Object:
    """Return a document's manifest; a namespace that was given goes before its own."""
    _check_name(envelope.name)
    manifest = manifests.make_manifest(envelope)
    given: dict[str, Any] = {"namespace": namespace} if namespace else {}
    return {**manifest, "metadata": {**manifest["metadata"], **given}}


def _check_name(name: str) -> str:
    fault = manifests.find_name_fault(name)
    if fault:
        raise Mistake(f"{fault}; `metadata.name`, `id` or the file's name says another")
    return name
