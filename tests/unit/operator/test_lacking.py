"""What a cluster does not run yet is refused with its place."""

from __future__ import annotations

import pytest

from tests.support.definitions import CALL, workflow_object
from varflow.errors import InvalidWorkflowFile
from varflow_operator.workflows import reading

CHILD = {"id": "child", "type": "subflow", "workflow": "other"}
ADVICE = "are not run in a cluster yet, only by `varflow run` on a machine"
FUNCTION = {"id": "f", "image": "example.org/f:1"}


def test_subflows_and_asynchronous_actions_are_refused_with_their_places() -> None:
    obj = workflow_object(functions=[FUNCTION, CHILD], states=[CALL | {"async": True}])

    with pytest.raises(InvalidWorkflowFile) as caught:
        reading.read(obj, is_compiled=True)

    assert reading.message_of(caught.value).splitlines() == [
        f"spec.functions[1].type: subflows {ADVICE}",
        f"spec.states[0].async: asynchronous actions {ADVICE}",
    ]


def test_states_with_branches_and_schemas_are_accepted() -> None:
    action = {"function": "f"}
    states = [
        {"id": "many", "type": "foreach", "array": [1], "action": action},
        {"id": "some", "type": "parallel", "actions": [action], "mode": "or"},
        {"id": "check", "type": "validate", "schema": {"type": "object"}},
        CALL | {"async": False},
    ]

    assert len(reading.read(workflow_object(states=states), is_compiled=True).states) == 4
