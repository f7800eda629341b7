"""What ends an instance early, or keeps it from starting: the input's schema, and `stopIf`."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.engine import make_workflow, run
from varflow.engine.messages import EnterState, InstanceStatus

Json = Any
SCHEMA = {
    "type": "object",
    "required": ["name"],
    "properties": {"count": {"type": "integer"}, "name": {"type": "string"}},
}
NOOP = {"id": "a", "type": "noop"}


def test_an_input_that_is_not_valid_fails_with_all_its_errors_before_the_first_state() -> None:
    driver = run(make_workflow(NOOP, input={"schema": SCHEMA}), {"count": "many"})

    assert driver.end.status is InstanceStatus.FAILED
    assert driver.end.code == "direktiv.schema.failed"
    assert driver.end.message == (
        'the input is not valid: "name" is a required property; '
        'count: "many" is not of type "integer"'
    )
    assert driver.end.output is None
    assert not driver.find(EnterState)
    assert not driver.timers


def test_a_valid_input_is_the_first_data() -> None:
    given = {"name": "x", "count": 1}

    assert run(make_workflow(NOOP, input={"schema": SCHEMA}), given).end.output == given


def test_an_input_that_is_no_object_is_checked_as_the_workflow_sees_it() -> None:
    schema = {"properties": {"input": {"type": "integer"}}}
    workflow = make_workflow(NOOP, input={"schema": schema})

    assert run(workflow, 5).end.output == {"input": 5}
    assert run(workflow, "five").end.code == "direktiv.schema.failed"


@pytest.mark.parametrize(
    ("number", "states", "output"),
    [(123, ["a", "b"], {"n": 246, "b": True}), (-123, ["a"], {"n": -246})],
    ids=["false", "true"],
)
def test_stop_if_is_asked_of_the_new_data(number: int, states: list[str], output: Json) -> None:
    first = {
        "id": "a",
        "type": "noop",
        "transform": {"n": "jq(.n * 2)"},
        "stopIf": "jq(.n < 0)",
        "transition": "b",
    }
    last = {"id": "b", "type": "noop", "transform": "jq(. + {b: true})"}

    driver = run(make_workflow(first, last), {"n": number})

    assert driver.states == states
    assert driver.end.output == output
    assert driver.end.status is InstanceStatus.COMPLETE


def test_stop_if_ends_as_failed_after_an_error_state() -> None:
    error = {"id": "e", "type": "error", "error": "x", "message": "m", "stopIf": "jq(true)"}

    driver = run(make_workflow({**error, "transition": "a"}, NOOP))

    assert driver.states == ["e"]
    assert driver.end.code == "x"


def test_an_error_of_stop_if_can_be_caught() -> None:
    first = {**NOOP, "stopIf": "jq(.x.y.z + [])", "catch": [{"error": "*", "transition": "b"}]}

    driver = run(make_workflow(first, {"id": "b", "type": "noop"}), {"x": 1})

    assert driver.states == ["a", "b"]
