"""Function pods: what a new revision shares with the old one, and how long pods may take to end."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.definitions import CALL, OWNER, pods_of, workflow_object, workflow_of
from varflow_operator.resources import plans
from varflow_operator.resources.plans import Scale

EACH = {"id": "each", "type": "foreach", "array": [], "action": {"function": "f"}}
BOTH = {"id": "both", "type": "parallel", "actions": [{"function": "f"}] * 2}


@pytest.mark.parametrize(
    "change",
    [
        {"scale": {"min": 1}},
        {"files": [{"key": "k"}]},
        {"local": {"command": "python f.py"}},
        {"size": "small"},
        {"concurrency": 10},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_pods_are_not_made_from_keeps_them(change: dict[str, Any]) -> None:
    assert pods_of(**change).deployment == pods_of().deployment


@pytest.mark.parametrize(
    "change",
    [
        {"id": "f", "image": "example.org/f:2"},
        {"command": ["run"]},
        {"args": ["--fast"]},
        {"env": [{"name": "A", "value": "b"}]},
        {"envFrom": [{"secretRef": {"name": "s"}}]},
        {"resources": {"limits": {"cpu": "1"}}},
        {"size": "large"},
        {"concurrency": 1},
        {"pod": {"nodeSelector": {"disk": "fast"}}},
    ],
    ids=lambda change: next(reversed(change)),
)
def test_what_pods_are_made_from_gives_others(change: dict[str, Any]) -> None:
    assert pods_of(**change).deployment != pods_of().deployment


def test_states_and_timeouts_keep_the_pods() -> None:
    other = pods_of(states=[{**CALL, "timeout": "PT5M"}], timeouts={"kill": "PT1H"})

    assert other.deployment == pods_of().deployment


@pytest.mark.parametrize(
    ("states", "timeouts", "seconds"),
    [
        ([CALL], None, 30),
        ([{**CALL, "timeout": "PT10S"}], None, 10 + 60),
        ([{**CALL, "timeout": "PT10.5S"}], None, 11 + 60),
        ([{**CALL, "id": "a", "timeout": "PT10S"}, {**CALL, "timeout": "PT2M"}], None, 120 + 60),
        ([{**CALL, "timeout": "P10Y"}], None, 1200 + 60),
        ([{**CALL, "timeout": "P10Y"}], {"kill": "PT2H"}, 7200 + 60),
        ([{"id": "n", "type": "noop"}], None, 30),
        ([{**EACH, "timeout": "PT10S"}], None, 10 + 60),
        ([{**BOTH, "timeout": "PT10S"}], None, 10 + 60),
    ],
    ids=[
        "default",
        "given",
        "fraction",
        "longest",
        "instance's",
        "longer instance's",
        "uncalled",
        "for each element",
        "at one time",
    ],
)
def test_a_pod_may_end_its_longest_action(states: Any, timeouts: Any, seconds: int) -> None:
    assert pods_of(states=states, timeouts=timeouts).grace_seconds == seconds


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, Scale(min=0, max=5, idle_seconds=300.0)),
        ({"min": 7}, Scale(min=7, max=7, idle_seconds=300.0)),
        ({"max": 1, "idleSeconds": 5}, Scale(min=0, max=1, idle_seconds=5.0)),
    ],
    ids=["default", "min over the default max", "given"],
)
def test_the_scale_is_filled_in(given: Any, expected: Scale) -> None:
    assert pods_of(scale=given).scale == expected


def test_each_function_has_pods_of_its_own_though_their_words_are_the_same() -> None:
    functions = [{"id": name, "image": "example.org/f:1"} for name in ("one", "two")]
    states = [{**CALL, "action": {"function": "one"}}]
    workflow = workflow_of(workflow_object(functions=functions, states=states))
    one, two = plans.plan(workflow, OWNER)

    assert one.deployment != two.deployment
    assert one.selector != two.selector


def test_a_hash_does_not_hang_on_the_order_of_keys() -> None:
    assert plans.digest({"a": 1, "b": [2]}) == plans.digest({"b": [2], "a": 1})
