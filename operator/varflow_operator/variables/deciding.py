"""What to do about a declared value. PURE.

                          the value in the store is …
    overwrite             absent           ours, untouched        written by others since
    IfChanged             write            write if it differs    write if the declaration changed
    Never (a seed)        write, once      leave                  leave

So what a function wrote over a declared value stays until somebody declares another one: looking at
the object again, as after a restart of the operator, is no reason to take it back. A value that has
expired comes back only with another declaration, too.

`status.revision` says which write was ours. Whether the declaration has changed since is told by
`status.sha256`, and of a secret, whose hash is not shown, by the generation of the spec.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Final

from varflow.variables.handles import VariableInfo
from varflow_operator import conditions
from varflow_operator.conditions import Condition
from varflow_operator.kinds import Object
from varflow_operator.variables.reading import Declaration
from varflow_operator.variables.sources import Content

_FACTS: Final = ("revision", "size", "sha256", "expiresAt")
"""What a status says about the value that was written."""
_TTL_SLACK_SECONDS: Final = 1.0


class Choice(Enum):
    """What to do."""

    WRITE = "write"
    LEAVE = "leave"
    """What we wrote is there, or somebody has changed it since, which is their right."""
    KEEP = "keep"
    """What was there before us stays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """What the status says that was done before."""

    revision: str = ""
    """Of our last write; empty when there was none."""
    sha256: str = ""
    expires_at: float | None = None
    is_same_spec: bool = False
    """The spec has not changed since."""
    is_void: bool = False
    """All of it was about a Workflow that is gone."""


def before(obj: Object, *, not_before: str = "") -> Before:
    """Return what was done before.

    Args:
        obj: the Variable.
        not_before: when the Workflow that it belongs to came into being; what was written earlier
            belonged to a predecessor and is gone with it.
    """
    status = obj.get("status") or {}
    since = [it.get("lastTransitionTime", "") for it in status.get("conditions") or ()]
    if max(since, default="") < not_before:
        return Before(is_void=True)
    return Before(
        revision=status.get("revision") or "",
        sha256=status.get("sha256") or "",
        expires_at=_seconds(status.get("expiresAt")),
        is_same_spec=status.get("observedGeneration") == obj["metadata"].get("generation"),
    )


def choose(
    declaration: Declaration,
    content: Content,
    *,
    stored: VariableInfo | None,
    past: Before,
    now: float,
) -> Choice:
    """Return what to do about a value.

    Args:
        declaration: what the object says.
        content: the value.
        stored: what the store has.
        past: what we did before.
        now: seconds since the epoch.
    """
    if not past.revision:
        is_free = stored is None or not declaration.is_seed
        return Choice.WRITE if is_free else Choice.KEEP
    if declaration.is_seed:
        return Choice.LEAVE
    if stored is not None and stored.rev == past.revision:
        is_right = _is_as_declared(stored, declaration, content)
    elif stored is None and not _has_expired(past, now):
        is_right = False
    else:
        is_right = not _is_another(declaration, content, past)
    return Choice.LEAVE if is_right else Choice.WRITE


def _is_as_declared(stored: VariableInfo, declaration: Declaration, content: Content) -> bool:
    return (
        stored.sha256 == _sha256(content)
        and stored.content_type == content.content_type
        and _has_ttl(stored, declaration.ttl)
    )


def _has_ttl(stored: VariableInfo, ttl: int | None) -> bool:
    if stored.expires_at is None or ttl is None:
        return stored.expires_at is None and ttl is None
    return abs(stored.expires_at - stored.updated_at - ttl) <= _TTL_SLACK_SECONDS


def _has_expired(past: Before, now: float) -> bool:
    return past.expires_at is not None and now >= past.expires_at


def _is_another(declaration: Declaration, content: Content, past: Before) -> bool:
    """Tell whether the declared value is another one than the last that was written."""
    return not past.is_same_spec if declaration.is_secret else past.sha256 != _sha256(content)


def _sha256(content: Content) -> str:
    return hashlib.sha256(content.data).hexdigest()


# Status


def facts(written: VariableInfo, declaration: Declaration) -> dict[str, Any]:
    """Return what the status says about a value that was written."""
    return {
        "revision": written.rev,
        "size": written.size,
        **({} if declaration.is_secret else {"sha256": written.sha256}),
        **({} if written.expires_at is None else {"expiresAt": _shown(written.expires_at)}),
    }


def known_facts(obj: Object) -> dict[str, Any]:
    """Return what the status says already."""
    status = obj.get("status") or {}
    return {name: status[name] for name in _FACTS if name in status}


def status(
    obj: Object,
    known: Mapping[str, Any],
    wanted: tuple[Condition, ...],
    *,
    begins_anew: bool = False,
    now: float,
) -> dict[str, Any]:
    """Return the whole status.

    Args:
        obj: the Variable.
        known: what is said about the value.
        wanted: the conditions.
        begins_anew: the times of the conditions so far are about something that is gone.
        now: seconds since the epoch.
    """
    generation = int(obj["metadata"].get("generation", 1))
    previous = [] if begins_anew else (obj.get("status") or {}).get("conditions") or []
    return {
        "observedGeneration": generation,
        **known,
        "conditions": conditions.merge(previous, wanted, generation=generation, now=now),
    }


def _shown(seconds: float) -> str:
    return conditions.timestamp(seconds)


def _seconds(text: Any) -> float | None:
    if not isinstance(text, str):
        return None
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
