"""Workflow objects in, checked workflows out; or every problem in them, as one message."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from varflow.errors import InvalidWorkflowFile, Problem
from varflow.language import checks, loading
from varflow.language.expressions import Fault
from varflow.language.workflow import ContainerFunction, Workflow
from varflow_operator import conditions
from varflow_operator.kinds import Object
from varflow_operator.resources import allowed, plans

REVISION_LENGTH: Final = 10


def revision_of(obj: Object) -> str:
    """Return the hash of a Workflow object's spec: what instances say they run."""
    return plans.digest(obj.get("spec"))[:REVISION_LENGTH]


def read(obj: Object, *, is_compiled: bool = False) -> Workflow:
    """Return the workflow that an object defines. Waits for a process; not for an event loop.

    Args:
        obj: a Workflow, or what a ControllerRevision keeps of one.
        is_compiled: its programs are known to compile: spares the process.

    Raises:
        InvalidWorkflowFile: with everything that is wrong in it.
        VarflowError: the programs cannot be compiled within their limits.
    """
    workflow = loading.load_object(obj, is_compiled=is_compiled)
    if not isinstance(workflow, Workflow):
        raise InvalidWorkflowFile([Problem("object", "is no Workflow", field="kind")])
    faults = list(_find_forbidden(workflow))
    if faults:
        raise InvalidWorkflowFile([_problem(workflow, fault) for fault in faults])
    return workflow


def _find_forbidden(workflow: Workflow) -> Iterator[Fault]:
    for place, function in enumerate(workflow.functions):
        if isinstance(function, ContainerFunction):
            for fault in allowed.of(function).faults:
                path = ("spec", "functions", place, *fault.path)
                yield Fault(path, fault.message, fault.hint)


def _problem(workflow: Workflow, fault: Fault) -> Problem:
    field = checks.format_path(fault.path)
    return Problem(workflow.name, fault.message, field=field, hint=fault.hint)


def message_of(error: InvalidWorkflowFile) -> str:
    """Return every problem of an object, a line each, as far as a condition has room."""
    return conditions.listed([_line(problem) for problem in error.problems])


def _line(problem: Problem) -> str:
    hint = f" (did you mean {problem.hint!r}?)" if problem.hint else ""
    return f"{problem.field or 'object'}: {problem.message}{hint}"
