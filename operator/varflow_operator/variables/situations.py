"""What a Variable object asks for: the value, where it goes, and what was done before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from varflow.errors import InvalidWorkflowFile
from varflow.variables.scopes import Address
from varflow_operator import conditions
from varflow_operator.cluster import Cluster
from varflow_operator.conditions import Condition
from varflow_operator.kinds import WORKFLOW, Object
from varflow_operator.names import Reason
from varflow_operator.ownership import Ownership
from varflow_operator.variables import deciding, reading, sources
from varflow_operator.variables.deciding import Before
from varflow_operator.variables.reading import Declaration
from varflow_operator.variables.sources import Content, Missing
from varflow_operator.workflows.reading import message_of

_MISSING_SECONDS: Final = 10.0
"""How often something that must be there is looked for."""

_READABLE: Final = (
    "the value comes out of a Secret and would be readable in the store: this Varflow encrypts "
    "nothing; switch encryption on (docs/encryption.md), or declare the value as a plain one"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A value and its place."""

    declaration: Declaration
    content: Content
    address: Address
    past: Before


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Why there is nothing to store."""

    conditions: tuple[Condition, ...]
    is_value_gone: bool = False
    """What was stored before ended with its workflow."""
    again: float | None = None


async def gather(
    obj: Object, *, cluster: Cluster, ownership: Ownership, keeps_secrets: bool = True
) -> Wanted | Waiting:
    """Look at everything that a Variable names.

    Args:
        obj: the Variable.
        cluster: where what it names is.
        ownership: who finds out whose it is.
        keeps_secrets: the store is encrypted.

    Raises:
        ClusterError: the cluster could not say.
    """
    namespace = obj["metadata"]["namespace"]
    try:
        declaration = reading.read(obj)
    except InvalidWorkflowFile as error:
        return Waiting(conditions=conditions.stalled(Reason.INVALID_SPEC, message_of(error)))
    if declaration.is_secret and not keeps_secrets:
        return Waiting(conditions=conditions.stalled(Reason.ENCRYPTION_OFF, _READABLE))
    workflow = await _find_workflow(declaration, namespace, cluster)
    if declaration.workflow and workflow is None:
        said = f"there is no {WORKFLOW.shown(namespace, declaration.workflow)}"
        return Waiting(
            conditions=conditions.working(Reason.WORKFLOW_NOT_FOUND, said),
            is_value_gone=True,
            again=_MISSING_SECONDS,
        )
    content = await sources.fetch(declaration, namespace, cluster)
    if isinstance(content, Missing):
        found = conditions.working(Reason.SOURCE_NOT_FOUND, content.message)
        return Waiting(conditions=found, again=_MISSING_SECONDS)
    metadata = workflow["metadata"] if workflow else {}
    owners = await ownership.of(obj, workflow=metadata.get("uid", ""))
    return Wanted(
        declaration=declaration,
        content=content,
        address=Address(owners, declaration.scope, declaration.key),
        past=deciding.before(obj, not_before=metadata.get("creationTimestamp", "")),
    )


async def _find_workflow(
    declaration: Declaration, namespace: str, cluster: Cluster
) -> Object | None:
    if not declaration.workflow:
        return None
    return await cluster.find(WORKFLOW, namespace, declaration.workflow)
