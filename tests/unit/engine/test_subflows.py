"""Calling other workflows, and calling without waiting."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.engine import Driver, make_action, make_workflow, run
from varflow.engine.calls import MAX_DEPTH
from varflow.engine.messages import (
    DispatchAction,
    GiveUp,
    InstanceStatus,
    StartSubflow,
    StopSubflow,
)

Json = Any


def call(**given: Json) -> dict[str, Json]:
    state = make_action(input="jq(.)", **given)
    return {**state, "action": {**state["action"], "function": "sub"}}


def test_a_child_gets_the_input_and_its_output_is_the_answer() -> None:
    driver = run(make_workflow(call()), {"n": 1})

    started = driver.last(StartSubflow)
    assert (started.workflow, started.input, started.depth) == ("child", {"n": 1}, 1)
    assert driver.finish_child({"m": 2}).end.output == {"n": 1, "return": {"m": 2}}


@pytest.mark.parametrize("status", ["failed", "crashed", "cancelled"])
def test_whatever_ends_a_child_can_be_caught_by_its_code(status: str) -> None:
    catch = [{"error": "direktiv.cancels.timeout.hard", "transition": "n"}]
    workflow = make_workflow(call(state={"catch": catch}), {"id": "n", "type": "noop"})

    driver = run(workflow).finish_child(
        status=InstanceStatus(status), code="direktiv.cancels.timeout.hard", message="m"
    )

    assert driver.states == ["a", "n"]
    assert driver.end.output["error"] == {"code": "direktiv.cancels.timeout.hard", "msg": "m"}


def test_a_child_that_takes_too_long_has_ended_before_the_error_is_raised() -> None:
    driver = run(make_workflow(call(timeout="PT5S"))).fire()

    assert driver.new(StopSubflow)
    assert not driver.is_over
    driver.finish_child(status=InstanceStatus.CANCELLED)

    assert driver.end.code == "direktiv.cancels.timeout.soft"


def test_a_child_that_completes_while_it_is_stopped_counts() -> None:
    driver = run(make_workflow(call(timeout="PT5S"))).fire().finish_child("late")

    assert driver.end.output["return"] == "late"


@pytest.mark.parametrize("restarts", [False, True], ids=["in one go", "with restarts"])
def test_a_retry_is_another_child_that_starts_when_the_first_has_ended(restarts: bool) -> None:
    retries = {"max_attempts": 1, "codes": ["*"], "delay": "PT1S"}
    driver = run(make_workflow(call(timeout="PT5S", retries=retries)), restarts=restarts).fire()
    first = driver.last(StartSubflow)
    driver.finish_child(status=InstanceStatus.CANCELLED).fire()

    assert driver.last(StartSubflow).action_id != first.action_id
    assert driver.finish_child("second").end.output["return"] == "second"


def test_a_cancel_stops_the_child_first() -> None:
    driver = run(make_workflow(call())).cancel()
    assert not driver.is_over

    assert driver.finish_child(status=InstanceStatus.CANCELLED).end.status == "cancelled"


def test_a_restart_starts_the_same_child_again() -> None:
    driver = run(make_workflow(call()))
    started = driver.last(StartSubflow)

    assert driver.resume().new(StartSubflow) == [started]


def test_subflows_are_not_nested_without_end() -> None:
    driver = Driver(make_workflow(call())).start(depth=MAX_DEPTH)

    assert driver.end.code == "direktiv.limits.depth"
    assert not driver.find(StartSubflow)


# Without waiting


def test_an_asynchronous_action_is_left_as_soon_as_it_is_on_its_way() -> None:
    driver = run(make_workflow(make_action(state={"async": True})), {"return": "old"})
    assert driver.last(DispatchAction).is_detached

    assert driver.finish_action("ignored").end.output == {"return": "old"}


def test_that_an_asynchronous_action_fails_changes_nothing() -> None:
    driver = run(make_workflow(make_action(state={"async": True}))).fail_action()

    assert driver.end.status == "complete"


def test_a_subflow_can_be_asynchronous() -> None:
    driver = run(make_workflow(call(state={"async": True})))

    assert driver.last(StartSubflow).is_detached
    assert driver.finish_child().end.status == "complete"


RETRIES = {"max_attempts": 2, "codes": ["*"]}


def test_an_asynchronous_action_is_not_given_up_because_it_was_sent_twice() -> None:
    driver = run(make_workflow(make_action(retries=RETRIES, state={"async": True})))
    driver.lose(driver.last(DispatchAction).action_id).fire()

    assert driver.finish_action().end.status == "complete"
    assert not driver.find(GiveUp)
