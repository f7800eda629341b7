"""The custom resource definitions: made from the models, described and bounded in every place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
import pytest
import yaml

from varflow.language import loading
from varflow_operator.schemas import definitions, files, pages
from varflow_operator.schemas.instances import InstanceSpec
from varflow_operator.schemas.rules import LIST_KEYS, RULES
from varflow_operator.schemas.variables import VariableSpec

Schema = dict[str, Any]
Place = tuple[str, Schema]

MADE = files.make_files()
RESOURCES = {
    resource["spec"]["names"]["kind"]: resource
    for resource in (yaml.safe_load(text) for text in MADE.values())
}
FREE_PLACES = {
    "Workflow.spec.functions[].local.command",
    "Workflow.spec.functions[].pod.affinity.nodeAffinity",
    "Workflow.spec.functions[].pod.affinity.podAffinity",
    "Workflow.spec.functions[].pod.affinity.podAntiAffinity",
    "Workflow.spec.functions[].pod.topologySpreadConstraints[]",
    "Workflow.spec.input.schema",
    "Workflow.spec.start.event.context{}",
    "Workflow.spec.start.events[].context{}",
    "Workflow.spec.states[].action.input",
    "Workflow.spec.states[].actions[].input",
    "Workflow.spec.states[].args[]",
    "Workflow.spec.states[].array",
    "Workflow.spec.states[].conditions[].condition",
    "Workflow.spec.states[].conditions[].transform",
    "Workflow.spec.states[].defaultTransform",
    "Workflow.spec.states[].event.context{}",
    "Workflow.spec.states[].event.data",
    "Workflow.spec.states[].events[].context{}",
    "Workflow.spec.states[].events[].event.context{}",
    "Workflow.spec.states[].events[].transform",
    "Workflow.spec.states[].log",
    "Workflow.spec.states[].metadata",
    "Workflow.spec.states[].schema",
    "Workflow.spec.states[].stopIf",
    "Workflow.spec.states[].subject",
    "Workflow.spec.states[].transform",
    "Workflow.spec.states[].variables[].value",
    "Variable.spec.value",
    "WorkflowInstance.spec.input",
    "WorkflowInstance.status.output",
}
"""Where any JSON value may stand."""
CLIENT_SIDE_LIMIT = 262_144
"""Bytes of the annotation in which `kubectl apply` keeps what was applied."""


def schema_of(kind: str) -> Schema:
    found: Schema = RESOURCES[kind]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return found


def places(path: str, schema: Schema) -> Iterator[Place]:
    """Yield each place of a schema with its schema."""
    yield path, schema
    for name, inner in schema.get("properties", {}).items():
        yield from places(f"{path}.{name}", inner)
    if "items" in schema:
        yield from places(f"{path}[]", schema["items"])
    if "additionalProperties" in schema:
        yield from places(f"{path}{{}}", schema["additionalProperties"])


ALL_PLACES = [place for kind in RESOURCES for place in places(kind, schema_of(kind))]


def test_files_are_what_the_models_say(pytestconfig: pytest.Config) -> None:
    folder = pytestconfig.rootpath / "crds"

    assert {file.name: file.read_text() for file in folder.iterdir()} == MADE, "run `make crds`"


def test_tables_of_the_page_are_what_the_models_say(pytestconfig: pytest.Config) -> None:
    page = (pytestconfig.rootpath / "docs/kubernetes-objects.md").read_text()
    tables = [pages.fill_in(page), page]

    assert tables[0] == tables[1], "run `make crds`"
    assert page.count("<!-- fields of ") == 2 * len(RESOURCES)


def test_every_field_is_described() -> None:
    elements = ("[]", "{}")
    mute = [
        path
        for path, schema in ALL_PLACES
        if not path.endswith(elements) and not schema.get("description", "").strip()
    ]

    assert mute == []


def is_bounded(schema: Schema) -> bool:
    match schema.get("type"):
        case "string":
            return bool({"maxLength", "enum", "format"} & schema.keys())
        case "array":
            return "maxItems" in schema
        case "integer" | "number":
            return {"minimum", "maximum"} <= schema.keys()
        case "object":
            return "additionalProperties" not in schema or "maxProperties" in schema
        case _:
            return True


def test_every_place_is_bounded() -> None:
    assert [path for path, schema in ALL_PLACES if not is_bounded(schema)] == []


def test_any_value_may_stand_only_where_it_is_meant() -> None:
    key = "x-kubernetes-preserve-unknown-fields"

    assert {path for path, schema in ALL_PLACES if schema.get(key)} == FREE_PLACES


def test_null_may_stand_wherever_any_value_may() -> None:
    untyped = [(path, schema) for path, schema in ALL_PLACES if "type" not in schema]
    free = [(path, schema) for path, schema in untyped if path in FREE_PLACES]

    assert [path for path, schema in free if not schema["nullable"]] == []


def test_null_is_among_the_listed_values_where_it_may_stand() -> None:
    listed = [(path, schema) for path, schema in ALL_PLACES if "enum" in schema]
    wrong = [
        path for path, schema in listed if schema.get("nullable", False) != (None in schema["enum"])
    ]

    assert wrong == []


@pytest.mark.parametrize("name", MADE)
def test_file_is_small(name: str) -> None:
    assert len(MADE[name].encode()) < 100_000
    assert len(orjson.dumps(yaml.safe_load(MADE[name]))) < CLIENT_SIDE_LIMIT


def test_names_are_short_and_in_one_category() -> None:
    names = {kind: resource["spec"]["names"] for kind, resource in RESOURCES.items()}

    assert {kind: it["shortNames"] for kind, it in names.items()} == {
        "Workflow": ["vwf"],
        "Variable": ["vvar"],
        "WorkflowInstance": ["vwi"],
    }
    assert all(it["categories"] == ["varflow"] for it in names.values())


@pytest.mark.parametrize("kind", RESOURCES)
def test_status_is_a_resource_of_its_own(kind: str) -> None:
    version = RESOURCES[kind]["spec"]["versions"][0]

    assert version["subresources"] == {"status": {}}
    assert version["name"] == "v1alpha1"
    assert version["additionalPrinterColumns"][-1]["name"] == "Age"


@pytest.mark.parametrize("kind", RESOURCES)
def test_lists_with_names_are_merged_by_them(kind: str) -> None:
    found = {
        path.removeprefix(f"{kind}."): schema["x-kubernetes-list-map-keys"][0]
        for path, schema in places(kind, schema_of(kind))
        if schema.get("x-kubernetes-list-type") == "map"
    }

    assert found == LIST_KEYS[kind]


def test_a_name_that_lists_are_merged_by_is_required() -> None:
    schemas = dict(ALL_PLACES)
    keyed = {
        (f"{kind}.{path}[]", key) for kind in LIST_KEYS for path, key in LIST_KEYS[kind].items()
    }

    assert [path for path, key in keyed if key not in schemas[path]["required"]] == []


def test_rules_have_a_message_of_their_own() -> None:
    said = [(rule.kind, rule.at, rule.message) for rule in RULES]

    assert len(said) >= 12
    assert len(set(said)) == len(said)


def defaults(schema: Schema) -> Any:
    """Return what the API server fills into an empty object of this schema."""
    return {name: it["default"] for name, it in schema["properties"].items() if "default" in it}


@pytest.mark.parametrize(
    ("kind", "model", "least"),
    [
        pytest.param("Variable", VariableSpec, {"scope": "namespace"}, id="Variable"),
        pytest.param("WorkflowInstance", InstanceSpec, {"workflow": "w"}, id="WorkflowInstance"),
    ],
)
def test_defaults_are_those_of_the_models(kind: str, model: Any, least: dict[str, Any]) -> None:
    filled = {**defaults(schema_of(kind)["properties"]["spec"]), **least}

    assert model.model_validate(filled) == model.model_validate(least)


def fill(value: Any, schema: Schema) -> Any:
    """Return a value with the defaults that the API server fills in."""
    if isinstance(value, list):
        return [fill(item, schema["items"]) for item in value]
    if not isinstance(value, dict) or "properties" not in schema:
        return value
    properties = schema["properties"]
    given = {name: fill(item, properties[name]) for name, item in value.items()}
    return {**defaults(schema), **given}


@pytest.mark.parametrize(
    "expressions", [pytest.param("wrapped", id="wrapped"), pytest.param("bare", id="bare")]
)
def test_what_the_api_server_fills_in_changes_no_workflow(expressions: str) -> None:
    manifest = {
        "apiVersion": "varflow.dev/v1alpha1",
        "kind": "Workflow",
        "metadata": {"name": "w"},
        "spec": {**EVERYTHING, "expressions": expressions},
    }
    spec = fill(manifest["spec"], schema_of("Workflow")["properties"]["spec"])

    assert spec != manifest["spec"]
    assert loading.load_object({**manifest, "spec": spec}) == loading.load_object(manifest)


EVERYTHING: dict[str, Any] = {
    "start": {},
    "state": {},
    "retry": {"exponential": {"attempts": 1}},
    "timeouts": {},
    "functions": [
        {"id": "f", "image": "x", "files": [{"key": "a"}], "scale": {}, "pod": {}, "local": {}},
        {"id": "g", "image": "x", "cmd": "run"},
    ],
    "states": [
        {
            "id": "a",
            "type": "action",
            "action": {
                "function": "f",
                "files": [{"key": "b"}],
                "retries": {"max_attempts": 1, "codes": ["*"]},
            },
        },
        {"id": "g", "type": "getter", "variables": [{"key": "x", "scope": "instance"}]},
        {"id": "s", "type": "setter", "variables": [{"key": "x", "scope": "instance", "value": 1}]},
        {"id": "n", "type": "noop", "catch": [{"error": "*"}]},
        {"id": "e", "type": "error", "error": "x", "message": "y"},
        {"id": "d", "type": "delay", "duration": "PT1S"},
        {"id": "w", "type": "switch", "conditions": [{"condition": True}]},
        {"id": "m", "type": "generateEvent", "event": {"type": "x", "source": "y"}},
        {"id": "c", "type": "consumeEvent", "event": {"type": "x"}},
        {"id": "b", "type": "eventsAnd", "events": [{"type": "x"}]},
        {"id": "o", "type": "eventsXor", "events": [{"event": {"type": "x"}}]},
    ],
}
"""Every kind of state and function with as little in it as it may have."""


def test_every_kind_is_defined() -> None:
    kinds = [definition.kind.name for definition in definitions.definitions()]

    assert kinds == ["Workflow", "Variable", "WorkflowInstance"]
