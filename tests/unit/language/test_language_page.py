"""The page about the language shows every field that a workflow may have.

The models say which fields there are, as a JSON schema; the examples are walked along it. That they
load and run to what the page says is what tests/integration/test_docs.py is for.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.support import markdown
from tests.support.markdown import Block
from varflow.language import loading, not_yet, pods, starts, states
from varflow.language.events import OLDER_SPELLINGS
from varflow.language.starts import StartCommon
from varflow.language.state_fields import StateCommon
from varflow.language.workflow import Workflow

Json = Any
Field = tuple[str, str]
"""A model's name and its field's."""

PAGE: Final = Path(__file__).parents[3] / "docs" / "language.md"
CLUSTER: Final = "cluster"
"""Mark of an example that only a cluster runs."""
LATER: Final = "later"
"""Mark of an example that loads, and that nothing runs yet."""
SCHEMA: Final = Workflow.model_json_schema(mode="validation")
MODELS: Final = {**SCHEMA["$defs"], "Workflow": SCHEMA}
OUTSIDE: Final = {"name", "namespace", "dialect"}
"""What the loader adds to a workflow."""
STATES: Final = {model.__name__ for model in states.STATES.values()}
STATE_TYPES: Final = {*states.STATES}
OF_ALL_STATES: Final = StateCommon.model_fields.keys()
STARTS: Final = {model.__name__ for model in starts.STARTS.values()}
OF_ALL_STARTS: Final = StartCommon.model_fields.keys()
EXAMPLES: Final = markdown.read_workflows(PAGE)


def all_fields() -> set[Field]:
    fields = {
        merged(name, field)
        for name, model in MODELS.items()
        for field in model.get("properties", ())
    }
    return fields - {("Workflow", name) for name in OUTSIDE}


def merged(model: str, field: str) -> Field:
    """Return a field; what every state or start has is one field, whichever shows it."""
    if model in STARTS and field in OF_ALL_STARTS:
        return "StartCommon", field
    return ("StateCommon" if model in STATES and field in OF_ALL_STATES else model, field)


def shown(value: Json, schema: Json) -> Iterator[Field]:
    """Yield the fields that a value has."""
    schema = chosen(value, schema)
    if isinstance(value, list):
        for item in value:
            yield from shown(item, schema.get("items", {}))
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        for name in value.keys() & properties.keys():
            yield merged(schema["title"], name)
            yield from shown(value[name], properties[name])


def chosen(value: Json, schema: Json) -> Json:
    """Return the schema that a value is written in."""
    if "$ref" in schema:
        return chosen(value, MODELS[schema["$ref"].rpartition("/")[2]])
    found = [chosen(value, it) for it in schema.get("anyOf", ()) if fits(value, it)]
    return found[0] if found else schema


def fits(value: Json, schema: Json) -> bool:
    resolved = chosen(value, schema)
    if not isinstance(value, dict):
        return resolved.get("type") == "array" if isinstance(value, list) else False
    properties = resolved.get("properties", {})
    kinds = properties.get("type", {})
    known = [kinds["const"]] if "const" in kinds else kinds.get("enum", [value.get("type")])
    return value.keys() <= properties.keys() and value.get("type", kinds.get("default")) in known


def workflow_of(block: Block) -> Json:
    document = yaml.safe_load(block.text)
    return document.get("spec", document)


def test_every_field_is_in_an_example() -> None:
    found = {field for block in EXAMPLES for field in shown(workflow_of(block), SCHEMA)}

    assert all_fields() - found == set()


def test_the_walk_knows_a_field_from_its_namesake() -> None:
    state = {"id": "a", "type": "action", "log": "x", "action": {"function": "f"}}
    function = {"id": "f", "image": "x", "cmd": "run", "scale": 1, "local": {"port": 1}}

    assert set(shown({"states": [state], "functions": [function]}, SCHEMA)) == {
        ("Workflow", "states"),
        ("Workflow", "functions"),
        ("StateCommon", "id"),
        ("ActionState", "type"),
        ("StateCommon", "log"),
        ("ActionState", "action"),
        ("Action", "function"),
        *(("DirektivFunction", name) for name in function),
        ("LocalSpec", "port"),
    }


def test_every_choice_is_named() -> None:
    page = PAGE.read_text()
    choices = {
        choice
        for name, model in MODELS.items()
        if not hasattr(pods, name)  # those are Kubernetes' own
        for field in model.get("properties", {}).values()
        for choice in [*field.get("enum", ()), *([field["const"]] if "const" in field else [])]
    }

    assert {it for it in choices - STATE_TYPES if f"`{it}`" not in page} == set()
    headed = STATE_TYPES - OLDER_SPELLINGS.keys()
    assert {kind for kind in OLDER_SPELLINGS if f"`{kind}`" not in page} == set()
    assert {kind for kind in headed if f"\n## {kind}: " not in page} == set()


@pytest.mark.parametrize("block", EXAMPLES, ids=str)
def test_every_example_is_run_unless_only_a_cluster_or_a_later_version_can(block: Block) -> None:
    names = [mark.removeprefix("save=") for mark in block.marks if mark.startswith("save=")]
    sessions = [it.text for it in markdown.read_blocks(PAGE) if it.language == "console"]

    assert {CLUSTER, LATER} & {*block.marks} or any(
        line.startswith("$ varflow run ") and names[0] in line.split()
        for session in sessions
        for line in session.splitlines()
    )


@pytest.mark.parametrize("block", [it for it in EXAMPLES if LATER in it.marks], ids=str)
def test_what_is_marked_for_later_is_not_run_yet(block: Block) -> None:
    definitions = loading.load_text(block.text, source=str(block))
    (workflow,) = definitions.workflows.values()

    assert [*not_yet.find_faults(workflow), *not_yet.find_idle(workflow)]
