"""The whole instance: its timeouts, its cancel, its end, and the restart of its shell."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.engine import INSTANCE, Driver, make_action, make_workflow, run
from varflow.contract import Outcome, OutcomeStatus
from varflow.engine import advancing, stepping, timeouts
from varflow.engine.messages import (
    ActionFinished,
    DispatchAction,
    EnterState,
    Finish,
    GiveUp,
    InstanceStatus,
    ReadVariables,
    SetTimer,
    Started,
    StopTimer,
    TimerFired,
    WriteVariables,
)
from varflow.engine.timeouts import Limits
from varflow.errors import InvalidMessage
from varflow.language.workflow import Timeouts

DELAY = {"id": "d", "type": "delay", "duration": "PT50S"}
GETTER = {"id": "g", "type": "getter", "variables": [{"key": "x", "scope": "workflow"}]}
SETTER = {"id": "s", "type": "setter", "variables": [{"key": "x", "scope": "workflow", "value": 1}]}
SOFT = "direktiv.cancels.timeout.soft"
CATCH = {"catch": [{"error": SOFT, "transition": "h"}]}
HANDLER = {"id": "h", "type": "noop"}


# Timeouts


@pytest.mark.parametrize(
    ("interrupt", "kill", "limits"),
    [
        (None, None, Limits(interrupt=900, kill=1200)),
        (60, None, Limits(interrupt=60, kill=360)),
        (7200, None, Limits(interrupt=7200, kill=7500)),
        (None, 60, Limits(interrupt=None, kill=60)),
        (None, 3600, Limits(interrupt=900, kill=3600)),
        (60, 60, Limits(interrupt=None, kill=60)),
        (60, 70, Limits(interrupt=60, kill=70)),
    ],
)
def test_what_a_workflow_does_not_say_about_its_timeouts_is_filled_in(
    interrupt: float | None, kill: float | None, limits: Limits
) -> None:
    given = Timeouts.model_construct(interrupt=interrupt, kill=kill)

    assert timeouts.limits(given) == limits


def test_the_soft_timeout_is_an_error_of_the_state_it_meets() -> None:
    driver = run(make_workflow({**DELAY, **CATCH}, HANDLER, timeouts={"interrupt": "PT2S"})).fire()

    assert driver.states == ["d", "h"]
    assert driver.end.output["error"] == {"code": SOFT, "msg": "operation timed out"}


def test_the_soft_timeout_fails_an_instance_that_does_not_catch_it() -> None:
    end = run(make_workflow(DELAY, timeouts={"interrupt": "PT2S"})).fire().end

    assert (end.status, end.code, end.message) == ("failed", SOFT, "operation timed out")


def test_the_soft_timeout_waits_until_the_running_action_is_given_up() -> None:
    driver = run(make_workflow(make_action(state=CATCH), HANDLER, timeouts={"interrupt": "PT2S"}))
    driver.fire("interrupt")

    assert driver.new(GiveUp)
    assert driver.states == ["a"]
    assert driver.confirm().states == ["a", "h"]


def test_a_result_found_by_then_stands_in_the_store_but_the_state_has_its_error() -> None:
    driver = run(make_workflow(make_action(state=CATCH), HANDLER, timeouts={"interrupt": "PT2S"}))
    driver.fire("interrupt").finish_action("committed")

    assert driver.end.output["error"]["code"] == SOFT


def test_the_hard_timeout_ends_the_instance_whatever_it_catches() -> None:
    state = {**DELAY, "catch": [{"error": "*", "transition": "h"}]}
    driver = run(make_workflow(state, HANDLER, timeouts={"kill": "PT2S"})).fire()

    end = driver.end
    assert (end.status, end.code) == ("failed", "direktiv.cancels.timeout.hard")
    assert end.message == "workflow timed out"
    assert end.output is None


def test_the_hard_timeout_also_ends_an_instance_that_is_giving_up() -> None:
    limits = {"interrupt": "PT2S", "kill": "PT3S"}
    driver = run(make_workflow(make_action(), timeouts=limits)).fire("interrupt").fire("kill")
    assert not driver.is_over

    assert driver.confirm().end.code == "direktiv.cancels.timeout.hard"


def test_the_soft_timeout_comes_once() -> None:
    states = ({**DELAY, **CATCH}, {**DELAY, "id": "h", "duration": "PT20S"})
    driver = run(make_workflow(*states, timeouts={"interrupt": "PT2S"})).fire()

    assert "interrupt" not in driver.timers
    assert driver.fire().end.status is InstanceStatus.COMPLETE


# Cancel


@pytest.mark.parametrize("state", [DELAY, GETTER], ids=["delay", "getter"])
def test_a_cancel_ends_at_once_what_cannot_commit(state: dict[str, Any]) -> None:
    end = run(make_workflow(state), {"a": 1}).cancel().end

    assert (end.status, end.code) == ("cancelled", "direktiv.cancels.api")
    assert end.message == "cancelled by api request"
    assert end.output is None


@pytest.mark.parametrize("state", [make_action(), SETTER], ids=["action", "setter"])
def test_a_cancel_gives_up_first_what_may_commit(state: dict[str, Any]) -> None:
    driver = run(make_workflow(state)).cancel()
    assert driver.new(GiveUp)
    assert not driver.is_over
    assert list(driver.timers) == ["giving-up.1.0.0"]

    assert driver.confirm().end.status is InstanceStatus.CANCELLED


def test_a_cancelled_instance_stays_cancelled_when_its_action_had_committed() -> None:
    driver = run(make_workflow(make_action(), HANDLER)).cancel().finish_action("committed")

    assert driver.end.status is InstanceStatus.CANCELLED
    assert driver.states == ["a"]


@pytest.mark.parametrize("answer", ["written", "finished"])
def test_a_given_up_write_that_had_committed_may_be_reported_either_way(answer: str) -> None:
    driver = run(make_workflow(SETTER)).cancel()
    if answer == "written":
        driver.written()
    else:
        request = driver.last(GiveUp).action_id
        outcome = Outcome(status=OutcomeStatus.COMPLETE)
        driver.send(ActionFinished(at=driver.at, action_id=request, outcome=outcome))

    assert driver.end.status is InstanceStatus.CANCELLED


def test_a_write_whose_fate_is_unknown_is_given_up_before_it_is_an_error() -> None:
    driver = run(make_workflow({**SETTER, "catch": [{"error": "lost"}]}))
    driver.lose(driver.last(WriteVariables).request)
    assert driver.new(GiveUp)[0].decision == "1.0"

    assert driver.confirm().end.output["error"]["code"] == "lost"


def test_a_write_that_had_committed_after_all_goes_on() -> None:
    driver = run(make_workflow(SETTER, HANDLER))
    driver.lose(driver.last(WriteVariables).request)

    assert driver.written().states == ["s", "h"]


def test_while_it_waits_for_another_attempt_a_cancel_has_nothing_to_give_up() -> None:
    action = make_action(retries={"max_attempts": 1, "codes": ["*"]})
    driver = run(make_workflow(action)).fail_action().cancel()

    assert driver.end.status is InstanceStatus.CANCELLED
    assert not driver.find(GiveUp)


def test_an_instance_can_be_cancelled_before_it_starts() -> None:
    driver = Driver(make_workflow(DELAY)).cancel()
    assert driver.end.status is InstanceStatus.CANCELLED

    driver.start()
    assert not driver.news


# The end


def test_at_the_end_all_timers_are_stopped() -> None:
    driver = run(make_workflow(make_action())).finish_action()

    assert {it.timer for it in driver.find(StopTimer)} == {it.timer for it in driver.find(SetTimer)}
    assert isinstance(driver.commands[-1], Finish)


def test_after_the_end_nothing_happens_any_more() -> None:
    driver = run(make_workflow(make_action())).finish_action()
    before = driver.snapshot

    for late in (driver.finish_action, driver.cancel, driver.start):
        assert late().snapshot is before
        assert not driver.news


def test_an_instance_starts_once() -> None:
    driver = run(make_workflow(DELAY))
    before = driver.snapshot

    assert driver.start().snapshot is before


# Loops


LOOP = (
    {"id": "i", "type": "noop", "transform": "jq(.i += 1)", "transition": "c"},
    {
        "id": "c",
        "type": "switch",
        "conditions": [{"condition": "jq(.i < .n)", "transition": "i"}],
    },
)


def test_a_long_loop_runs_in_turns_of_a_bounded_size() -> None:
    driver = run(make_workflow(*LOOP), {"i": 0, "n": 5000})
    turns = 1
    while not driver.is_over:
        assert list(driver.timers) == ["interrupt", "kill", "go-on"]
        assert len(driver.new(EnterState)) == stepping.STATES_PER_TURN
        driver.commands.clear()
        driver.fire("go-on")
        turns += 1

    assert turns == 10
    assert driver.end.output == {"i": 5000, "n": 5000}


def test_a_loop_without_end_can_be_cancelled_and_times_out() -> None:
    endless = make_workflow({"id": "n", "type": "noop", "transition": "n"})

    assert run(endless).cancel().end.status is InstanceStatus.CANCELLED
    assert run(endless).fire("go-on").fire("interrupt").end.code == SOFT


def test_a_loop_that_is_interrupted_goes_on_in_the_catch() -> None:
    endless = make_workflow({"id": "n", "type": "noop", "transition": "n", **CATCH}, HANDLER)
    driver = run(endless).fire("interrupt")

    assert driver.states[-1] == "h"
    assert driver.end.status is InstanceStatus.COMPLETE


def test_a_state_that_is_entered_again_makes_new_names() -> None:
    action = make_action(state={"transition": "a"})
    driver = run(make_workflow(action)).finish_action()

    first, second = driver.find(DispatchAction)
    assert first.action_id != second.action_id
    assert (first.decision, second.decision) == ("1.0", "2.0")


# Restarts of the shell


@pytest.mark.parametrize(
    ("state", "kind"),
    [(make_action(), DispatchAction), (GETTER, ReadVariables), (SETTER, WriteVariables)],
    ids=["action", "getter", "setter"],
)
def test_what_runs_is_issued_again_exactly_as_it_was(
    state: dict[str, Any], kind: type[DispatchAction | ReadVariables | WriteVariables]
) -> None:
    driver = run(make_workflow(state), {"a": 1})
    [before] = driver.new(kind)
    driver.resume()

    assert driver.new(kind) == [before]
    assert {it.timer for it in driver.new(SetTimer)} == set(driver.timers)


def test_after_a_long_outage_an_answer_still_has_time_to_be_fetched() -> None:
    driver = run(make_workflow(make_action(timeout="PT60S"), timeouts={"interrupt": "PT1H"}))
    driver.at += 600
    driver.resume()

    assert driver.last(DispatchAction).deadline == 1060.0
    assert driver.timers["running.1.0.0"] == driver.at + 15
    assert len([it for it in driver.new(SetTimer) if it.timer == "running.1.0.0"]) == 1


def test_a_giving_up_is_asked_for_again() -> None:
    driver = run(make_workflow(make_action())).cancel()
    driver.at += 600
    driver.resume()

    assert len(driver.new(GiveUp)) == 1
    assert driver.timers == {"giving-up.1.0.0": driver.at + 30}


def test_a_wait_for_another_attempt_goes_on_to_its_time() -> None:
    action = make_action(retries={"max_attempts": 1, "codes": ["*"]})
    driver = run(make_workflow(action)).fail_action().resume()

    assert not driver.new(DispatchAction)
    assert driver.new(SetTimer)[-1] == SetTimer(timer="backing-off.1.0.0", at=1005.0)


def test_an_end_that_was_kept_but_not_carried_out_is_told_again() -> None:
    driver = run(make_workflow(HANDLER), {"a": 1})
    before = driver.end

    assert driver.resume().news == [before]


def test_an_instance_that_has_not_started_resumes_without_commands() -> None:
    assert Driver(make_workflow(DELAY)).resume().news == []


def test_an_input_that_can_no_longer_be_evaluated_gives_the_action_up() -> None:
    action = make_action(input='jq(.secrets.s | if . == "" then error("gone") else . end)')
    action["action"]["secrets"] = ["s"]
    driver = Driver(make_workflow(action), secrets={"s": "x"}).start()
    driver.secrets["s"] = ""
    driver.resume()
    assert driver.new(GiveUp)

    assert driver.confirm().end.code == "direktiv.jq.badCommand"


def test_the_engine_refuses_a_snapshot_of_another_workflow() -> None:
    driver = run(make_workflow(DELAY))
    other = make_workflow(HANDLER)

    event = TimerFired(at=2000.0, timer="running.1.0.0")
    with pytest.raises(
        InvalidMessage, match="has no state 'd'; the checkpoint is of another revision"
    ):
        next(advancing.advance(other, driver.snapshot, event))


def test_the_engine_does_not_change_what_it_is_given() -> None:
    data = {"a": {"b": [1]}, "var": {"x": 1}}
    driver = Driver(make_workflow({**HANDLER, "transform": "jq(.a.b = 2)"}, GETTER))
    driver.send(Started(at=0.0, input=data)).read(5)

    assert data == {"a": {"b": [1]}, "var": {"x": 1}}
    assert driver.snapshot.instance == INSTANCE
