"""States and starts about events: what they hold when loaded, and that they are for later."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support import conformance
from varflow.errors import InvalidWorkflowFile
from varflow.language import bounds, crons, loading, not_yet, suspicions
from varflow.language.codes import Code
from varflow.language.editions import API_VERSION
from varflow.language.events import ConsumeEventState, EventsXorState, GenerateEventState
from varflow.language.expressions import Language, Literal, Mapping, Program
from varflow.language.starts import EventsAndStart, ScheduledStart
from varflow.language.workflow import Workflow

PAID = {"type": "paid"}
NOOP = {"id": "z", "type": "noop"}
MANY = {f"a{place}": 1 for place in range(bounds.ENTRIES + 1)}


def consume(event: Any, **more: Any) -> dict[str, Any]:
    return {"id": "a", "type": "consumeEvent", "event": event, **more}


def generate(event: Any = None, **more: Any) -> dict[str, Any]:
    made = {"type": "paid", "source": "shop", **(event or {})}
    return {"id": "a", "type": "generateEvent", "event": made, **more}


def load(*states: Any, expressions: str = "wrapped", **spec: Any) -> Workflow:
    value = {
        "apiVersion": API_VERSION,
        "kind": "Workflow",
        "metadata": {"name": "w"},
        "spec": {"states": [*states] or [NOOP], "expressions": expressions, **spec},
    }
    made = loading.load_object(value)
    assert isinstance(made, Workflow)
    return made


def problems(*states: Any, **spec: Any) -> list[str]:
    with pytest.raises(InvalidWorkflowFile) as caught:
        load(*states, **spec)
    return [f"{it.field.removeprefix('spec.')}: {it.message}" for it in caught.value.problems]


@pytest.mark.parametrize(
    ("expressions", "text"),
    [
        pytest.param("wrapped", "jq(.customer)", id="the newer edition"),
        pytest.param("bare", "{{ .customer }}", id="the older edition"),
    ],
)
def test_attributes_hold_expressions_beside_patterns(expressions: str, text: str) -> None:
    context = {"customer": text, "shop": "ams-*", "amount": 3}

    (state,) = load(consume({**PAID, "context": context}), expressions=expressions).states

    assert isinstance(state, ConsumeEventState)
    assert isinstance(state.event.context, Mapping)
    customer = dict(state.event.context.entries)["customer"]
    assert isinstance(customer, Program)
    assert (customer.language, customer.source.strip()) == (Language.JQ, ".customer")
    assert dict(state.event.context.entries)["shop"] == Literal("ams-*")


@pytest.mark.parametrize(
    ("given", "seconds"),
    [({}, 0.0), ({"delay": "immediate"}, 0.0), ({"delay": "PT1M"}, 60.0)],
)
def test_an_event_is_sent_at_once_unless_it_is_held_back(given: Any, seconds: float) -> None:
    (state,) = load(generate(**given)).states

    assert isinstance(state, GenerateEventState)
    assert state.delay == seconds
    assert state.event.datacontenttype == "application/json"


@pytest.mark.parametrize(
    ("context", "message"),
    [
        pytest.param([], "must be a mapping, not a list", id="a list"),
        pytest.param({"": 1}, "'' is no attribute", id="no name"),
        pytest.param({"order-id": 1}, ".order-id: 'order-id' is no attribute", id="a dash"),
        pytest.param({"a": None}, ".a: must be a text, a number or a truth value", id="null"),
        pytest.param({"a": {}}, ".a: must be a text, a number or a truth value", id="a mapping"),
        pytest.param({"A": 1, "a": 1}, ".a: is the same attribute as 'A'", id="twice"),
        pytest.param({"Type": "x"}, ".Type: does not belong here", id="the type"),
        pytest.param({"a": "jq(.x"}, ".a: 'jq(' at character 1 is never closed", id="no program"),
        pytest.param(MANY, "has 65 entries; at most 64 are allowed", id="too many"),
    ],
)
def test_attributes_are_checked(context: Any, message: str) -> None:
    (problem,) = problems(consume({**PAID, "context": context}))

    assert problem.startswith("states[0].event.context")
    assert message in problem


@pytest.mark.parametrize("text", ["jq(.customer)", "{{ .customer }}"])
def test_a_start_has_no_data_for_expressions(text: str) -> None:
    event = {**PAID, "context": {"customer": text}}

    (problem,) = problems(start={"type": "event", "event": event})

    assert problem.startswith("start.event.context.customer: is taken literally")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("", "is empty", id="nothing"),
        pytest.param(7, "must be a string, not a number; put it in quotes", id="a number"),
        pytest.param("jq(.kind)", "is taken literally", id="a program"),
        pytest.param(" paid", "begins or ends with a space", id="a space"),
        pytest.param("x" * 254, "has 254 characters; at most 253 are allowed", id="too long"),
    ],
)
def test_types_of_events_are_literal(text: Any, message: str) -> None:
    (problem,) = problems(consume({"type": text}))

    assert problem.startswith("states[0].event.type: ")
    assert message in problem


@pytest.mark.parametrize("kind", ["eventsXor", "eventXor"])
def test_each_of_several_events_has_a_way_on(kind: str) -> None:
    cases = [{"event": PAID, "transition": "z"}, {"event": {"type": "refused"}}]

    state = load({"id": "a", "type": kind, "events": cases, "stopIf": False}, NOOP).states[0]

    assert isinstance(state, EventsXorState)
    assert suspicions.targets(state) == ["z", None, None]


def test_what_an_event_leads_to_is_reached() -> None:
    cases = [{"event": PAID, "transition": "z"}]
    workflow = load({"id": "a", "type": "eventsXor", "events": cases}, NOOP)

    assert [*suspicions.find_faults(workflow)] == []


def test_starts_keep_what_they_say() -> None:
    clock = load(start={"type": "scheduled", "cron": " @daily ", "state": "z"}).start
    events = load(start={"type": "eventsAnd", "events": [PAID, PAID], "lifespan": "PT1H"}).start

    assert isinstance(clock, ScheduledStart)
    assert (clock.cron, clock.state) == ("@daily", "z")
    assert isinstance(events, EventsAndStart)
    assert (len(events.events), events.lifespan) == (2, 3600.0)


@pytest.mark.parametrize("kind", ["scheduled", "event", "eventsXor", "eventsAnd"])
def test_a_start_leads_to_a_state_that_exists(kind: str) -> None:
    several: Any = {"events": [PAID]}
    one: Any = {"scheduled": {"cron": "@daily"}, "event": {"event": PAID}}

    assert problems(start={"type": kind, "state": "y", **one.get(kind, several)}) == [
        "start.state: there is no state 'y'"
    ]


CRONS = [
    "* * * * *",
    "*/5 0-23/2 1,15 JAN-Jun mon-fri",
    "0 7 ? * 0",
    "5/10 0 1 1 sun",
    "@hourly",
    "@every 90s",
    "@every 1h30m",
]
NO_CRONS = [
    ("", "has 0 fields; five are needed"),
    ("0 0 * * * *", "has 6 fields; five are needed: minute, hour, day of the month"),
    ("60 * * * *", "'60' is no minute; it goes from 0 to 59"),
    ("* * 0 * *", "'0' is no day of the month; it goes from 1 to 31"),
    ("* * * * 7", "'7' is no day of the week; it goes from 0 to 6"),
    ("* * * mon *", "'mon' is no month; it goes from 1 to 12"),
    ("5-1 * * * *", "'5-1' is no minute; it goes backwards"),
    ("*/0 * * * *", "'*/0' is no minute; write a number"),
    ("*/ * * * *", "'*/' is no minute; write a number"),
    ("1,,2 * * * *", "'' is no minute; write a number"),
    ("-1 * * * *", "'-1' is no minute; write a number"),
    ("@reboot", "'@reboot' is none of @yearly"),
    ("@every", "'@every' is none of @yearly"),
    ("@every 0s", "'@every 0s' is none of @yearly"),
]


@pytest.mark.parametrize("text", CRONS)
def test_crons_are_accepted(text: str) -> None:
    assert crons.find_fault(text) is None


@pytest.mark.parametrize(("text", "message"), NO_CRONS)
def test_what_is_no_cron_is_said(text: str, message: str) -> None:
    assert message in (crons.find_fault(text) or "")


XOR = {"events": [{"event": PAID}]}
FOR_LATER = {
    "generateEvent": generate(),
    "consumeEvent": consume(PAID),
    "eventsAnd": {"id": "a", "type": "eventsAnd", "events": [PAID]},
    "eventAnd": {"id": "a", "type": "eventAnd", "events": [PAID]},
    "eventsXor": {"id": "a", "type": "eventsXor", **XOR},
    "eventXor": {"id": "a", "type": "eventXor", **XOR},
}


@pytest.mark.parametrize(("kind", "state"), FOR_LATER.items(), ids=[*FOR_LATER])
def test_a_state_about_events_keeps_a_workflow_from_running(kind: str, state: Any) -> None:
    (fault,) = not_yet.find_faults(load(NOOP, state))

    assert fault.path == ("states", 1, "type")
    assert fault.code == Code.NOT_YET
    assert fault.message.startswith(f"a state of type {kind} is accepted, and not run yet")


@pytest.mark.parametrize(
    ("start", "runs", "is_idle"),
    [
        pytest.param({}, True, False, id="by hand"),
        pytest.param({"type": "scheduled", "cron": "@daily"}, True, True, id="by a clock"),
        pytest.param({"type": "event", "event": PAID}, False, False, id="by an event"),
        pytest.param({"type": "eventsXor", "events": [PAID]}, False, False, id="by one of several"),
        pytest.param({"type": "eventsAnd", "events": [PAID]}, False, False, id="by several"),
    ],
)
def test_only_what_can_be_started_by_hand_runs(start: Any, runs: bool, is_idle: bool) -> None:
    workflow = load(start=start)

    assert ([*not_yet.find_faults(workflow)] == []) is runs
    assert ([*not_yet.find_idle(workflow)] != []) is is_idle


def files_of_cases() -> set[str]:
    """Return the workflows of all conformance cases, those with events included."""
    others = [
        it["file"]
        for case in conformance.load_cases()
        for it in case.get("aux_files") or ()
        if it["type"] == "workflow"
    ]
    cases = [
        case["workflow_file"]
        for case in conformance.load_cases()
        if case.get("workflow_file") and case["id"] not in conformance.DECIDED_OTHERWISE
    ]
    return {*cases, *others}


@pytest.mark.parametrize("file", sorted(files_of_cases()))
def test_workflows_of_direktiv_s_tests_load_though_not_all_run(file: str) -> None:
    path: Path = conformance.FOLDER / file

    assert loading.load_files([path]).workflows
