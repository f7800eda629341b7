"""Why an instance has to stop, and what its error says then. PURE."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from varflow.contract import CODE_CANCELLED
from varflow.engine import codes
from varflow_operator import names
from varflow_operator.kinds import Object


@dataclass(frozen=True, slots=True)
class Stop:
    """Somebody wants the instance to end; or it was deleted."""

    code: str
    message: str
    is_gone: bool = False
    """Its object was deleted."""


CANCELLED: Final = Stop(CODE_CANCELLED, "cancelled by api request")
BY_PARENT: Final = Stop(codes.CANCELLED_BY_PARENT, "cancelled by parent workflow")
WITHOUT_WORKFLOW: Final = Stop(CODE_CANCELLED, "cancelled: its Workflow was deleted")
WITHOUT_NAMESPACE: Final = Stop(CODE_CANCELLED, "cancelled: its namespace is being deleted")
DELETED: Final = Stop(CODE_CANCELLED, "cancelled: it was deleted", is_gone=True)


def wish(obj: Object) -> Stop | None:
    """Return why an instance has to stop, as its object says; None when it may go on."""
    if (obj.get("spec") or {}).get("cancel") is not True:
        return None
    annotations = obj["metadata"].get("annotations") or {}
    return BY_PARENT if names.ANNOTATION_CANCELLED_BY in annotations else CANCELLED
