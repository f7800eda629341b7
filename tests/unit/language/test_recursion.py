"""Workflows that call one another in a circle, with a way out of it and without."""

from __future__ import annotations

import json
from typing import Any

import pytest

from varflow.language import loading, recursion

Json = Any
CALL = {"id": "call", "type": "action", "action": {"function": "sub"}}
NOOP = {"id": "on", "type": "noop"}
CHOOSE = {
    "id": "choose",
    "type": "switch",
    "conditions": [{"condition": True, "transition": "call"}],
}
CHOOSE_ALWAYS = {**CHOOSE, "defaultTransition": "call"}
BOTH = [{"function": "sub"}, {"function": "other"}]


def find(**workflows: tuple[str, list[Json]]) -> list[str]:
    """Return the warnings about workflows, each given as what it calls and its states."""
    documents = [
        {
            "id": name,
            "expressions": "wrapped",
            "functions": [
                {"id": "other", "image": "x"},
                {"id": "sub", "type": "subflow", "workflow": called},
            ],
            "states": states,
        }
        for name, (called, states) in workflows.items()
    ]
    text = "\n---\n".join(map(json.dumps, documents))
    found = recursion.find_faults(loading.load_text(text, source="f.yaml").workflows)
    return [f"{name} {fault.path} {fault.message.partition(' is ')[0]}" for name, fault in found]


@pytest.mark.parametrize(
    "states",
    [
        pytest.param([CALL], id="at once"),
        pytest.param([{**CALL, "transition": "on"}, NOOP], id="and more behind it"),
        pytest.param([{**NOOP, "transition": "call"}, CALL], id="after something"),
        pytest.param([CHOOSE_ALWAYS, CALL], id="whatever a switch decides"),
        pytest.param(
            [{"id": "p", "type": "parallel", "actions": BOTH}], id="beside something else"
        ),
        pytest.param(
            [{"id": "p", "type": "parallel", "mode": "or", "actions": BOTH[:1]}],
            id="as the only one of several",
        ),
        pytest.param(
            [{**CALL, "catch": [{"error": "*", "transition": "call"}]}], id="again when it fails"
        ),
    ],
)
def test_a_workflow_that_always_calls_itself_is_a_circle(states: Json) -> None:
    assert find(a=("a", states)) == ["a ('functions', 1, 'workflow') a → a"]


@pytest.mark.parametrize(
    "states",
    [
        pytest.param([CHOOSE, CALL], id="a switch may end"),
        pytest.param([{**NOOP, "stopIf": True, "transition": "call"}, CALL], id="stopIf"),
        pytest.param([{**CALL, "async": True}], id="nobody waits"),
        pytest.param([{**CALL, "catch": [{"error": "*"}]}], id="its error is caught"),
        pytest.param(
            [{**NOOP, "catch": [{"error": "*"}], "transition": "call"}, CALL],
            id="an error before it is caught",
        ),
        pytest.param(
            [{"id": "f", "type": "foreach", "array": [], "action": {"function": "sub"}}],
            id="for each of perhaps none",
        ),
        pytest.param(
            [{"id": "p", "type": "parallel", "mode": "or", "actions": BOTH}],
            id="another may succeed first",
        ),
        pytest.param([NOOP, CALL], id="never called"),
    ],
)
def test_a_workflow_that_may_end_is_none(states: Json) -> None:
    assert find(a=("a", states)) == []


def test_a_circle_of_several_names_all_of_them_and_not_who_leads_into_it() -> None:
    assert find(a=("b", [CALL]), b=("c.yaml", [CALL]), c=("b", [CALL])) == [
        "b ('functions', 1, 'workflow') b → c → b",
        "c ('functions', 1, 'workflow') c → b → c",
    ]


def test_one_way_out_of_a_circle_is_enough() -> None:
    assert find(a=("b", [CALL]), b=("a", [CHOOSE, CALL])) == []


def test_a_subflow_that_is_not_known_ends_for_all_that_is_known() -> None:
    assert find(a=("elsewhere", [CALL])) == []
