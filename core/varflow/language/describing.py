"""What `varflow lint` says about files that are right. PURE."""

from __future__ import annotations

from collections.abc import Iterator

from varflow.language.loading import Definitions


def describe(definitions: Definitions) -> Iterator[str]:
    """Yield a line for each workflow and each declared variable.

    A workflow's tells which dialect its expressions were read in, and why: for files of Direktiv's
    older edition that is a guess, which `expressions` overrides.
    """
    for name, workflow in definitions.workflows.items():
        origin = definitions.origins[name]
        states = _count(len(workflow.states), "state")
        functions = _count(len(workflow.functions), "function")
        yield (
            f"{origin.file}:{origin.line}: workflow {name}: {states}, {functions}; "
            f"expressions: {workflow.dialect} ({origin.reason})"
        )
    for variable in definitions.variables:
        owner = f" of {variable.workflow}" if variable.workflow else ""
        yield f"variable {variable.key}: scope {variable.scope}{owner}, {variable.content_type}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
