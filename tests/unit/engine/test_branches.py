"""States with several branches: `parallel` and `foreach`, and how their answers are kept."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.engine import Driver, make_workflow, run
from varflow.contract import Outcome, OutcomeStatus
from varflow.engine import advancing
from varflow.engine.branches import PAGE_BYTES, WINDOW
from varflow.engine.messages import ActionFinished, DispatchAction, GiveUp, LoadData, StoreData
from varflow.engine.snapshots import Snapshot
from varflow.language.workflow import Workflow

Json = Any
ACTION = {"function": "fn", "input": "jq(.)"}


def parallel(*actions: dict[str, Json], mode: str = "and", **given: Json) -> dict[str, Json]:
    return {"id": "p", "type": "parallel", "mode": mode, "actions": list(actions), **given}


def foreach(array: Json = "jq(.list)", **given: Json) -> dict[str, Json]:
    return {"id": "f", "type": "foreach", "array": array, "action": ACTION, **given}


def committed(output: Json) -> Outcome:
    return Outcome(status=OutcomeStatus.COMPLETE, output=output)


def drain(driver: Driver) -> dict[str, Json]:
    """Answer every action with its input until the instance is over; return what was put aside."""
    data: dict[str, Json] = {}
    answered: set[str] = set()
    while not driver.is_over:
        waiting = [it for it in driver.commands if request_of(it) not in {"", *answered}]
        command = min(waiting, key=lambda it: isinstance(it, DispatchAction))
        answered.add(request_of(command))
        match command:
            case DispatchAction():
                driver.finish_action(command.input, branch=command.iterator)
            case StoreData():
                driver.store(data)
            case LoadData():
                driver.load(data)
            case _:
                raise AssertionError(command)
    return data


def request_of(command: object) -> str:
    return getattr(command, "action_id", "") or getattr(command, "request", "")


# parallel


def test_all_actions_are_sent_at_one_time_each_with_names_of_its_own() -> None:
    driver = run(make_workflow(parallel({**ACTION, "input": 1}, {**ACTION, "input": 2})))

    sent = driver.find(DispatchAction)
    assert [it.input for it in sent] == [1, 2]
    assert [it.iterator for it in sent] == [0, 1]
    assert len({it.action_id for it in sent}) == len({it.decision for it in sent}) == 2
    assert len({it.idempotency_key for it in sent}) == 2


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)], ids=["in order", "out of order"])
@pytest.mark.parametrize("restarts", [False, True], ids=["in one go", "with restarts"])
def test_the_answers_come_in_the_order_of_the_actions(
    order: tuple[int, ...], restarts: bool
) -> None:
    driver = run(make_workflow(parallel(ACTION, ACTION, ACTION)), restarts=restarts)

    for branch in order:
        driver.finish_action(f"answer {branch}", branch=branch)

    assert driver.end.output["return"] == ["answer 0", "answer 1", "answer 2"]


def test_with_and_the_first_error_is_the_states_and_the_rest_is_given_up_first() -> None:
    catch = [{"error": "oops", "transition": "n"}]
    workflow = make_workflow(parallel(ACTION, ACTION, catch=catch), {"id": "n", "type": "noop"})
    driver = run(workflow).fail_action(branch=1)

    given_up = driver.last(GiveUp)
    assert driver.states == ["p"]
    assert given_up.action_id == driver.find(DispatchAction)[0].action_id

    driver.confirm()

    assert driver.states == ["p", "n"]
    assert driver.end.output["error"] == {"code": "oops", "msg": "broken"}


def test_with_or_the_first_success_wins_once_the_others_cannot_commit() -> None:
    driver = run(make_workflow(parallel(ACTION, ACTION, mode="or"))).finish_action("b", branch=1)
    assert not driver.is_over

    driver.confirm()

    assert driver.end.output["return"] == [None, "b"]


def test_with_or_a_loser_that_had_committed_keeps_its_answer() -> None:
    driver = run(make_workflow(parallel(ACTION, ACTION, mode="or"))).finish_action("b", branch=1)

    driver.confirm(committed("a"))

    assert driver.end.output["return"] == ["a", "b"]


def test_with_or_a_failed_branch_is_no_error_while_others_may_succeed() -> None:
    driver = run(make_workflow(parallel(ACTION, ACTION, mode="or"))).fail_action(branch=0)
    assert not driver.is_over

    assert driver.finish_action("b", branch=1).end.output["return"] == [None, "b"]


def test_with_or_it_fails_when_all_have() -> None:
    driver = run(make_workflow(parallel(ACTION, ACTION, mode="or")))
    driver.fail_action(branch=0).fail_action(branch=1)

    assert driver.end.code == "direktiv.parallel.allFailed"
    assert "broken" in driver.end.message


def test_each_action_is_retried_by_itself() -> None:
    retried = {**ACTION, "retries": {"max_attempts": 1, "codes": ["*"], "delay": "PT1S"}}
    driver = run(make_workflow(parallel(retried, ACTION)))
    driver.fail_action(branch=0).finish_action("b", branch=1)
    assert not driver.is_over

    driver.fire().finish_action("a", branch=0)

    assert driver.end.output["return"] == ["a", "b"]


def test_an_input_that_cannot_be_evaluated_gives_the_sent_ones_up() -> None:
    driver = run(make_workflow(parallel(ACTION, {**ACTION, "input": "jq(.none)"})))
    assert not driver.is_over

    driver.confirm()

    assert driver.end.code == "direktiv.jq.badCommand"


# foreach


def test_every_element_is_an_actions_data() -> None:
    driver = run(make_workflow(foreach()), {"list": [{"n": 1}, {"n": 2}], "other": True})
    assert [it.input for it in driver.find(DispatchAction)] == [{"n": 1}, {"n": 2}]

    drain(driver)

    assert driver.end.output["return"] == [{"n": 1}, {"n": 2}]


def test_an_element_may_be_any_value() -> None:
    elements = [1, "two", [3], None, {"four": 4}]
    workflow = make_workflow(foreach(action={"function": "fn"}))
    driver = run(workflow, {"list": elements})

    assert [it.input for it in driver.find(DispatchAction)] == elements


def test_an_empty_array_is_done_at_once() -> None:
    assert run(make_workflow(foreach()), {"list": []}).end.output["return"] == []


@pytest.mark.parametrize("value", [{"a": 1}, "text", 5], ids=["an object", "a text", "a number"])
def test_anything_but_an_array_is_an_error(value: Json) -> None:
    assert run(make_workflow(foreach()), {"list": value}).end.code == "direktiv.foreach.badArray"


def test_only_so_many_elements_are_out_at_one_time() -> None:
    driver = run(make_workflow(foreach()), {"list": list(range(3 * WINDOW))})
    assert len(driver.find(DispatchAction)) == WINDOW

    for branch in range(WINDOW // 2):
        driver.finish_action(branch, branch=branch)

    assert len(driver.find(DispatchAction)) == WINDOW + WINDOW // 2


@pytest.mark.parametrize("restarts", [False, True], ids=["in one go", "with restarts"])
def test_many_answers_are_put_aside_and_come_back_in_order(restarts: bool) -> None:
    elements = [{"n": n, "text": "x" * 1000} for n in range(60)]
    driver = run(make_workflow(foreach()), {"list": elements}, restarts=restarts)

    data = drain(driver)

    assert len(data) > 2
    assert driver.end.output["return"] == elements


def test_a_snapshot_stays_small_however_many_elements_there_are() -> None:
    driver = run(make_workflow(foreach("jq([range(2000)])")))
    data: dict[str, Json] = {}
    largest = stored = 0
    for branch in range(1999):
        driver.finish_action("y" * 100, branch=branch)
        largest = max(largest, len(driver.snapshot.encode()))
        if len(driver.find(StoreData)) > stored:
            stored += 1
            driver.store(data)

    assert largest < 64 * 1024


def test_answers_that_are_being_put_aside_are_not_lost_by_a_restart() -> None:
    driver = run(make_workflow(foreach()), {"list": [1, 2, 3]})
    driver.finish_action("z" * PAGE_BYTES, branch=0)
    first = driver.last(StoreData)

    driver.resume()

    assert driver.last(StoreData) == first
    data: dict[str, Json] = {}
    driver.store(data).finish_action("b", branch=1).finish_action("c", branch=2).load(data)
    assert driver.end.output["return"] == ["z" * PAGE_BYTES, "b", "c"]


@pytest.mark.parametrize("kind", [StoreData, LoadData], ids=["storing", "loading"])
def test_answers_that_cannot_be_put_aside_or_brought_back_fail_the_state(
    kind: type[StoreData | LoadData],
) -> None:
    driver = run(make_workflow(foreach()), {"list": [1, 2]})
    driver.finish_action("z" * PAGE_BYTES, branch=0)
    if kind is LoadData:
        driver.store({})
        driver.finish_action("b", branch=1)

    driver.lose(driver.last(kind).request, code="store_error")
    if not driver.is_over:
        driver.confirm()

    assert driver.end.code == "store_error"


def test_the_first_error_of_an_element_ends_the_state() -> None:
    driver = run(make_workflow(foreach()), {"list": [1, 2]}).fail_action("bad", branch=1).confirm()

    assert driver.end.code == "bad"


# validate


def test_valid_data_goes_on() -> None:
    schema = {"type": "object", "required": ["name"]}
    workflow = make_workflow({"id": "v", "type": "validate", "schema": schema})

    assert run(workflow, {"name": "x"}).end.status == "complete"


def test_every_error_is_told_with_its_place() -> None:
    schema = {"properties": {"a": {"type": "string"}, "b": {"properties": {"c": {"minimum": 5}}}}}
    workflow = make_workflow(
        {"id": "v", "type": "validate", "subject": "jq(.it)", "schema": schema}
    )
    driver = run(workflow, {"it": {"a": 1, "b": {"c": 2}}})

    assert driver.end.code == "direktiv.schema.failed"
    assert driver.end.message == (
        'a: 1 is not of type "string"; b.c: 2 is less than the minimum of 5'
    )


# Fewer at one time, and going on after failures


@pytest.mark.parametrize("parallelism", [1, 2, 7])
def test_no_more_elements_are_open_than_asked_for_and_the_answers_keep_their_order(
    parallelism: int,
) -> None:
    driver = run(make_workflow(foreach(parallelism=parallelism)), {"list": list(range(20))})
    most = 0

    while not driver.is_over:
        open_branches = [effect.branch for effect in driver.snapshot.effects]
        most = max(most, len(open_branches))
        branch = open_branches[-1]
        driver.finish_action(branch, branch=branch)

    assert most == parallelism
    assert driver.end.output["return"] == list(range(20))


def test_a_failure_that_is_skipped_is_the_elements_answer() -> None:
    driver = run(make_workflow(foreach(skipFailures=True)), {"list": [0, 1, 2]})

    driver.finish_action("a", branch=0).fail_action("my.error", branch=1)
    driver.finish_action("c", branch=2)

    failed = {"error": {"code": "my.error", "msg": "broken"}}
    assert driver.end.output["return"] == ["a", failed, "c"]
    assert any("element 1: my.error: broken" in line for line in driver.logs)


def test_a_crash_is_not_skipped() -> None:
    driver = run(make_workflow(foreach(skipFailures=True)), {"list": [0]})

    driver.finish_action(status=OutcomeStatus.CRASHED).confirm()

    assert driver.end.code == "direktiv.internal.error"


def asked(workflow: Workflow, snapshot: Snapshot, branch: int) -> list[Json]:
    """Return what the engine asks to be evaluated when a branch is done, and answer none of it."""
    effect = next(it for it in snapshot.effects if it.branch == branch)
    event = ActionFinished(at=1000.0, action_id=effect.id, outcome=committed(1))
    return [question.data for question in advancing.advance(workflow, snapshot, event)]


def test_the_array_of_a_loop_is_evaluated_once_and_once_more_after_a_restart() -> None:
    workflow, data = make_workflow(foreach(parallelism=1)), {"list": ["a", "b"]}
    snapshot = run(workflow, data).snapshot

    assert asked(workflow, snapshot, 0) == ["b"]
    assert asked(workflow, Snapshot.decode(snapshot.encode()), 0)[0] == data


def test_nothing_is_put_aside_for_a_state_that_is_left() -> None:
    driver = run(make_workflow(foreach()), {"list": [1]}).finish_action("x" * PAGE_BYTES)

    assert driver.end.status == "complete"
    assert not driver.find(StoreData)
