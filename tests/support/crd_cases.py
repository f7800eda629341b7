"""For each rule of the custom resource definitions, a spec that it accepts and one it refuses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from varflow_operator.kinds import INSTANCE, VARIABLE, WORKFLOW, Kind

Spec = dict[str, Any]
NOOP: Spec = {"id": "a", "type": "noop"}
IMAGE: Spec = {"id": "f", "image": "x"}
NAMESPACE: Spec = {"scope": "namespace"}
FROM_SECRET: Spec = {"secretKeyRef": {"name": "s", "key": "k"}}
FROM_MAP: Spec = {"configMapKeyRef": {"name": "m", "key": "k"}}


@dataclass(frozen=True, slots=True)
class Case:
    """What one rule accepts and refuses."""

    name: str
    kind: Kind
    at: str
    """Where the rule stands."""
    message: str
    """As much of it as tells it from the others of that place."""
    accepted: Spec
    refused: Spec
    before: Spec | None = None
    """What both specs are changes of, where the rule is about a change."""


def _workflow(*states: Spec, **fields: Any) -> Spec:
    return {"states": [*states] or [NOOP], **fields}


def _state(name: str, message: str, accepted: Spec, refused: Spec, **fields: Any) -> Case:
    """Return the case of a rule about one state."""
    return Case(
        name,
        WORKFLOW,
        "spec.states[]",
        message,
        _workflow({"id": "a", **accepted}, NOOP | {"id": "b"}, **fields),
        _workflow({"id": "a", **refused}, NOOP | {"id": "b"}, **fields),
    )


def _function(name: str, message: str, accepted: Spec, refused: Spec, at: str = "") -> Case:
    """Return the case of a rule about one function."""
    return Case(
        name,
        WORKFLOW,
        f"spec.functions[]{at}",
        message,
        _workflow(functions=[{"id": "f", **accepted}]),
        _workflow(functions=[{"id": "f", **refused}]),
    )


def _target(name: str, message: str, state: Spec, path: str) -> Case:
    """Return the case of a rule about a transition, which stands in `path` of the state."""

    def leading_to(target: str | None) -> Spec:
        inner: Any = {"transition": target}
        if path == "catch":
            inner = {"catch": [{"error": "*", "transition": target}]}
        if path == "events":
            inner = {"events": [{"event": EVENT, "transition": target}, {"event": EVENT}]}
        if path == "conditions":
            inner = {"conditions": [{"condition": True, "transition": target}, {"condition": 1}]}
        if path == "defaultTransition":
            inner = {"defaultTransition": target}
        return _workflow({"id": "a", **state, **inner}, NOOP | {"id": "b", "transition": None})

    return Case(name, WORKFLOW, "spec", message, leading_to("b"), leading_to("c"))


CALL: Spec = {"type": "action", "action": {"function": "f"}}
PARALLEL: Spec = {"type": "parallel", "actions": [{"function": "f"}]}
FOREACH: Spec = {"type": "foreach", "array": [1], "action": {"function": "f"}}
SWITCH: Spec = {"type": "switch", "conditions": [{"condition": True}]}
GET: Spec = {"type": "getter", "variables": [{"key": "x", "scope": "workflow", "as": "y"}]}
SET: Spec = {
    "type": "setter",
    "variables": [{"key": "x", "scope": "workflow", "value": None, "mimeType": "text/plain"}],
}
ERROR: Spec = {"type": "error", "error": "x", "message": "y"}
DELAY: Spec = {"type": "delay", "duration": "PT1S"}
EVENT: Spec = {"type": "paid", "context": {"customer": "A*", "amount": 3, "is": True}}
GENERATE: Spec = {"type": "generateEvent", "event": {**EVENT, "source": "shop", "data": None}}
CONSUME: Spec = {"type": "consumeEvent", "event": EVENT}
ALL_OF: Spec = {"type": "eventsAnd", "events": [EVENT]}
ONE_OF: Spec = {"type": "eventsXor", "events": [{"event": EVENT, "transform": {"a": None}}]}
_SHORT: dict[str, Spec] = {
    "action": CALL,
    "parallel": PARALLEL,
    "foreach": FOREACH,
    "getter": GET,
    "setter": SET,
    "error": ERROR,
    "delay": DELAY,
    "switch": SWITCH,
    "generateEvent": GENERATE,
    "consumeEvent": CONSUME,
    "eventsAnd": ALL_OF,
    "eventAnd": ALL_OF | {"type": "eventAnd"},
    "eventsXor": ONE_OF,
    "eventXor": ONE_OF | {"type": "eventXor"},
}

_TARGETS = (
    Case(
        "start",
        WORKFLOW,
        "spec",
        "there is no state of this id",
        _workflow(start={"state": "a"}),
        _workflow(start={"state": "b"}),
    ),
    _target("transition", "the transition of a state", {"type": "noop"}, "transition"),
    _target("defaultTransition", "the defaultTransition", SWITCH, "defaultTransition"),
    _target("catch", "a catch of a state", {"type": "noop"}, "catch"),
    _target("conditions", "a condition of a state", {"type": "switch"}, "conditions"),
    _target("events", "an event of a state", {"type": "eventsXor"}, "events"),
    Case(
        "function",
        WORKFLOW,
        "spec",
        "the action of a state calls a function",
        _workflow({"id": "a", **CALL}, functions=[IMAGE]),
        _workflow({"id": "a", **CALL}),
    ),
)

_FUNCTIONS = (
    _function("image", "needs an image", {"image": "x"}, {"type": "container"}),
    _function(
        "service",
        "needs service or path",
        {"type": "knative-global", "service": "x"},
        {"type": "knative-global"},
    ),
    _function(
        "workflow", "needs workflow", {"type": "subflow", "workflow": "w"}, {"type": "subflow"}
    ),
    _function(
        "subflow",
        "has nothing but",
        {"type": "subflow", "workflow": "w"},
        {"type": "subflow", "workflow": "w", "size": "small"},
    ),
    _function(
        "Direktiv's words",
        "are Direktiv's words",
        {"image": "x", "cmd": "run", "envs": [{"name": "A", "value": "1"}]},
        {"image": "x", "cmd": "run", "pod": {}},
    ),
    _function(
        "Direktiv's types",
        "one of Direktiv's types",
        {"type": "reusable", "image": "x"},
        {"type": "reusable", "image": "x", "scale": {"min": 1}},
    ),
    _function(
        "scale",
        "min is at most max",
        {"image": "x", "scale": {"min": 1, "max": 1, "idleSeconds": 0.5}},
        {"image": "x", "scale": {"min": 2, "max": 1}},
        ".scale",
    ),
    *(
        _function(
            f"value of {place}",
            "exclude each other",
            {"image": "x", place: [{"name": "A", "value": "", "valueFrom": FROM_SECRET}]},
            {"image": "x", place: [{"name": "A", "value": "1", "valueFrom": FROM_SECRET}]},
            f".{place}[]",
        )
        for place in ("env", "envs")
    ),
    *(
        _function(
            f"source of {place}",
            "exactly one of",
            {"image": "x", place: [{"name": "A", "valueFrom": {**FROM_MAP, "fieldRef": None}}]},
            {"image": "x", place: [{"name": "A", "valueFrom": {**FROM_MAP, **FROM_SECRET}}]},
            f".{place}[].valueFrom",
        )
        for place in ("env", "envs")
    ),
)

_STATES = (
    *(
        _state(
            f"what {kind} needs",
            f"a state of type {kind} needs",
            state,
            {"type": kind},
            functions=[IMAGE],
        )
        for kind, state in _SHORT.items()
    ),
    *(
        _state(
            f"{field} elsewhere",
            f"{field} is only for",
            {**_SHORT[kind], field: value},
            {"type": "noop", field: value},
            functions=[IMAGE],
        )
        for field, kind, value in (
            ("action", "action", {"function": "f"}),
            ("timeout", "action", "PT1S"),
            ("async", "action", False),
            ("actions", "parallel", [{"function": "f"}]),
            ("mode", "parallel", "or"),
            ("parallelism", "foreach", 5),
            ("skipFailures", "foreach", True),
            ("variables", "setter", SET["variables"]),
            ("error", "error", "x"),
            ("message", "error", "x"),
            ("duration", "delay", "PT1S"),
            ("conditions", "switch", [{"condition": True}]),
            ("defaultTransition", "switch", "b"),
            ("event", "consumeEvent", EVENT),
            ("events", "eventsAnd", [EVENT]),
            ("delay", "generateEvent", "immediate"),
        )
    ),
    _state(
        "a switch's transition",
        "a switch has no transition",
        {**SWITCH, "defaultTransition": "b"},
        {**SWITCH, "transition": "b"},
    ),
    _state(
        "as of a setter",
        "a setter's variables have no as",
        SET,
        {**SET, "variables": [{**SET["variables"][0], "as": "y"}]},
    ),
    _state(
        "mimeType of a getter",
        "a getter's variables have no mimeType",
        GET,
        {**GET, "variables": [{**GET["variables"][0], "mimeType": "text/plain"}]},
    ),
    _state(
        "an eventsXor's transition",
        "an eventsXor has no transition",
        ONE_OF,
        {**ONE_OF, "transition": "b"},
    ),
    _state(
        "source of a generateEvent",
        "the event of a generateEvent needs source",
        GENERATE,
        {**GENERATE, "event": EVENT},
    ),
    _state(
        "source of a consumeEvent",
        "the event of a consumeEvent has",
        CONSUME,
        {**CONSUME, "event": {**EVENT, "source": "shop"}},
    ),
    _state(
        "an eventsXor's events",
        "the events of an eventsXor each need event",
        ONE_OF,
        {**ONE_OF, "events": [EVENT]},
    ),
    _state(
        "an eventsAnd's events",
        "the events of an eventsAnd each need type",
        {**ALL_OF, "transition": "b"},
        {**ALL_OF, "events": [{"event": EVENT}]},
    ),
)


def _start(name: str, message: str, accepted: Spec, refused: Spec) -> Case:
    """Return the case of a rule about the start."""
    return Case(
        name,
        WORKFLOW,
        "spec.start",
        message,
        _workflow(start=accepted),
        _workflow(start=refused),
    )


_STARTS_OF_TYPES: dict[str, Spec] = {
    "scheduled": {"cron": "0 7 * * *"},
    "event": {"event": EVENT},
    "eventsXor": {"events": [EVENT]},
    "eventsAnd": {"events": [EVENT], "lifespan": "PT1H"},
}
_STARTS = (
    *(
        _start(
            f"what a {kind} start needs",
            f"a start of type {kind} needs",
            {"type": kind, **given},
            {"type": kind},
        )
        for kind, given in _STARTS_OF_TYPES.items()
    ),
    *(
        _start(
            f"{field} of another start",
            f"{field} is only for a start",
            {"type": kind, **_STARTS_OF_TYPES[kind]},
            {"type": "default", field: _STARTS_OF_TYPES[kind][field]},
        )
        for field, kind in (
            ("cron", "scheduled"),
            ("event", "event"),
            ("events", "eventsXor"),
            ("lifespan", "eventsAnd"),
        )
    ),
)

_VARIABLES = (
    Case(
        "workflowRef",
        VARIABLE,
        "spec",
        "when scope is workflow",
        {"scope": "workflow", "workflowRef": {"name": "w"}, "value": 1},
        {"scope": "workflow", "value": 1},
    ),
    Case(
        "one value",
        VARIABLE,
        "spec",
        "exactly one of value",
        {**NAMESPACE, "text": ""},
        {**NAMESPACE, "text": "", "base64": ""},
    ),
    Case(
        "secret",
        VARIABLE,
        "spec",
        "a secret's value",
        {**NAMESPACE, "secret": True, "valueFrom": FROM_SECRET},
        {**NAMESPACE, "secret": True, "valueFrom": FROM_MAP},
    ),
    Case(
        "one source",
        VARIABLE,
        "spec.valueFrom",
        "exactly one of secretKeyRef",
        {**NAMESPACE, "valueFrom": {**FROM_MAP, "secretKeyRef": None}},
        {**NAMESPACE, "valueFrom": {}},
    ),
    *(
        Case(
            f"another {name}",
            VARIABLE,
            "spec.scope" if name == "scope" else "spec",
            f"{name} cannot be changed",
            before | {"value": 2},
            before | changed,
            before,
        )
        for name, before, changed in (
            ("key", {**NAMESPACE, "key": "k", "value": 1}, {"key": "l"}),
            (
                "scope",
                {**NAMESPACE, "value": 1},
                {"scope": "workflow", "workflowRef": {"name": "w"}},
            ),
            (
                "workflowRef",
                {"scope": "workflow", "workflowRef": {"name": "w"}, "value": 1},
                {"workflowRef": {"name": "v"}},
            ),
        )
    ),
)

_RUN: Spec = {"workflow": "w", "input": {"n": 1}, "trigger": {"type": "cli"}}
_INSTANCES = (
    Case(
        "another input",
        INSTANCE,
        "spec",
        "an instance cannot be changed",
        _RUN | {"cancel": True},
        _RUN | {"input": {"n": 2}},
        _RUN,
    ),
)
CASES = (*_TARGETS, *_FUNCTIONS, *_STATES, *_STARTS, *_VARIABLES, *_INSTANCES)
