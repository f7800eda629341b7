"""Tells what becomes of objects as Kubernetes Events, which `kubectl describe` shows below them.

    watches ─► Announcer.observe ─► read, make_event (PURE) ─► a short queue ─► run

An Event says what a condition says, when that changes, so it stands on what is in the status for
good: it may be lost, and is when many things happen at once. A condition that was there before this
process is not told again. Rejected: kopf's events, which it posts of its own handlers and with its
own reasons; Events out of the places where things happen, each of which would need them handed in.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from varflow.errors import ClusterError
from varflow_operator import names
from varflow_operator.cluster import Cluster
from varflow_operator.conditions import Status
from varflow_operator.kinds import EVENT, INSTANCE, VARIABLE, WORKFLOW, Object
from varflow_operator.names import ConditionType, Reason
from varflow_operator.observing import DELETED

MAX_NOTE_BYTES: Final = 1024
"""What the API server takes."""
MAX_WAITING: Final = 500
"""Most Events that wait to be posted; the oldest go."""

_TELLING: Final[Mapping[str, ConditionType]] = {
    WORKFLOW.name: ConditionType.READY,
    VARIABLE.name: ConditionType.READY,
    INSTANCE.name: ConditionType.SUCCEEDED,
}
"""The condition of each kind that is told."""
_AS_EXPECTED: Final = frozenset({Reason.STARTED, Reason.PENDING})
"""Told only when there is more to say: each instance begins with them."""
_ASKED_FOR: Final = frozenset({Reason.CANCELLED})
"""Not as hoped for, and yet what somebody wanted."""

_logger = logging.getLogger(__name__)


class Weight(StrEnum):
    """An Event's `type`."""

    NORMAL = "Normal"
    WARNING = "Warning"


@dataclass(frozen=True, slots=True)
class Said:
    """What the telling condition of an object says."""

    status: str
    reason: str
    message: str

    @property
    def is_told(self) -> bool:
        """Whether anybody needs to hear it."""
        return bool(self.reason) and bool(self.message or self.reason not in _AS_EXPECTED)

    @property
    def weight(self) -> Weight:
        """Whether somebody should look."""
        is_well = self.status == Status.TRUE or self.reason in _ASKED_FOR
        return Weight.NORMAL if is_well else Weight.WARNING


NOTHING: Final = Said("", "", "")


def read(obj: Object) -> Said:
    """Return what an object's telling condition says. PURE."""
    telling = _TELLING[obj["kind"]]
    for found in obj.get("status", {}).get("conditions") or ():
        if found.get("type") == telling:
            return Said(found["status"], found.get("reason", ""), found.get("message", ""))
    return NOTHING


def make_event(obj: Object, said: Said, *, reporter: str, now: float) -> Object:
    """Return the Event that tells it. PURE.

    Args:
        obj: whom it is about.
        said: what is told.
        reporter: the pod that tells it.
        now: seconds since the epoch.
    """
    metadata = obj["metadata"]
    return {
        "metadata": {
            "namespace": metadata["namespace"],
            "generateName": f"{metadata['name'][:200]}-",
        },
        "eventTime": datetime.fromtimestamp(now, UTC).isoformat(timespec="microseconds"),
        "reportingController": names.MANAGER,
        "reportingInstance": reporter,
        "action": "Reconcile",
        "type": said.weight,
        "reason": said.reason,
        "note": _shortened(said.message or said.reason),
        "regarding": _reference(obj),
    }


class Announcer:
    """Tells of Workflows, Variables and WorkflowInstances."""

    def __init__(
        self, cluster: Cluster, *, reporter: str, clock: Callable[[], float] = time.time
    ) -> None:
        """Take where Events go, who tells them, and the time."""
        self._cluster = cluster
        self._reporter = reporter
        self._clock = clock
        self._known: dict[str, Said] = {}
        """By the object's UID."""
        self._waiting: deque[Object] = deque(maxlen=MAX_WAITING)
        self._is_any = asyncio.Event()

    def observe(self, event_type: str | None, obj: Object) -> None:
        """Take note of an event about an object."""
        uid = obj["metadata"]["uid"]
        if event_type == DELETED:
            self._known.pop(uid, None)
            return
        said = read(obj)
        is_new = uid in self._known or event_type is not None
        if is_new and said.is_told and said != self._known.get(uid):
            self.tell(obj, said)
        self._known[uid] = said

    def tell(self, obj: Object, said: Said) -> None:
        """Tell something about an object that is no condition of it."""
        self._waiting.append(make_event(obj, said, reporter=self._reporter, now=self._clock()))
        self._is_any.set()

    async def run(self) -> None:
        """Post Events until cancelled."""
        while True:
            await self._is_any.wait()
            self._is_any.clear()
            while self._waiting:
                await self._post(self._waiting.popleft())

    async def _post(self, event: Object) -> None:
        try:
            await self._cluster.create(EVENT, event)
        except ClusterError as error:
            # A namespace that ends takes no more Events, and nothing depends on them.
            _logger.info("an event is not posted: %s", error.message)


def _reference(obj: Object) -> dict[str, str]:
    metadata = obj["metadata"]
    return {
        "apiVersion": obj["apiVersion"],
        "kind": obj["kind"],
        "namespace": metadata["namespace"],
        "name": metadata["name"],
        "uid": metadata["uid"],
        "resourceVersion": metadata["resourceVersion"],
    }


def _shortened(note: str) -> str:
    data = note.encode()
    if len(data) <= MAX_NOTE_BYTES:
        return note
    return data[: MAX_NOTE_BYTES - 3].decode(errors="ignore") + "…"
