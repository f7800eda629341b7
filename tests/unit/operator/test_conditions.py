"""Conditions: what kubectl, Helm and GitOps tools conclude from them."""

from __future__ import annotations

from typing import Any

import pytest

from varflow_operator import conditions
from varflow_operator.conditions import Condition
from varflow_operator.names import Reason

THEN, NOW = 1_700_000_000.0, 1_700_000_100.9
EARLIER, LATER = "2023-11-14T22:13:20Z", "2023-11-14T22:15:00Z"


def merged(*wanted: Condition, previous: Any = (), generation: int = 1) -> list[dict[str, Any]]:
    return conditions.merge(previous, wanted, generation=generation, now=NOW)


def kstatus(obj: dict[str, Any]) -> str:
    """The rule by which kstatus judges objects that it knows nothing about."""
    status = obj["status"]
    found = {it["type"]: it["status"] for it in status["conditions"]}
    if status["observedGeneration"] != obj["metadata"]["generation"]:
        return "InProgress"
    if found.get("Reconciling") == "True":
        return "InProgress"
    if found.get("Stalled") == "True":
        return "Failed"
    return "InProgress" if found.get("Ready") in {"False", "Unknown"} else "Current"


@pytest.mark.parametrize(
    ("wanted", "verdict"),
    [
        (conditions.ready(Reason.ACCEPTED), "Current"),
        (conditions.working(Reason.STORE_UNAVAILABLE, "away"), "InProgress"),
        (conditions.stalled(Reason.INVALID_SPEC, "wrong"), "Failed"),
    ],
    ids=["ready", "working", "stalled"],
)
def test_kstatus_reads_what_is_meant(wanted: tuple[Condition, ...], verdict: str) -> None:
    status = {"observedGeneration": 3, "conditions": merged(*wanted, generation=3)}

    assert kstatus({"metadata": {"generation": 3}, "status": status}) == verdict
    assert kstatus({"metadata": {"generation": 4}, "status": status}) == "InProgress"


def test_a_condition_has_all_that_the_api_asks_for() -> None:
    (condition,) = merged(*conditions.ready(Reason.ACCEPTED, "fine"), generation=2)

    assert condition == {
        "type": "Ready",
        "status": "True",
        "observedGeneration": 2,
        "lastTransitionTime": LATER,
        "reason": "Accepted",
        "message": "fine",
    }


def test_the_time_stays_while_the_status_does() -> None:
    before = conditions.merge(
        [], conditions.working(Reason.STORE_UNAVAILABLE, "one"), generation=1, now=THEN
    )
    after = merged(*conditions.working(Reason.TOO_LARGE, "two"), previous=before, generation=2)

    assert [it["lastTransitionTime"] for it in after] == [EARLIER, EARLIER]
    assert [it["message"] for it in after] == ["two", "two"]


def test_the_time_changes_with_the_status_and_what_is_over_goes() -> None:
    before = conditions.merge(
        [], conditions.stalled(Reason.INVALID_SPEC, "wrong"), generation=1, now=THEN
    )
    after = merged(*conditions.ready(Reason.ACCEPTED), previous=before)

    assert [(it["type"], it["lastTransitionTime"]) for it in after] == [("Ready", LATER)]


def test_a_broken_condition_is_replaced() -> None:
    (after,) = merged(*conditions.ready(Reason.ACCEPTED), previous=[{}, {"type": "Ready"}])

    assert after["lastTransitionTime"] == LATER


def test_many_problems_are_counted_where_there_is_no_room_for_them() -> None:
    problems = [f"spec.states[{place}]: {'x' * 200}" for place in range(100)]
    message = conditions.listed(problems)

    assert len(message) <= conditions.MAX_MESSAGE
    assert message.splitlines()[0] == problems[0]
    assert message.splitlines()[-1] == f"and {100 - len(message.splitlines()) + 1} more"


def test_few_problems_are_all_listed() -> None:
    assert conditions.listed(["one", "two"]) == "one\ntwo"


def test_one_problem_longer_than_the_room_is_shortened() -> None:
    (condition,) = merged(
        *conditions.ready(Reason.ACCEPTED, conditions.listed(["x" * 10_000, "y"]))
    )

    assert len(condition["message"]) == conditions.MAX_MESSAGE
