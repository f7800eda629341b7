"""What `kubectl get` shows of each kind. PURE.

No `selectableFields`: they came with Kubernetes 1.30, and kubectl refuses unknown fields for a
server of 1.29, which has all else that is needed.
"""

from __future__ import annotations

from typing import Any, Final

Column = dict[str, Any]


def _column(name: str, path: str, kind: str = "string", **more: Any) -> Column:
    return {"name": name, "type": kind, "jsonPath": path, **more}


def _wide(name: str, path: str, kind: str = "string") -> Column:
    """Return a column that is only shown with `-o wide`."""
    return _column(name, path, kind, priority=1)


def _condition(kind: str, field: str) -> str:
    return f'.status.conditions[?(@.type=="{kind}")].{field}'


_AGE: Final = _column("Age", ".metadata.creationTimestamp", "date")
COLUMNS: Final[dict[str, list[Column]]] = {
    "Workflow": [
        _column("Ready", _condition("Ready", "status")),
        _column("States", ".status.states", "integer"),
        _column("Reason", _condition("Ready", "reason")),
        _wide("Revision", ".status.revision"),
        _wide("Message", _condition("Ready", "message")),
        _AGE,
    ],
    "Variable": [
        _column("Scope", ".spec.scope"),
        _column("Key", ".spec.key"),
        _column("Workflow", ".spec.workflowRef.name"),
        _column("Size", ".status.size", "integer"),
        _column("Type", ".spec.contentType"),
        _column("Ready", _condition("Ready", "status")),
        _wide("Expires", ".status.expiresAt", "string"),
        _wide("Message", _condition("Ready", "message")),
        _AGE,
    ],
    "WorkflowInstance": [
        _column("Workflow", ".spec.workflow"),
        _column("Phase", ".status.phase"),
        _column("Succeeded", _condition("Succeeded", "status")),
        _column("Reason", _condition("Succeeded", "reason")),
        _column("State", ".status.state"),
        _column("Started", ".status.startTime", "date"),
        _column("Completed", ".status.completionTime", "date"),
        _wide("Parent", ".spec.parent.name"),
        _wide("Step", ".status.step", "integer"),
        _wide("Message", _condition("Succeeded", "message")),
        _AGE,
    ],
}
