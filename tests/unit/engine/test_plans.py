"""Which results a workflow's programs look at, and how a plan is found again."""

from __future__ import annotations

import pytest

from tests.support.engine import make_action, make_workflow
from varflow.engine import plans

ALL = None


@pytest.mark.parametrize(
    ("source", "steps"),
    [
        (".a.b", set()),
        ("$steps.one", {"one"}),
        ("$steps.one.two", {"one"}),
        ("$steps.one + $steps . two", {"one", "two"}),
        ('$steps["my-state"].x', {"my-state"}),
        ('$steps."my-state"', {"my-state"}),
        ('$steps.["my-state"]', {"my-state"}),
        ("$ steps.one", {"one"}),
        ("$stepsize + $steps_taken", set()),
        ("$steps", ALL),
        ("$steps[.name]", ALL),
        ('$steps["a\\(.b)"]', ALL),
        ("$steps | keys", ALL),
        ("$steps as {one: $x} | $x", ALL),
        ("$steps[]", ALL),
        ('"$steps.one"', {"one"}),
    ],
)
def test_mentions_of_steps_are_found_or_else_all_are_kept(
    source: str, steps: set[str] | None
) -> None:
    assert plans.mentions([source]).steps == steps


@pytest.mark.parametrize(
    ("source", "has_input"),
    [("$input.a", True), ("[$input]", True), ("$inputs", False), ("input", False), (".a", False)],
)
def test_mentions_of_the_input_are_found(source: str, has_input: bool) -> None:
    assert plans.mentions([source]).input is has_input


def test_programs_are_found_wherever_a_workflow_has_them() -> None:
    action = make_action(
        input={"deep": [{"er": "x jq($steps.one) y"}]},
        files=[{"key": "jq($steps.two)"}],
        state={"log": "jq($steps.three)"},
    )
    switch = {"id": "s", "type": "switch", "conditions": [{"condition": "jq($steps.four)"}]}

    found = plans.of(make_workflow(action, switch)).mentions
    assert found.steps == frozenset({"one", "two", "three", "four"})


def test_a_plan_is_made_once_for_a_workflow() -> None:
    workflow = make_workflow(make_action())

    assert plans.of(workflow) is plans.of(workflow)
    assert plans.of(workflow) is not plans.of(make_workflow(make_action()))
