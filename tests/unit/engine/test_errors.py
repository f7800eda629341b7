"""Errors in states: what is caught, what it leaves in the data, and how an instance ends by one."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.engine import END, make_action, make_workflow, run
from varflow.contract import OutcomeStatus
from varflow.engine import faults
from varflow.engine.messages import InstanceStatus, Log, LogLevel
from varflow.engine.states.error import format_message
from varflow.language import patterns

HANDLER = {"id": "h", "type": "noop"}


def test_a_caught_error_goes_to_the_transition_without_the_transform() -> None:
    action = make_action(
        state={"catch": [{"error": "oops", "transition": "h"}], "transform": {"lost": True}}
    )
    driver = run(make_workflow({**action, "transition": END}, HANDLER), {"a": 1}).fail_action()

    assert driver.states == ["a", "h"]
    assert driver.end.status is InstanceStatus.COMPLETE
    assert driver.end.output == {"a": 1, "error": {"code": "oops", "msg": "broken"}}


def test_a_catch_without_a_transition_ends_the_instance_as_complete() -> None:
    driver = run(make_workflow(make_action(state={"catch": [{"error": "*"}]}))).fail_action()

    assert driver.end.status is InstanceStatus.COMPLETE
    assert driver.find(Log) == [Log(level=LogLevel.WARNING, text="caught oops: broken", state="a")]


def test_the_first_catch_that_takes_the_error_counts() -> None:
    catches = [
        {"error": "other", "transition": "h"},
        {"error": "oo*", "transition": "i"},
        {"error": "*", "transition": "h"},
    ]
    driver = run(
        make_workflow(make_action(state={"catch": catches}), HANDLER, {**HANDLER, "id": "i"})
    ).fail_action()

    assert driver.states == ["a", "i"]


def test_an_error_that_nothing_catches_fails_the_instance() -> None:
    driver = run(make_workflow(make_action(state={"catch": [{"error": "x"}]}))).fail_action()

    end = driver.end
    assert (end.status, end.code, end.message, end.output) == ("failed", "oops", "broken", None)
    assert driver.find(Log) == [Log(level=LogLevel.ERROR, text="oops: broken", state="a")]


def test_an_action_that_crashed_is_not_caught() -> None:
    driver = run(make_workflow(make_action(state={"catch": [{"error": "*"}]})))
    driver.finish_action(status=OutcomeStatus.CRASHED, code="ignored", message="hidden").confirm()

    end = driver.end
    assert (end.status, end.code, end.message) == ("crashed", "direktiv.internal.error", "hidden")


def test_a_failure_without_a_code_gets_the_usual_one() -> None:
    assert run(make_workflow(make_action())).fail_action(code="").end.code == "container failed"


@pytest.mark.parametrize(
    "field",
    [{"log": "jq(.x.y)"}, {"metadata": "jq(1, 2)"}, {"transform": "jq(empty)"}],
    ids=["null in a log", "several results", "no result"],
)
def test_an_expression_that_fails_is_caught_with_its_code(field: dict[str, Any]) -> None:
    state = {"id": "n", "type": "noop", **field}
    catch = {"catch": [{"error": "direktiv.jq.badCommand", "transition": "h"}]}

    assert run(make_workflow(state)).end.code == "direktiv.jq.badCommand"
    assert run(make_workflow({**state, **catch}, HANDLER)).states == ["n", "h"]


def test_when_the_transform_fails_a_catch_still_finds_the_answer() -> None:
    action = make_action(state={"transform": "jq(.nothing)", "catch": [{"error": "*"}]})
    driver = run(make_workflow(action)).finish_action(5)

    assert driver.end.output["return"] == 5


def test_an_error_stays_in_the_data_until_the_next_one() -> None:
    first = make_action(state={"catch": [{"error": "*", "transition": "b"}]})
    second = make_action("b", state={"catch": [{"error": "*"}]})
    driver = run(make_workflow(first, second)).fail_action("one").fail_action("two", "")

    assert driver.end.output["error"] == {"code": "two", "msg": ""}


def test_an_input_that_cannot_be_evaluated_sends_nothing() -> None:
    driver = run(make_workflow(make_action(input="jq(.missing)")))

    assert driver.end.code == "direktiv.jq.badCommand"
    assert not driver.timers


@pytest.mark.parametrize(
    ("pattern", "code", "is_match"),
    [
        ("a.b", "a.b", True),
        ("a.b", "xa.bx", False),
        ("a.b", "aXb", False),
        ("*", "container failed", True),
        ("*", "", True),
        (".*", "oops", True),
        ("direktiv.schema.*", "direktiv.schema.failed", True),
        ("direktiv.?q.*", "direktiv.jq.badCommand", True),
        ("A", "a", False),
        ("[a]", "a", False),
        ("[a]", "[a]", True),
    ],
)
def test_patterns_are_globs_over_the_whole_code(pattern: str, code: str, is_match: bool) -> None:
    assert patterns.is_match([pattern], code) is is_match


@pytest.mark.parametrize(
    "code",
    ["direktiv.internal.error", "direktiv.cancels.timeout.hard", "direktiv.secrets.notFound"],
)
def test_some_codes_are_never_caught(code: str) -> None:
    assert not faults.make_fault(code, "", is_catchable=True).is_catchable


@pytest.mark.parametrize(
    ("template", "args", "message"),
    [
        ("plain", [], "plain"),
        ("%s is %v", ["a", {"b": [1]}], 'a is {"b":[1]}'),
        ("%d/%d", [3, 4.0], "3/4"),
        ("%5.2f|%-5s|%05d", [1.234, "x", 7], " 1.23|x    |00007"),
        ("%d", ["many"], "many"),
        ("%d", [1.5], "1.5"),
        ("%d %t", [True, False], "true false"),
        ("%q %x", ["a", 255], '"a" ff'),
        ("100% sure, 5%, %z %", [1], "100% sure, 5%, %z %"),
        ("50%% of %s", ["it"], "50% of it"),
        ("%s %s", ["one"], "one %s"),
        ("%s", ["one", "more"], "one"),
        ("%s", ["%s"], "%s"),
        ("%999999999d", [1], "%999999999d"),
    ],
)
def test_arguments_are_put_into_an_error_message_safely(
    template: str, args: list[Any], message: str
) -> None:
    assert format_message(template, args) == message
