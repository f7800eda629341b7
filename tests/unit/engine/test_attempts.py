"""One action: its attempts, its deadline, its retries, and when it is given up."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.engine import Driver, make_action, make_workflow, run
from varflow.contract import Outcome, OutcomeStatus
from varflow.engine.messages import (
    ActionFinished,
    ActionGivenUp,
    DispatchAction,
    GiveUp,
    InstanceStatus,
    TimerFired,
)

RETRIES = {"max_attempts": 2, "codes": ["oo*"], "delay": "PT2S", "multiplier": 3}


def retried(**retries: Any) -> Driver:
    return run(make_workflow(make_action(retries={**RETRIES, **retries}, timeout="PT60S")))


# Retries


def test_a_failure_that_retries_name_is_tried_again_after_a_growing_delay() -> None:
    driver = retried()

    driver.fail_action()
    assert driver.timers["backing-off.1.0.0"] == 1002.0
    assert not driver.new(DispatchAction)

    driver.fire("backing-off.1.0.0").fail_action()
    assert driver.timers["backing-off.1.0.1"] == 1008.0

    driver.fire("backing-off.1.0.1").finish_action("done")
    assert driver.end.output == {"return": "done"}


def test_every_attempt_has_its_own_id_and_deadline_and_the_same_decision_and_key() -> None:
    driver = retried().fail_action().fire("backing-off.1.0.0")

    first, second = driver.find(DispatchAction)
    assert first.action_id != second.action_id
    assert (first.decision, first.idempotency_key) == (second.decision, second.idempotency_key)
    assert (first.attempt, second.attempt) == (0, 1)
    assert (first.deadline, second.deadline) == (1060.0, 1062.0)


def test_when_the_attempts_are_used_up_the_error_says_so_and_names_the_last() -> None:
    driver = retried(max_attempts=1).fail_action().fire("backing-off.1.0.0").fail_action()

    end = driver.end
    assert end.code == "direktiv.retries.exceeded"
    assert end.message == "gave up after 2 attempts; the last: oops: broken"
    assert not driver.find(GiveUp)


def test_a_failure_that_retries_do_not_name_is_not_tried_again() -> None:
    assert retried().fail_action("other").end.code == "other"


def test_a_crash_is_not_tried_again() -> None:
    driver = retried(codes=["*"]).finish_action(status=OutcomeStatus.CRASHED).confirm()

    assert driver.end.status is InstanceStatus.CRASHED


def test_a_delay_beyond_all_bounds_is_still_a_time() -> None:
    driver = retried(delay="P1Y", multiplier=1000, max_attempts=500).fail_action()
    for attempt in range(200):
        assert driver.timers[f"backing-off.1.0.{attempt}"] <= driver.at + 10 * 365 * 86400
        driver.fire(f"backing-off.1.0.{attempt}").fail_action()


def test_an_input_that_fails_in_a_later_attempt_is_the_states_error() -> None:
    action = make_action(
        retries=RETRIES,
        secrets=["s"],
        input='jq(if .secrets.s == "" then error("gone") else 1 end)',
        state={"catch": [{"error": "direktiv.jq.*"}]},
    )
    driver = Driver(make_workflow(action), secrets={"s": "x"}).start().fail_action()
    driver.secrets["s"] = ""
    driver.fire("backing-off.1.0.0")

    assert driver.end.status is InstanceStatus.COMPLETE
    assert len(driver.find(DispatchAction)) == 1


# Deadlines


@pytest.mark.parametrize(
    ("timeout", "kill", "deadline"),
    [(None, None, 1900.0), ("PT1H", None, 2200.0), ("PT30S", None, 1030.0), (None, "PT5S", 1005.0)],
    ids=[
        "15 minutes if it says nothing",
        "never after the instance",
        "its own",
        "a short instance",
    ],
)
def test_an_action_has_a_deadline(timeout: str | None, kill: str | None, deadline: float) -> None:
    timeouts = {"timeouts": {"kill": kill}} if kill else {}
    driver = run(make_workflow(make_action(timeout=timeout), **timeouts))

    assert driver.last(DispatchAction).deadline == deadline


def test_a_timeout_that_the_sidecar_reports_is_given_up_before_it_is_an_error() -> None:
    driver = run(make_workflow(make_action(timeout="PT60S", state={"catch": [{"error": "*"}]})))
    driver.fail_action("direktiv.cancels.timeout.soft", "the function did not answer in time")

    assert driver.new(GiveUp) == [
        GiveUp(action_id=driver.last(DispatchAction).action_id, decision="1.0")
    ]
    driver.confirm()
    assert driver.end.output["error"]["code"] == "direktiv.cancels.timeout.soft"


def test_without_a_report_the_engines_timer_gives_the_action_up() -> None:
    driver = run(make_workflow(make_action(timeout="PT60S")))
    assert driver.timers["running.1.0.0"] == 1075.0

    driver.fire("running.1.0.0")
    assert driver.new(GiveUp)
    assert not driver.is_over

    driver.confirm()
    assert (driver.end.status, driver.end.code) == ("failed", "direktiv.cancels.timeout.soft")


@pytest.mark.parametrize("is_found", [True, False], ids=["found", "answered after all"])
def test_a_result_that_had_committed_stands(is_found: bool) -> None:
    driver = run(make_workflow(make_action(timeout="PT60S"))).fire("running.1.0.0")
    late = Outcome(status=OutcomeStatus.COMPLETE, output="late")
    driver = driver.confirm(late) if is_found else driver.finish_action("late")

    assert driver.end.output == {"return": "late"}


@pytest.mark.parametrize("status", [it for it in OutcomeStatus if it is not OutcomeStatus.COMPLETE])
def test_while_giving_up_another_end_of_the_attempt_says_nothing(status: OutcomeStatus) -> None:
    driver = run(make_workflow(make_action(timeout="PT60S"))).fire("running.1.0.0")
    before = driver.snapshot

    driver.finish_action(status=status, code="x")
    assert driver.snapshot == before
    assert not driver.news


def test_a_giving_up_that_nobody_confirms_ends_with_a_warning() -> None:
    driver = run(make_workflow(make_action(timeout="PT60S"))).fire("running.1.0.0")
    assert driver.timers["giving-up.1.0.0"] == driver.at + 30

    driver.fire("giving-up.1.0.0")
    assert driver.end.code == "direktiv.cancels.timeout.soft"
    assert "could not confirm" in driver.logs[0]


def test_a_failure_of_the_dispatch_does_not_count_as_one_of_its_giving_up() -> None:
    driver = run(make_workflow(make_action(timeout="PT60S"))).fire("running.1.0.0")
    before = driver.snapshot

    assert driver.lose(driver.last(DispatchAction).action_id).snapshot == before
    assert not driver.news


# Doubt


def test_a_timeout_can_be_retried_and_nothing_is_given_up_in_between() -> None:
    driver = retried(codes=["direktiv.cancels.timeout.soft"]).fire("running.1.0.0")

    assert not driver.find(GiveUp)
    assert driver.fire("backing-off.1.0.0").new(DispatchAction)


def test_after_a_doubtful_attempt_a_success_is_sealed_before_the_instance_goes_on() -> None:
    driver = retried(codes=["direktiv.*"]).fire("running.1.0.0").fire("backing-off.1.0.0")
    driver.finish_action(1, warnings=("w",))
    assert driver.new(GiveUp)
    before = driver.snapshot

    assert driver.finish_action(1, warnings=("w",)).snapshot == before
    assert not driver.news
    assert driver.confirm().end.output == {"return": 1}


def test_what_an_earlier_attempt_had_committed_stands_over_a_later_success() -> None:
    driver = retried(codes=["direktiv.*"]).fire("running.1.0.0").fire("backing-off.1.0.0")
    driver.finish_action("second").confirm(Outcome(status=OutcomeStatus.COMPLETE, output="first"))

    assert driver.end.output == {"return": "first"}


def test_a_success_that_comes_while_giving_up_waits_for_the_rivals() -> None:
    driver = retried(codes=["direktiv.*"], max_attempts=1)
    driver.fire("running.1.0.0").fire("backing-off.1.0.0").fire("running.1.0.1")
    assert driver.finish_action("late").find(GiveUp)
    assert not driver.is_over

    assert driver.confirm().end.output == {"return": "late"}


def test_after_a_doubtful_attempt_a_plain_failure_gives_up_as_well() -> None:
    driver = retried(codes=["direktiv.*"]).fire("running.1.0.0").fire("backing-off.1.0.0")
    driver.fail_action("final")

    assert driver.new(GiveUp)
    assert driver.confirm().end.code == "final"


def test_an_answer_beside_which_another_may_come_is_sealed_first() -> None:
    driver = retried(codes=["other"]).finish_action("mine", has_rivals=True)

    assert driver.new(GiveUp)
    assert driver.confirm().end.output == {"return": "mine"}


def test_what_the_rival_of_an_answer_had_committed_stands() -> None:
    driver = retried(codes=["other"]).finish_action("mine", has_rivals=True)
    driver.confirm(Outcome(status=OutcomeStatus.COMPLETE, output="the rival's"))

    assert driver.end.output == {"return": "the rival's"}


def test_a_failure_beside_which_a_success_may_come_is_given_up_first() -> None:
    driver = retried(codes=["other"]).fail_action("oops", has_rivals=True)

    assert driver.new(GiveUp)
    assert driver.confirm().end.code == "oops"


def test_an_answer_of_a_lost_attempt_ends_the_wait_for_the_next() -> None:
    driver = retried(codes=["direktiv.*"]).fire("running.1.0.0").finish_action("late")

    assert driver.end.output == {"return": "late"}
    assert driver.timers == {}


@pytest.mark.parametrize(
    ("is_catchable", "code", "status"),
    [
        (True, "unreachable", InstanceStatus.FAILED),
        (False, "direktiv.internal.error", InstanceStatus.CRASHED),
        (False, "other", InstanceStatus.FAILED),
    ],
)
def test_a_dispatch_that_failed_is_given_up(
    is_catchable: bool, code: str, status: InstanceStatus
) -> None:
    driver = run(make_workflow(make_action()))
    driver.lose(driver.last(DispatchAction).action_id, code=code, is_catchable=is_catchable)
    driver.confirm()

    assert (driver.end.status, driver.end.code) == (status, code)


def test_an_action_that_somebody_else_cancelled_fails() -> None:
    driver = run(make_workflow(make_action())).finish_action(status=OutcomeStatus.CANCELLED)

    assert driver.confirm().end.code == "direktiv.cancels.api"


# Late and duplicate events


def test_events_of_earlier_attempts_change_nothing() -> None:
    driver = retried()
    first = driver.last(DispatchAction).action_id
    driver.fail_action().fire("backing-off.1.0.0")
    before = driver.snapshot

    complete = Outcome(status=OutcomeStatus.COMPLETE, output="stale")
    for event in (
        ActionFinished(at=2000.0, action_id=first, outcome=complete),
        ActionGivenUp(at=2000.0, action_id=first),
        TimerFired(at=2000.0, timer="running.1.0.0"),
        TimerFired(at=2000.0, timer="backing-off.1.0.0"),
        TimerFired(at=2000.0, timer="nonsense"),
    ):
        assert driver.send(event).snapshot is before
        assert not driver.news


def test_a_failure_that_is_reported_twice_counts_once() -> None:
    driver = retried().fail_action()
    before = driver.snapshot

    assert driver.fail_action().snapshot == before
    assert not driver.news
