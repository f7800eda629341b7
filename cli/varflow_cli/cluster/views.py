"""A WorkflowInstance as the command line shows it: the one place that reads its fields. PURE."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from varflow_operator.instances.statuses import Phase
from varflow_operator.kinds import Object

_LIVE: Final = {Phase.PENDING, Phase.RUNNING}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One of the last steps."""

    number: int
    state: str
    started: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceView:
    """What an instance says about itself; an empty text is what it does not say (yet)."""

    name: str
    namespace: str
    uid: str
    workflow: str
    parent: str
    """Name of the instance that has started it as a subflow."""
    revision: str
    phase: str
    state: str
    step: int
    created: str
    """Times are as Kubernetes writes them: RFC 3339, UTC."""
    started: str
    completed: str
    reason: str
    """Why it waits."""
    code: str
    message: str
    """Why it did not complete."""
    output: Any
    output_ref: str
    """Name of the data object that holds the output, when it is too large for here."""
    steps: Sequence[Step]
    is_cancelled: bool
    """Somebody has asked for its end."""

    @classmethod
    def of(cls, instance: Object) -> InstanceView:
        """Return the view of an object."""
        metadata, spec = instance["metadata"], instance.get("spec") or {}
        status = instance.get("status") or {}
        error = status.get("error") or {}
        return cls(
            name=metadata["name"],
            namespace=metadata["namespace"],
            uid=metadata["uid"],
            workflow=spec.get("workflow") or "",
            parent=(spec.get("parent") or {}).get("name") or "",
            revision=status.get("revision") or spec.get("revision") or "",
            phase=status.get("phase") or Phase.PENDING,
            state=status.get("state") or "",
            step=status.get("step") or 0,
            created=metadata.get("creationTimestamp") or "",
            started=status.get("startTime") or "",
            completed=status.get("completionTime") or "",
            reason=status.get("reason") or "",
            code=error.get("code") or "",
            message=error.get("message") or "",
            output=status.get("output"),
            output_ref=status.get("outputRef") or "",
            steps=[_step(step) for step in status.get("recentSteps") or []],
            is_cancelled=bool(spec.get("cancel")),
        )

    @property
    def has_ended(self) -> bool:
        """Tell whether nothing will happen to it any more."""
        return self.phase not in _LIVE

    @property
    def is_complete(self) -> bool:
        """Tell whether it has ended well."""
        return self.phase == Phase.COMPLETE

    @property
    def error(self) -> str:
        """Why it did not complete, in one text."""
        return ": ".join(filter(None, (self.code, self.message)))


def _step(step: Object) -> Step:
    return Step(
        number=step.get("step") or 0,
        state=step.get("state") or "",
        started=step.get("startTime") or "",
    )
