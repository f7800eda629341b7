"""Manifests mean what the files mean that they are made of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from varflow.language import loading, manifests
from varflow.language.expressions import Dialect

ROOT = Path(__file__).parents[3]
EXAMPLES = sorted((ROOT / "examples").rglob("*.yaml"))

OLDER = """\
id: older
functions:
- id: f
  image: an/image:v1
  cmd: run --name 'a b'
  envs: [{name: A, value: "1"}]
  scale: 2
  files: [{key: k, scope: workflow, as: b}]
- id: g
  type: knative-namespace
  service: resizer
  local: {command: python3 resizer.py, dir: sub}
states:
- id: a
  type: action
  action: {function: f, input: .x}
"""


def make(text: str, **given: Any) -> list[dict[str, Any]]:
    definitions = loading.load_text(text, source="flow.yaml", **given)
    return [manifests.make_manifest(envelope) for envelope in definitions.envelopes]


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: str(file.relative_to(ROOT)))
def test_a_manifest_loads_as_the_file_it_is_made_of(file: Path) -> None:
    definitions = loading.load_files([file])

    for envelope, workflow in zip(
        definitions.envelopes, definitions.workflows.values(), strict=True
    ):
        manifest = orjson.dumps(manifests.make_manifest(envelope)).decode()
        again = loading.load_text(manifest, source="again.yaml")
        assert again.workflows == {workflow.name: workflow}


def test_functions_of_the_older_edition_are_told_in_our_words() -> None:
    (manifest,) = make(OLDER)

    assert manifest["spec"]["functions"] == [
        {
            "id": "f",
            "image": "an/image:v1",
            "command": ["run", "--name", "a b"],
            "env": [{"name": "A", "value": "1"}],
            "scale": {"min": 2},
            "files": [{"key": "k", "scope": "workflow", "as": "b"}],
        },
        {
            "id": "g",
            "image": "resizer",
            "local": {"command": "python3 resizer.py", "dir": "sub"},
        },
    ]
    assert loading.load_text(orjson.dumps(manifest).decode(), source="m").workflows == (
        loading.load_text(OLDER, source="flow.yaml").workflows
    )


@pytest.mark.parametrize(
    ("given", "dialect"), [({}, "bare"), ({"dialect": Dialect.WRAPPED}, "wrapped")]
)
def test_the_dialect_that_was_chosen_stands_in_the_manifest(
    given: dict[str, Any], dialect: str
) -> None:
    (manifest,) = make(OLDER, **given)

    assert manifest["apiVersion"] == "varflow.dev/v1alpha1"
    assert manifest["metadata"] == {"name": "older"}
    assert manifest["spec"]["expressions"] == dialect


def test_what_only_a_cluster_sets_does_not_come_along() -> None:
    (manifest,) = make(
        "apiVersion: varflow.dev/v1alpha1\n"
        "kind: Variable\n"
        "metadata: {name: v, namespace: ns, uid: u, resourceVersion: '3', labels: {a: b}}\n"
        "spec: {scope: namespace, value: null}\n"
        "status: {revision: r}\n"
    )

    assert manifest == {
        "apiVersion": "varflow.dev/v1alpha1",
        "kind": "Variable",
        "metadata": {"name": "v", "namespace": "ns", "labels": {"a": "b"}},
        "spec": {"scope": "namespace", "value": None},
    }


@pytest.mark.parametrize("name", ["flow", "a.b-c", "0", "a" * 253])
def test_a_name_that_an_object_can_have_has_no_fault(name: str) -> None:
    assert manifests.find_name_fault(name) is None


@pytest.mark.parametrize("name", ["My flow", "a_b", "-a", "a.", "a..b", "a" * 254, "ä", "a\n"])
def test_a_name_that_no_object_can_have_is_told(name: str) -> None:
    fault = manifests.find_name_fault(name)

    assert fault is not None
    assert "lower-case letters" in fault


def test_the_envelopes_of_a_definition_are_in_the_order_of_its_documents() -> None:
    found = loading.load_text(f"{OLDER}---\n{OLDER.replace('older', 'b')}", source="f.yaml")

    assert [envelope.name for envelope in found.envelopes] == ["older", "b"]
