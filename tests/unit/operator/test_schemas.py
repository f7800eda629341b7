"""From models to structural schemas: references, null, alternatives, descriptions, forms."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, WithJsonSchema

from varflow.language import expressions
from varflow.language.states import STATES
from varflow_operator.schemas import describing, forms, merging, structural


class Inner(BaseModel):
    """What is inside."""

    name: str
    """Its name, over
    two lines."""
    size: int = Field(default=3, ge=1, le=5)


class Other(BaseModel):
    """Something else."""

    name: str = "x"
    kind: Literal["other"]


class Outer(BaseModel):
    """The whole."""

    inner: Inner
    """This inner."""
    perhaps: Inner | None = None
    choice: Literal["a", "b"] | None = None
    number: int | float = 1
    either: Annotated[
        int | str, WithJsonSchema({"anyOf": [{"type": "integer"}, {"type": "string"}]})
    ]
    several: list[Inner] = Field(max_length=2)
    table: dict[str, int] = {}
    free: dict[str, Any] = {}
    anything: Any = None
    form: Inner | Other
    under: str = Field(alias="as")
    """Another name."""


MADE = structural.make_structural(describing.describe(Outer))["properties"]
INNER = {
    "type": "object",
    "properties": {
        "name": {"description": "Its name, over two lines.", "type": "string"},
        "size": {"type": "integer", "minimum": 1, "maximum": 5, "default": 3},
    },
    "required": ["name"],
}


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        pytest.param("inner", {**INNER, "description": "This inner."}, id="a model"),
        pytest.param(
            "perhaps",
            {**INNER, "description": "What is inside.", "nullable": True},
            id="a model or null",
        ),
        pytest.param(
            "choice",
            {"type": "string", "enum": ["a", "b", None], "nullable": True},
            id="words or null",
        ),
        pytest.param("number", {"type": "number", "default": 1}, id="a number"),
        pytest.param(
            "either",
            {
                "x-kubernetes-int-or-string": True,
                "anyOf": [{"type": "integer"}, {"type": "string"}],
            },
            id="a number or a string",
        ),
        pytest.param(
            "several",
            {
                "type": "array",
                "maxItems": 2,
                "items": {**INNER, "description": "What is inside."},
            },
            id="a list",
        ),
        pytest.param(
            "table",
            {"type": "object", "additionalProperties": {"type": "integer"}},
            id="a table",
        ),
        pytest.param(
            "free",
            {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            id="any object",
        ),
        pytest.param("anything", structural.ANY, id="any value"),
        pytest.param(
            "as", {"type": "string", "description": "Another name."}, id="a field's alias"
        ),
    ],
)
def test_type_becomes_structural(field: str, expected: dict[str, Any]) -> None:
    assert MADE[field] == expected


def test_alternatives_become_one_object_without_defaults() -> None:
    assert MADE["form"] == {
        "description": "What is inside.",
        "type": "object",
        "properties": {
            "name": {"description": "Its name, over two lines.", "type": "string"},
            "size": {"type": "integer", "minimum": 1, "maximum": 5},
            "kind": {"type": "string", "enum": ["other"]},
        },
    }


@pytest.mark.parametrize(
    ("some", "expected"),
    [
        pytest.param(
            [{"type": "string", "enum": ["a"]}, {"type": "string", "enum": ["b", "a"]}],
            {"type": "string", "enum": ["a", "b"]},
            id="all words",
        ),
        pytest.param(
            [
                {"type": "string", "minLength": 1, "maxLength": 5},
                {"type": "string", "maxLength": 5},
            ],
            {"type": "string", "maxLength": 5},
            id="the bounds of both",
        ),
        pytest.param(
            [{"type": "integer"}, {"type": "object", "properties": {}}],
            {"type": "object", "properties": {}},
            id="an object rather than a number",
        ),
        pytest.param(
            [
                {"type": "array", "items": {"type": "object", "properties": {"a": {}}}},
                {"type": "array", "items": {"type": "object", "properties": {"b": {}}}},
            ],
            {"type": "array", "items": {"type": "object", "properties": {"a": {}, "b": {}}}},
            id="lists of several forms",
        ),
    ],
)
def test_forms_are_merged(some: list[dict[str, Any]], expected: dict[str, Any]) -> None:
    assert merging.merge(some) == expected


def test_a_default_that_is_a_literal_template_is_its_text() -> None:
    class Model(BaseModel):
        model_config = {"arbitrary_types_allowed": True}

        scope: Annotated[Any, WithJsonSchema({"type": "string"})] = expressions.Literal("instance")

    assert describing.describe(Model)["properties"]["scope"]["default"] == "instance"


def test_an_unknown_form_is_an_error() -> None:
    with pytest.raises(ValueError, match="no structural schema has prefixItems"):
        structural.make_structural({"type": "array", "prefixItems": []})


def test_fields_of_states_belong_to_their_types() -> None:
    found = forms.fields_of_types()

    assert found["duration"] == ["delay"]
    assert found["variables"] == ["getter", "setter"]
    assert "transition" not in found
    assert "args" not in found, "CEL does not see it"


def test_every_state_that_needs_something_that_rules_can_see_says_so() -> None:
    found = forms.required_of_types()

    assert found.keys() == STATES.keys() - {"noop", "validate"}
    assert "array" not in found["foreach"], "CEL does not see it"


@pytest.mark.parametrize(
    ("field", "expected"), [pytest.param("as", "__as__", id="reserved"), ("id", "id")]
)
def test_words_of_cel_are_escaped(field: str, expected: str) -> None:
    assert forms.escaped(field) == expected
