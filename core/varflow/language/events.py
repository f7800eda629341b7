"""The states about events, and what they say of an event: which one is meant, or made. PURE.

Events are CloudEvents. Their type, source and content type are literal; attributes may hold
expressions, as inside any object: in the older edition `{{ ... }}`. The names of attributes are
compared as the specification of CloudEvents has them, in small letters.

They are checked like all others and not run yet (see `not_yet`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from varflow.language import bounds, durations, expressions, fields, wording
from varflow.language.codes import Code
from varflow.language.expressions import Fault
from varflow.language.fields import Expression, Model, Reference, Seconds
from varflow.language.state_fields import StateCommon

OLDER_SPELLINGS: Final = {"eventAnd": "eventsAnd", "eventXor": "eventsXor"}
"""Types of states as Direktiv's older files have them, which mean the same."""
_IMMEDIATE: Final = "immediate"
_ATTRIBUTE: Final = re.compile(r"[A-Za-z0-9]{1,100}", re.ASCII)
_NOT_TO_MATCH: Final = {
    "type": "the event's type stands beside `context`",
    "data": "events are not told apart by their data",
    "specversion": "all events have the same",
}
_NOT_TO_SET: Final = {
    **dict.fromkeys(("type", "source", "data", "datacontenttype"), "it stands beside `context`"),
    **dict.fromkeys(("id", "time", "specversion"), "every event is given one"),
}


# Literal texts


def _literal(pattern: str, advice: str, most: int) -> tuple[Any, ...]:
    """Return what checks a text that holds no programs."""

    def validate(value: Any) -> Any:
        if not isinstance(value, str):
            fields.fail(wording.not_a_string(value), code=Code.WRONG_TYPE)
        if not value:
            fields.fail("is empty")
        if len(value) > most:
            fields.fail(wording.too_long(len(value), most), code=Code.OUT_OF_BOUNDS)
        if expressions.mentions_programs(value):
            fields.fail("is taken literally; it cannot hold jq(...) or js(...)")
        if not re.fullmatch(pattern, value):
            fields.fail(f"{wording.shown(value)} {advice}")
        return value

    schema = {"type": "string", "minLength": 1, "maxLength": most, "pattern": f"^{pattern}$"}
    return BeforeValidator(validate), WithJsonSchema(schema)


EventType = Annotated[
    str, *_literal(r"\S(.*\S)?", "begins or ends with a space, or has lines", bounds.NAME)
]
"""What an event is called, such as com.example.order.paid."""
Source = Annotated[str, *_literal(r"\S+", "is no source: it has spaces in it", bounds.SOURCE)]
"""Where an event comes from: a URI, or a part of one."""
ContentType = Annotated[
    str, *_literal(r"\S(.*\S)?", "begins or ends with a space, or has lines", bounds.CONTENT_TYPE)
]


# Attributes


def attributes(refused: dict[str, str], find_fault: Callable[[Any], str | None]) -> tuple[Any, ...]:
    """Return what makes a template of an event's attributes, by name.

    Args:
        refused: names that have no place here, and why.
        find_fault: says what is wrong with a value, beside its type.
    """

    def validate(value: Any) -> Any:
        if isinstance(value, expressions.KINDS):
            return value
        if not isinstance(value, dict):
            fields.fail(f"must be a mapping, not {wording.kind_of(value)}", code=Code.WRONG_TYPE)
        if len(value) > bounds.ENTRIES:
            fields.fail(wording.too_many(len(value), bounds.ENTRIES), code=Code.OUT_OF_BOUNDS)
        faults = [
            fault
            for name, item in value.items()
            if (fault := _name_fault(name, value, refused) or _value_fault(name, item, find_fault))
        ]
        fields.raise_faults(faults)
        return value

    schema = {
        "type": "object",
        "maxProperties": bounds.ENTRIES,
        "additionalProperties": {},
    }
    return BeforeValidator(validate), WithJsonSchema(schema)


def _name_fault(name: str, beside: dict[str, Any], refused: dict[str, str]) -> Fault | None:
    if not _ATTRIBUTE.fullmatch(name):
        message = f"{wording.shown(name)} is no attribute: 1 to 100 letters and digits are one"
        return Fault((name,), message)
    if name.lower() in refused:
        message = f"does not belong here; {refused[name.lower()]}"
        return Fault((name,), message, code=Code.CONFLICTING_FIELDS)
    first = next(it for it in beside if it.lower() == name.lower())
    if first != name:
        message = f"is the same attribute as {wording.shown(first)}; capitals do not count"
        return Fault((name,), message, code=Code.DUPLICATE_NAME)
    return None


def _value_fault(name: str, value: Any, find_fault: Callable[[Any], str | None]) -> Fault | None:
    if isinstance(value, dict | list) or value is None:
        message = f"must be a text, a number or a truth value, not {wording.kind_of(value)}"
        return Fault((name,), message, code=Code.WRONG_TYPE)
    message = find_fault(value) or ""
    return Fault((name,), message) if message else None


def _accept(_: Any) -> None:
    return


def _find_program(value: Any) -> str | None:
    if not isinstance(value, str) or not (expressions.mentions_programs(value) or "{{" in value):
        return None
    return "is taken literally: before an instance starts there is no data for an expression"


Filters = Annotated[Expression, *attributes(_NOT_TO_MATCH, _accept)]
"""Attributes by which a state knows an event."""
LiteralFilters = Annotated[Expression, *attributes(_NOT_TO_MATCH, _find_program)]
"""Attributes by which a start knows an event."""
Extensions = Annotated[Expression, *attributes(_NOT_TO_SET, _accept)]
"""Attributes that an event is given."""


# Events


class EventFilter(Model):
    """Which events a state waits for."""

    type: EventType
    """The type of the event."""
    context: Filters | None = None
    """Attributes that it has, as globs, with expressions; any unless given."""


class StartFilter(Model):
    """Which events start an instance."""

    type: EventType
    """The type of the event."""
    context: LiteralFilters | None = None
    """Attributes that it has, as globs; any unless given."""


class GeneratedEvent(Model):
    """An event that is made."""

    type: EventType
    """The type of the event."""
    source: Source
    """Where it comes from: a URI, or a part of one."""
    data: Expression | None = None
    """What it carries, with expressions; the whole of the instance's data unless given."""
    datacontenttype: ContentType = "application/json"
    """What its data is; application/json unless given."""
    context: Extensions | None = None
    """Its other attributes, with expressions; globs where it is waited for."""


# States


def _delay(value: Any) -> Any:
    if value == _IMMEDIATE:
        return "PT0S"
    try:
        durations.parse(value)
    except ValueError as error:
        fields.fail(f"{error}; or write {_IMMEDIATE}")
    return value


Delay = Annotated[
    Seconds,
    BeforeValidator(_delay),
    WithJsonSchema(
        {
            "type": "string",
            "maxLength": bounds.DURATION,
            "pattern": rf"^\s*P[0-9.,YMWDTHS]+\s*$|^{_IMMEDIATE}$",
        }
    ),
]


class GenerateEventState(StateCommon):
    """Send an event."""

    type: Literal["generateEvent"]
    """What the state does."""
    event: GeneratedEvent
    """The event that is sent, or waited for."""
    delay: Delay = 0.0
    """How long it is held back, as an ISO 8601 duration, or immediate; not at all unless given."""


class ConsumeEventState(StateCommon):
    """Wait for an event; it becomes a field of the data, called like its type."""

    type: Literal["consumeEvent"]
    """What the state does."""
    event: EventFilter
    """The event that is waited for."""
    timeout: Seconds | None = None
    """How long to wait, as an ISO 8601 duration; 15 minutes unless given."""


class EventsAndState(StateCommon):
    """Wait for several events, until all are there."""

    type: Literal["eventsAnd", "eventAnd"]
    """What the state does."""
    events: tuple[EventFilter, ...] = Field(min_length=1, max_length=bounds.EVENTS)
    """The events that are waited for."""
    timeout: Seconds | None = None
    """How long to wait, as an ISO 8601 duration; 15 minutes unless given."""


class EventCase(Model):
    """One of several events, and where to go on when it comes."""

    elsewhere: ClassVar = dict.fromkeys(
        ("type", "context"), "it belongs in `event`: each of an eventsXor's events has a way on"
    )

    event: EventFilter
    """Which events are meant."""
    transform: Expression | None = None
    """The new data, with expressions; it must give an object."""
    transition: Reference | None = None
    """Id of the next state; without one the workflow ends."""


class EventsXorState(StateCommon):
    """Wait for several events, until one is there; it decides how to go on."""

    type: Literal["eventsXor", "eventXor"]
    """What the state does."""
    events: tuple[EventCase, ...] = Field(min_length=1, max_length=bounds.EVENTS)
    """The events that are waited for, each with a way on."""
    timeout: Seconds | None = None
    """How long to wait, as an ISO 8601 duration; 15 minutes unless given."""
