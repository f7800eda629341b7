"""Workflow objects in, checked workflows out; or every problem in them, as one message."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Final

from varflow.errors import InvalidWorkflowFile, NotRunYet, Problem
from varflow.language import checks, loading, not_yet
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
        NotRunYet: it is right, and this version cannot run it.
        VarflowError: the programs cannot be compiled within their limits.
    """
    workflow = loading.load_object(obj, is_compiled=is_compiled)
    if not isinstance(workflow, Workflow):
        raise InvalidWorkflowFile([Problem("object", "is no Workflow", field="kind")])
    faults = list(_find_forbidden(workflow))
    if faults:
        raise InvalidWorkflowFile([_problem(workflow, fault) for fault in faults])
    if gaps := list(not_yet.find_faults(workflow)):
        raise NotRunYet([_problem(workflow, _in_spec(fault)) for fault in gaps])
    return workflow


def idle_in(workflow: Workflow) -> str:
    """Return what a workflow that runs says in vain, a line each; empty when there is nothing."""
    faults = map(_in_spec, not_yet.find_idle(workflow))
    return conditions.listed([_line(_problem(workflow, fault)) for fault in faults])


def _in_spec(fault: Fault) -> Fault:
    return dataclasses.replace(fault, path=("spec", *fault.path))


def _find_forbidden(workflow: Workflow) -> Iterator[Fault]:
    for place, function in enumerate(workflow.functions):
        if isinstance(function, ContainerFunction):
            for fault in allowed.of(function).faults:
                path = ("spec", "functions", place, *fault.path)
                yield Fault(path, fault.message, fault.hint)


def _problem(workflow: Workflow, fault: Fault) -> Problem:
    field = checks.format_path(fault.path)
    return Problem(workflow.name, fault.message, field=field, hint=fault.hint, code=fault.code)


def message_of(error: InvalidWorkflowFile) -> str:
    """Return every problem of an object, a line each, as far as a condition has room."""
    return conditions.listed([_line(problem) for problem in error.problems])


def _line(problem: Problem) -> str:
    hint = f" (did you mean {problem.hint!r}?)" if problem.hint else ""
    return f"{problem.field or 'object'}: {problem.message}{hint}"
