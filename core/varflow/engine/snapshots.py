"""What is kept of an instance between two events, and across restarts. PURE.

A snapshot is small: no inputs of actions, no values of setters, no secrets. What was sent can be
made again from the data, the step and the attempt, so a restarted shell asks `advancing.resume`
for the commands to issue again. Times are seconds since the epoch.

It is JSON with a version; `decode` refuses what it does not know rather than to guess. Instances
run on while Varflow is upgraded, so a snapshot that any release has written is read by all later
ones. A field may be added to a version if its default means what its absence meant; whatever else
changes raises `VERSION`, and `decode` then reads the versions before as well. Going back is safe
only to a release that knows all fields. `tests/data/snapshots` holds what was written.

The phases of an instance (the events that each takes are a table in `advancing`):

    NEW ──► BETWEEN ◄──► INSIDE ──► OVER      between two states, or waiting inside one
                            │▲       ▲
                            ▼│       │
                      INTERRUPTING ──┤        an error waits until nothing of the state can commit
                          ENDING ────┘        so does the end
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import Any, Final

import orjson

from varflow.engine import codes
from varflow.engine.faults import Fault, make_fault
from varflow.engine.messages import InstanceStatus, Json
from varflow.errors import InvalidMessage

VERSION: Final = 1
"""Raised when the fields change so that an older `decode` would misread them."""


_NO_REASON: Final = make_fault(codes.INTERNAL, "an effect failed without a reason")


class Phase(StrEnum):
    """Where an instance stands."""

    NEW = "new"
    BETWEEN = "between"
    """About to enter `state`; seen from outside only when the shell is to have its turn."""
    INSIDE = "inside"
    """Waiting in `state`."""
    INTERRUPTING = "interrupting"
    """The open effects are being given up; then `fault` is raised in `state`."""
    ENDING = "ending"
    """The open effects are being given up; then the instance ends as `ending` says."""
    OVER = "over"


class EffectKind(StrEnum):
    """What happens outside."""

    ACTION = "action"
    SUBFLOW = "subflow"
    READ = "read"
    WRITE = "write"
    DELAY = "delay"
    STORE = "store"
    """Results of branches that go out of the snapshot."""
    LOAD = "load"
    """The same, back in."""


class EffectPhase(StrEnum):
    """Where an effect stands; the moves between them are tables in `effects` and `attempts`."""

    QUEUED = "queued"
    """To be sent."""
    RUNNING = "running"
    BACKING_OFF = "backing-off"
    """The last attempt failed; the next one waits for its time."""
    GIVING_UP = "giving-up"
    """Waiting for the confirmation that nothing of it will commit any more."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """Something outside that the current state waits for; one for each branch."""

    kind: EffectKind
    branch: int = 0
    """Which of the current state's branches it serves; no two effects serve the same."""
    id: str
    """Of the current attempt or the request."""
    phase: EffectPhase = EffectPhase.RUNNING
    attempt: int = 0
    deadline: float | None = None
    """Of the current attempt."""
    is_doubtful: bool = False
    """An attempt ended without our knowing whether it had committed."""
    fault: Fault | None = None
    """Why it failed or is being given up; none while it is given up because it has succeeded."""
    value: Json = None
    """While it runs, what the state needs to understand the answer; then the answer."""

    @property
    def reason(self) -> Fault:
        """Why it failed, or is being given up."""
        return self.fault or _NO_REASON


@dataclass(frozen=True, slots=True, kw_only=True)
class Fan:
    """The branches of a state that has many (see `branches`)."""

    count: int
    """How many there are."""
    sent: int = 0
    """How many have been begun: the first ones. Of these, all without an effect are done."""
    done: int = 0
    results: tuple[tuple[int, Json], ...] = ()
    """Branch and answer, of those that are done and not stored away."""
    size: int = 0
    """Bytes of the answers in `results`, as JSON."""
    pages: int = 0
    """How often answers were stored away."""
    _elements: list[Json] | None = field(default=None, compare=False, repr=False)
    """What the branches are for, if it is known. It follows from the data and is no part of the
    snapshot: names that begin so are not written, and after a restart it is found out again."""

    @property
    def elements(self) -> list[Json] | None:
        """What the branches are for, a value each, as long as nobody has to be asked for it."""
        return self._elements

    def knowing(self, elements: list[Json]) -> Fan:
        """Return the same, with what its branches are for."""
        return replace(self, _elements=elements)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How the instance ends or has ended."""

    status: InstanceStatus
    code: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """An instance between two events. Its values are never changed in place."""

    version: int = VERSION
    instance: str
    phase: Phase = Phase.NEW
    state: str = ""
    depth: int = 0
    """How many instances are above this one."""
    step: int = 0
    """How many states have been entered."""
    data: Json = None
    """An object while the instance runs; after the end its output."""
    input: Json = None
    """What `$input` is; kept only for workflows that mention it."""
    steps: dict[str, Json] = field(default_factory=dict)
    """What `$steps` is; kept only for the states that are mentioned."""
    metadata: Json = None
    effects: tuple[Effect, ...] = ()
    fan: Fan | None = None
    """None for a state without branches."""
    timers: Mapping[str, float] = field(default_factory=dict)
    mark: Fault | None = None
    """Set by an `error` state: the instance goes on and will have failed."""
    fault: Fault | None = None
    ending: Ending | None = None

    def encode(self) -> bytes:
        """Return the snapshot as JSON."""
        return orjson.dumps(self)

    @classmethod
    def decode(cls, data: bytes) -> Snapshot:
        """Read a snapshot.

        Raises:
            InvalidMessage: it is damaged, or another version of Varflow wrote it.
        """
        message = _parse(data)
        try:
            return cls(**{name: _FIELDS[name](value) for name, value in message.items()})
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidMessage(f"not a checkpoint of an instance: {error!r}") from error


def begin(instance: str) -> Snapshot:
    """Return the snapshot of an instance that has not started; `instance` is its UID."""
    return Snapshot(instance=instance)


def _parse(data: bytes) -> dict[str, Any]:
    try:
        message = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise InvalidMessage(f"the checkpoint is not JSON: {error}") from error
    if not isinstance(message, dict):
        raise InvalidMessage("the checkpoint is not a JSON object")
    if message.get("version") != VERSION:
        raise InvalidMessage(
            f"the checkpoint has version {message.get('version')!r}, this Varflow reads {VERSION}; "
            "run the version that wrote it"
        )
    return message


def _same(value: Any) -> Any:
    return value


def _fault(value: Any) -> Fault | None:
    return None if value is None else Fault(**value)


def _ending(value: Any) -> Ending | None:
    return None if value is None else Ending(**{**value, "status": InstanceStatus(value["status"])})


def _effect(value: Any) -> Effect:
    return Effect(
        **{
            **value,
            "kind": EffectKind(value["kind"]),
            "phase": EffectPhase(value["phase"]),
            "fault": _fault(value["fault"]),
        }
    )


def _fan(value: Any) -> Fan | None:
    if value is None:
        return None
    return Fan(**{**value, "results": tuple((branch, it) for branch, it in value["results"])})


def _effects(value: Any) -> tuple[Effect, ...]:
    return tuple(_effect(entry) for entry in value)


_FIELDS: Final = {
    **{spec.name: _same for spec in fields(Snapshot)},
    "phase": Phase,
    "effects": _effects,
    "fan": _fan,
    "mark": _fault,
    "fault": _fault,
    "ending": _ending,
}
"""What makes each field's value from its JSON."""
