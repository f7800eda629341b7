"""How instances begin, each way a model of its own. PURE.

`type` tells them apart; `default`, by a person or program that asks for it, is meant when there is
none. The others are checked like everything else; nothing acts on them yet (see `not_yet`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import BeforeValidator, Field, PlainValidator, ValidationInfo, WithJsonSchema

from varflow.language import bounds, crons, fields, variants, wording
from varflow.language.codes import Code
from varflow.language.events import StartFilter
from varflow.language.fields import Model, Reference, Seconds


def _cron(value: Any) -> str:
    if not isinstance(value, str):
        fields.fail(wording.not_a_string(value), code=Code.WRONG_TYPE)
    if len(value) > bounds.CRON:
        fields.fail(wording.too_long(len(value), bounds.CRON), code=Code.OUT_OF_BOUNDS)
    fault = crons.find_fault(value.strip())
    if fault:
        fields.fail(fault)
    return value.strip()


Cron = Annotated[
    str,
    BeforeValidator(_cron),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": bounds.CRON}),
]


class StartCommon(Model):
    """What every start has."""

    state: Reference | None = None
    """Id of the state that begins; the first unless given."""


class Start(StartCommon):
    """When somebody starts one."""

    elsewhere: ClassVar = {
        "cron": "it needs `type: scheduled`",
        "event": "it needs `type: event`",
        "events": "it needs `type: eventsXor` or `type: eventsAnd`",
    }

    type: Literal["default"] = "default"
    """How instances begin: when somebody starts one unless given."""


class ScheduledStart(StartCommon):
    """By the clock, and when somebody starts one."""

    type: Literal["scheduled"]
    """How instances begin."""
    cron: Cron
    """When, as five fields of crontab, or as a word such as @daily."""


class EventStart(StartCommon):
    """When an event comes."""

    type: Literal["event"]
    """How instances begin."""
    event: StartFilter
    """Which event starts an instance."""


class EventsXorStart(StartCommon):
    """When one of several events comes."""

    type: Literal["eventsXor"]
    """How instances begin."""
    events: tuple[StartFilter, ...] = Field(min_length=1, max_length=bounds.EVENTS)
    """Which events start an instance: one of them, or all."""


class EventsAndStart(StartCommon):
    """When several events have come."""

    type: Literal["eventsAnd"]
    """How instances begin."""
    events: tuple[StartFilter, ...] = Field(min_length=1, max_length=bounds.EVENTS)
    """Which events start an instance: one of them, or all."""
    lifespan: Seconds | None = None
    """How long an event waits for the others, as an ISO 8601 duration; for ever unless given."""


_Starts = Start | ScheduledStart | EventStart | EventsXorStart | EventsAndStart
STARTS: Final[Mapping[str, type[_Starts]]] = {
    "default": Start,
    "scheduled": ScheduledStart,
    "event": EventStart,
    "eventsXor": EventsXorStart,
    "eventsAnd": EventsAndStart,
}
"""The starts by their `type`."""
_ADVICE: Final = f"; one of {', '.join(STARTS)} is meant"


def _start(value: Any, info: ValidationInfo) -> _Starts:
    if isinstance(value, StartCommon):
        return value  # type: ignore[return-value]
    model = variants.choose(value, STARTS, what="start", default="default", advice=_ADVICE)
    return model.model_validate(value, context=info.context)


AnyStart = Annotated[_Starts, PlainValidator(_start, json_schema_input_type=_Starts)]
