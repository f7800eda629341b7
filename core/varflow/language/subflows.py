"""Which workflows a workflow calls as subflows, among those that were loaded with it. PURE.

A subflow function names a workflow, or as in Direktiv the path of its file: then the file's name
without its ending counts, since paths between files have no meaning here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

from varflow.errors import InvalidWorkflowFile, Problem
from varflow.language import wording
from varflow.language.codes import Code
from varflow.language.expressions import Fault
from varflow.language.loading import Definitions
from varflow.language.workflow import SubflowFunction, Workflow

_SUFFIXES: Final = (".yaml", ".yml", ".direktiv.yaml", ".direktiv.yml")
_TO_RUN: Final = "give the file that defines it, too, as in `varflow run parent.yaml child.yaml`"
_TO_LINT: Final = "give the file that defines it, or its folder, unless a cluster has it"


def find(reference: str, workflows: Collection[str]) -> str | None:
    """Return the name of the workflow that a subflow function means, if it is there."""
    return next((name for name in candidates(reference) if name in workflows), None)


def candidates(reference: str) -> list[str]:
    """Return what the workflow may be called that a subflow function means, the likeliest first."""
    file = reference.rpartition("/")[2]
    cut = [file.removesuffix(suffix) for suffix in _SUFFIXES if file.endswith(suffix)]
    return list(dict.fromkeys([reference, file, *cut]))


def reachable(definitions: Definitions, workflow: Workflow) -> dict[str, Workflow]:
    """Return a workflow and all that run below it, by name; itself first.

    Raises:
        InvalidWorkflowFile: a subflow is not among what was loaded.
    """
    found = {workflow.name: workflow}
    problems: list[Problem] = []
    for one in (queue := [workflow]):
        for place, function in _subflows(one):
            name = find(function.workflow, definitions.workflows)
            if name is None:
                fault = _missing(place, function, definitions.workflows, advice=_TO_RUN)
                problems.append(definitions.origins[one.name].problem(fault))
            elif name not in found:
                found[name] = definitions.workflows[name]
                queue.append(found[name])
    if problems:
        raise InvalidWorkflowFile(problems)
    return found


def find_missing(workflow: Workflow, known: Collection[str]) -> Iterator[Fault]:
    """Yield the subflows of a workflow that are not among the workflows that are known."""
    for place, function in _subflows(workflow):
        if find(function.workflow, known) is None:
            yield _missing(place, function, known, advice=_TO_LINT)


def _subflows(workflow: Workflow) -> Iterator[tuple[int, SubflowFunction]]:
    for place, function in enumerate(workflow.functions):
        if isinstance(function, SubflowFunction):
            yield place, function


def _missing(
    place: int, function: SubflowFunction, workflows: Collection[str], *, advice: str
) -> Fault:
    message = f"there is no workflow {wording.shown(function.workflow)}; {advice}"
    nearest = wording.nearest(candidates(function.workflow)[-1], workflows)
    return Fault(("functions", place, "workflow"), message, nearest, Code.UNKNOWN_WORKFLOW)
