"""What a state may say. PURE."""

from __future__ import annotations

from typing import Final

from varflow.language.states import STATES as TYPES
from varflow_operator.schemas.rules import variants
from varflow_operator.schemas.rules.words import Rule

_OTHERS: Final = (
    Rule(
        kind="Workflow",
        at="spec.states[]",
        cel="self.type != 'switch' || !has(self.transition)",
        message="a switch has no transition beside its conditions; use defaultTransition",
        field=".transition",
        reason="FieldValueForbidden",
    ),
    Rule(
        kind="Workflow",
        at="spec.states[]",
        cel="self.type != 'setter' || !has(self.variables) || "
        "self.variables.all(v, !has(v.__as__))",
        message="a setter's variables have no as",
        field=".variables",
    ),
    Rule(
        kind="Workflow",
        at="spec.states[]",
        cel="self.type != 'getter' || !has(self.variables) || "
        "self.variables.all(v, !has(v.mimeType))",
        message="a getter's variables have no mimeType",
        field=".variables",
    ),
)

_XOR: Final = "self.type in ['eventsXor', 'eventXor']"
_OF_EVENTS: Final = (
    Rule(
        kind="Workflow",
        at="spec.states[]",
        cel=f"!({_XOR}) || !has(self.transition)",
        message="an eventsXor has no transition beside its events'; each has one of its own",
        field=".transition",
        reason="FieldValueForbidden",
    ),
    Rule(
        kind="Workflow",
        at="spec.states[]",
        cel="!has(self.event) || self.type != 'generateEvent' || has(self.event.source)",
        message="the event of a generateEvent needs source",
        field=".event",
        reason="FieldValueRequired",
    ),
    Rule(
        kind="Workflow",
        at="spec.states[]",
        cel="!has(self.event) || self.type != 'consumeEvent' || "
        "!(has(self.event.source) || has(self.event.datacontenttype))",
        message="the event of a consumeEvent has no source or datacontenttype",
        field=".event",
        reason="FieldValueForbidden",
    ),
    Rule(
        kind="Workflow",
        at="spec.states[]",
        cel=f"!has(self.events) || !({_XOR}) || self.events.all(e, has(e.event) && !has(e.type))",
        message="the events of an eventsXor each need event, with type and context in it",
        field=".events",
    ),
    Rule(
        kind="Workflow",
        at="spec.states[]",
        cel=f"!has(self.events) || {_XOR} || "
        "self.events.all(e, has(e.type) && !has(e.event) && !has(e.transition))",
        message="the events of an eventsAnd each need type, and have no event or transition",
        field=".events",
    ),
)

STATES: Final = (
    *variants.make_rules(TYPES, at="spec.states[]", one="a state", only_for="states"),
    *_OTHERS,
    *_OF_EVENTS,
)
