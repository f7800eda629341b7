"""Conditions as kubectl, Helm and GitOps tools read them. PURE.

`Ready` says whether the object is as its spec wants it. `Reconciling` is there while that is being
worked on, `Stalled` when only a change of the spec, or a person, can help; neither is there when
all is well. That is kstatus' convention: with `observedGeneration` it tells Helm and Flux when to
stop waiting. `lastTransitionTime` changes when the status does, not with every message.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from varflow_operator.names import ConditionType, Reason

MAX_MESSAGE: Final = 2000
"""Longest message, in characters: it is read in a terminal and kept in etcd."""


class Status(StrEnum):
    """A condition's three values."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition, as it should be now."""

    type: ConditionType
    status: Status
    reason: Reason
    message: str = ""


def ready(reason: Reason, message: str = "") -> tuple[Condition, ...]:
    """Return the conditions of an object with which all is well."""
    return (Condition(ConditionType.READY, Status.TRUE, reason, message),)


def working(reason: Reason, message: str) -> tuple[Condition, ...]:
    """Return the conditions of an object that waits for something, and will go on by itself."""
    return (
        Condition(ConditionType.READY, Status.FALSE, reason, message),
        Condition(ConditionType.RECONCILING, Status.TRUE, reason, message),
    )


def stalled(reason: Reason, message: str) -> tuple[Condition, ...]:
    """Return the conditions of an object that only a change can help."""
    return (
        Condition(ConditionType.READY, Status.FALSE, reason, message),
        Condition(ConditionType.STALLED, Status.TRUE, reason, message),
    )


def merge(
    previous: Sequence[Mapping[str, Any]],
    wanted: Iterable[Condition],
    *,
    generation: int,
    now: float,
) -> list[dict[str, Any]]:
    """Return the conditions as the status has them.

    Args:
        previous: those there are; types that are not wanted any more go.
        wanted: those that should be.
        generation: the spec's, which they are about.
        now: seconds since the epoch.
    """
    before = {it.get("type"): it for it in previous}
    return [
        {
            "type": str(condition.type),
            "status": str(condition.status),
            "observedGeneration": generation,
            "lastTransitionTime": _since(before.get(condition.type), condition, now),
            "reason": str(condition.reason),
            "message": shortened(condition.message),
        }
        for condition in wanted
    ]


def timestamp(seconds: float) -> str:
    """Return a time as the API has it; whole seconds."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def shortened(message: str) -> str:
    """Return a message of bounded length."""
    return message if len(message) <= MAX_MESSAGE else message[: MAX_MESSAGE - 1] + "…"


def listed(problems: Sequence[str]) -> str:
    """Return one message for many problems: a line each, as many as there is room for."""
    lines: list[str] = []
    room = MAX_MESSAGE - len(f"and {len(problems)} more")
    for problem in problems:
        room -= len(problem) + 1
        if room < 0 and lines:
            return "\n".join([*lines, f"and {len(problems) - len(lines)} more"])
        lines.append(problem)
    return "\n".join(lines)


def _since(before: Mapping[str, Any] | None, condition: Condition, now: float) -> str:
    since = before.get("lastTransitionTime") if before else None
    is_same = before is not None and before.get("status") == condition.status
    return since if is_same and isinstance(since, str) else timestamp(now)
