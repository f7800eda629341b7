"""Objects of a cluster's API: what is read from them, and how their problems are named."""

from __future__ import annotations

from typing import Any

import pytest

from varflow.errors import InvalidWorkflowFile
from varflow.language import loading
from varflow.language.declarations import DeclaredVariable
from varflow.language.expressions import Dialect
from varflow.language.workflow import Workflow

NOOP = {"id": "a", "type": "noop"}


def obj(*, kind: str = "Workflow", **spec: Any) -> dict[str, Any]:
    """Return an object with all that an API server adds."""
    return {
        "apiVersion": "varflow.dev/v1alpha1",
        "kind": kind,
        "metadata": {
            "name": "hello",
            "namespace": "team",
            "uid": "u",
            "generation": 3,
            "managedFields": [{"manager": "kubectl"}],
        },
        "spec": spec,
        "status": {"conditions": []},
    }


def problems(value: Any, *, is_compiled: bool = False) -> dict[str, str]:
    """Return what is wrong with an object, by field."""
    with pytest.raises(InvalidWorkflowFile) as caught:
        loading.load_object(value, is_compiled=is_compiled)
    assert {it.line for it in caught.value.problems} == {0}
    return {it.field: it.message for it in caught.value.problems}


def test_a_workflow_is_read_with_its_name_and_dialect() -> None:
    workflow = loading.load_object(obj(states=[NOOP], expressions="bare"))

    assert isinstance(workflow, Workflow)
    assert (workflow.name, workflow.namespace) == ("hello", "team")
    assert workflow.dialect is Dialect.BARE


def test_a_variable_is_read() -> None:
    variable = loading.load_object(obj(kind="Variable", scope="namespace", text="hi"))

    assert isinstance(variable, DeclaredVariable)
    assert (variable.key, variable.data) == ("hello", b"hi")


def test_every_problem_is_named_with_its_field_and_without_a_line() -> None:
    found = problems(
        obj(states=[{**NOOP, "transition": "b", "transform": "jq(.a |)"}, {"id": "c"}], stat=1)
    )

    assert found.keys() == {
        "spec.states[0].transition",
        "spec.states[0].transform",
        "spec.states[1].type",
        "spec.stat",
    }


def test_programs_are_not_compiled_again_when_they_are_known_to_be_right() -> None:
    value = obj(states=[{**NOOP, "transform": "jq(.a |)"}])

    assert "spec.states[0].transform" in problems(value)
    assert isinstance(loading.load_object(value, is_compiled=True), Workflow)


@pytest.mark.parametrize(
    ("value", "field"),
    [
        (None, ""),
        ({}, ""),
        ({"kind": "Pod"}, "kind"),
        ({"apiVersion": "varflow.dev/v1alpha1", "kind": "Workflow"}, "spec"),
        ({**obj(states=[NOOP]), "apiVersion": "v2"}, "apiVersion"),
    ],
    ids=["nothing", "empty", "another kind", "no spec", "another version"],
)
def test_what_is_no_such_object_is_said(value: Any, field: str) -> None:
    assert field in problems(value)
