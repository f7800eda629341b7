"""Whether the operator has accepted what was applied. PURE."""

from __future__ import annotations

from dataclasses import dataclass

from varflow_operator.kinds import Object
from varflow_operator.names import ConditionType


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """What an object's conditions say about its present spec."""

    is_ready: bool = False
    is_refused: bool = False
    """It will not become ready before somebody changes something."""
    message: str = ""
    """Why it is not ready, as far as the operator has said so."""


def judge(obj: Object) -> Readiness:
    """Return what is known of an object's present generation."""
    generation = obj["metadata"]["generation"]
    conditions = {
        condition["type"]: condition
        for condition in (obj.get("status") or {}).get("conditions") or []
        if condition.get("observedGeneration") == generation
    }
    ready = conditions.get(ConditionType.READY, {})
    if ready.get("status") == "True":
        return Readiness(is_ready=True)
    stalled = conditions.get(ConditionType.STALLED, {})
    is_refused = stalled.get("status") == "True"
    said = stalled if is_refused else ready
    message = said.get("message") or said.get("reason") or ""
    return Readiness(is_refused=is_refused, message=message)
