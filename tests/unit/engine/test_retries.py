"""The workflow's `retry`: which errors, after what delay, and how it ends."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.engine import Driver, make_action, make_workflow, run
from varflow.contract import OutcomeStatus
from varflow.engine import retries
from varflow.engine.messages import DispatchAction, InstanceStatus
from varflow.language.workflow import Retry

Json = Any


def delays(**given: Json) -> list[float]:
    policy = Retry.model_validate(given)
    found: list[float] = []
    while (seconds := retries.delay(policy, len(found))) is not None:
        found.append(seconds)
    return found


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"exponential": {"attempts": 5, "multiplier": 2, "delay": "PT3S"}}, [6, 18, 54, 162, 486]),
        (
            {
                "constant": {"attempts": 2, "delay": "PT1S"},
                "exponential": {"attempts": 3, "multiplier": 1, "delay": "PT3S"},
            },
            [1, 1, 27, 81, 243],
        ),
        ({"constant": {"attempts": 2}}, [5, 5]),
        (
            {"exponential": {"attempts": 4, "delay": "PT10S", "maxDelay": "PT5M"}},
            [10, 100, 300, 300],
        ),
        ({"exponential": {"attempts": 2, "delay": "PT0.5S"}}, [0.5, 0.25]),
    ],
    ids=["exponential", "both", "constant", "capped", "less than a second"],
)
def test_delays(given: Json, expected: list[float]) -> None:
    assert delays(**given) == expected


def test_delays_never_exceed_the_longest_however_many_attempts_there_are() -> None:
    found = delays(exponential={"attempts": 3000, "multiplier": 2, "delay": "PT3S"})

    assert len(found) == 3000
    assert max(found) == found[-1] == 21600.0


def retried(action: Json | None = None, **retry: Json) -> Driver:
    states = make_action(**(action or {}))
    given = retry or {"constant": {"attempts": 1, "delay": "PT2S"}}
    return run(make_workflow(states, retry=given))


def test_an_action_without_retries_of_its_own_is_tried_again_as_the_workflow_says() -> None:
    driver = retried().fail_action()

    assert driver.timers["backing-off.1.0.0"] == 1002.0
    assert driver.fire("backing-off.1.0.0").finish_action("ok").end.output == {"return": "ok"}


def test_the_last_error_stays_as_it_is() -> None:
    driver = retried().fail_action().fire("backing-off.1.0.0").fail_action("my.error")

    assert driver.end.code == "my.error"
    assert len(driver.find(DispatchAction)) == 2


def test_an_actions_own_retries_count_alone() -> None:
    own = {"max_attempts": 3, "codes": ["other"]}

    assert retried({"retries": own}).fail_action().end.code == "oops"


def test_what_cannot_be_caught_is_not_tried_again() -> None:
    driver = retried().finish_action(status=OutcomeStatus.CRASHED).confirm()

    assert driver.end.status is InstanceStatus.CRASHED
