"""Which revision of its workflow an instance gets.

The Workflow objects come by watch; of each only what this question needs is kept. An instance
whose workflow is not there, or whose present spec has not been accepted (yet), waits and is woken
by the next change.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from varflow_operator.kinds import Object
from varflow_operator.names import ConditionType, Reason
from varflow_operator.observing import DELETED


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """A Workflow, as far as its instances are concerned."""

    uid: str
    revision: str
    """The last one that was accepted."""
    is_accepted: bool
    """The present spec is that revision."""
    message: str
    """Why it is not."""
    is_stalled: bool
    """Only a change of the spec helps."""
    is_supported: bool = True
    """No part of it is for a later version alone."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The revision to run."""

    workflow_uid: str
    revision: str


@dataclass(frozen=True, slots=True)
class NotYet:
    """Why there is none to run."""

    reason: Reason
    message: str


Choice = Chosen | NotYet


def read(workflow: Object) -> Definition:
    """Return what is kept of a Workflow."""
    metadata, status = workflow["metadata"], workflow.get("status") or {}
    conditions = {it.get("type"): it for it in status.get("conditions") or ()}
    ready = conditions.get(ConditionType.READY) or {}
    is_observed = status.get("observedGeneration") == metadata.get("generation")
    return Definition(
        uid=metadata["uid"],
        revision=status.get("revision") or "",
        is_accepted=is_observed and ready.get("status") == "True",
        message=(ready.get("message") or "") if is_observed else "",
        is_stalled=is_observed
        and (conditions.get(ConditionType.STALLED) or {}).get("status") == "True",
        is_supported=ready.get("reason") != Reason.NOT_SUPPORTED,
    )


def choose(definition: Definition | None, *, name: str, wanted: str) -> Choice:
    """Return the revision for a new instance.

    Args:
        definition: the workflow, if it is there.
        name: the workflow's, for messages.
        wanted: the revision that the instance names; it may be an older one.
    """
    if definition is None:
        return NotYet(Reason.WORKFLOW_NOT_FOUND, f"there is no Workflow {name!r} in this namespace")
    if wanted:
        return Chosen(definition.uid, wanted)
    if definition.is_accepted and definition.revision:
        return Chosen(definition.uid, definition.revision)
    if definition.is_stalled:
        said = f": {definition.message}" if definition.message else ""
        if not definition.is_supported:
            return NotYet(Reason.NOT_SUPPORTED, f"the Workflow {name!r} cannot run yet{said}")
        return NotYet(Reason.INVALID_SPEC, f"the Workflow {name!r} is not valid{said}")
    return NotYet(Reason.PENDING, f"the Workflow {name!r} is not ready yet")


_Name = tuple[str, str]


class Definitions:
    """The Workflows that there are."""

    def __init__(self) -> None:
        self._found: dict[_Name, Definition] = {}
        self._waiting: dict[_Name, asyncio.Event] = {}
        self._gone: Callable[[str], None] = _ignore

    def tell(self, *, gone: Callable[[str], None]) -> None:
        """Have somebody told the UID of a Workflow that was deleted."""
        self._gone = gone

    def observe(self, event_type: str | None, obj: Object) -> None:
        """Take note of a watch event about a Workflow."""
        name = (obj["metadata"]["namespace"], obj["metadata"]["name"])
        if event_type != DELETED:
            self._found[name] = read(obj)
        elif name in self._found and self._found[name].uid == obj["metadata"]["uid"]:
            del self._found[name]
            self._gone(obj["metadata"]["uid"])
        event = self._waiting.pop(name, None)
        if event is not None:
            event.set()

    def find(self, namespace: str, name: str) -> Definition | None:
        """Return a Workflow's definition."""
        return self._found.get((namespace, name))

    def uids(self) -> set[str]:
        """Return the UIDs of all Workflows that there are."""
        return {definition.uid for definition in self._found.values()}

    async def change(self, namespace: str, name: str) -> None:
        """Return when something happens to a Workflow that may not be there yet."""
        await self._waiting.setdefault((namespace, name), asyncio.Event()).wait()


def _ignore(_uid: str) -> None:
    pass


FIRST_SIGHT_SECONDS: Final = 0.5
"""How long an instance waits for its workflow before its status says so: often both are applied
together, and the status is written once less."""
