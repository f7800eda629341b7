"""How much a file may hold, and what a function may say about its pods."""

from __future__ import annotations

import re
from typing import Any

import pytest

from varflow.errors import InvalidWorkflowFile
from varflow.language import bounds, loading
from varflow.language.workflow import ContainerFunction, Workflow

NOOP: Any = {"id": "a", "type": "noop"}


def load(spec: Any, kind: str = "Workflow") -> Any:
    return loading.load_object(
        {
            "apiVersion": "varflow.dev/v1alpha1",
            "kind": kind,
            "metadata": {"name": "w"},
            "spec": spec,
        },
        is_compiled=True,
    )


def faults(spec: Any, kind: str = "Workflow") -> list[str]:
    with pytest.raises(InvalidWorkflowFile) as caught:
        load(spec, kind)
    return [f"{it.field}: {it.message}" for it in caught.value.problems]


def setter(**variable: Any) -> Any:
    given = {"key": "x", "scope": "workflow", "value": 1, **variable}
    return {"states": [{"id": "a", "type": "setter", "variables": [given]}]}


TOO_MUCH = [
    pytest.param(
        {"states": [NOOP], "description": "x" * 4097},
        "description: has 4097 characters; at most 4096 are allowed",
        id="a description",
    ),
    pytest.param(
        {"states": [{**NOOP, "catch": [{"error": "*"}] * 51}]},
        "states[0].catch: has 51 entries; at most 50 are allowed",
        id="catches",
    ),
    pytest.param(
        {"states": [{**NOOP, "catch": [{"error": "x" * 257}]}]},
        "states[0].catch[0].error: has 257 characters; at most 256 are allowed",
        id="an error pattern",
    ),
    pytest.param(
        {"states": [{"id": "a", "type": "delay", "duration": f"PT{'0' * 99}S"}]},
        "states[0].duration: has 102 characters; at most 100 are allowed",
        id="a duration",
    ),
    pytest.param(
        setter(key=f"jq({' ' * 60_000}.x){'y' * 6000}"),
        "states[0].variables[0].key: has 66006 characters; at most 65536 are allowed",
        id="a text with a program",
    ),
    pytest.param(
        {"states": [NOOP], "pendingTimeoutSeconds": 86_401},
        "pendingTimeoutSeconds: is 86401; at most 86400 is allowed",
        id="a wait for a pod",
    ),
]


@pytest.mark.parametrize(("spec", "expected"), TOO_MUCH)
def test_too_much_is_refused_at_its_place(spec: Any, expected: str) -> None:
    assert faults(spec) == [f"spec.{expected}"]


def test_a_value_too_large_for_an_object_is_refused() -> None:
    spec = {"scope": "namespace", "text": "x" * (bounds.INLINE + 1)}

    assert faults(spec, "Variable") == [
        "spec.text: has 1048577 characters; at most 1048576 are allowed"
    ]


def test_as_much_as_is_allowed_is_accepted() -> None:
    states = [{"id": f"s{place}", "type": "noop"} for place in range(bounds.STATES)]

    assert len(load({"states": states, "description": "x" * 4096}).states) == bounds.STATES


def test_bounds_are_documented(pytestconfig: pytest.Config) -> None:
    page = (pytestconfig.rootpath / "docs/language.md").read_text()
    section = page.partition("## How much may there be?")[2]
    numbers = {
        bounds.STATES,
        bounds.FUNCTIONS,
        bounds.CATCHES,
        bounds.CONDITIONS,
        bounds.VARIABLES,
        bounds.FILES,
        bounds.ENVIRONMENT,
        bounds.WORDS,
        bounds.CODES,
        bounds.ATTEMPTS,
        bounds.SECRETS,
        bounds.ENTRIES,
        bounds.PODS,
        bounds.ID,
        bounds.NAME,
        bounds.CODE,
        bounds.DURATION,
        bounds.DESCRIPTION,
        bounds.IMAGE,
        bounds.TEXT,
        bounds.INLINE,
    }
    said = {int(it.replace(",", "")) for it in re.findall(r"[0-9][0-9,]*", section)}

    assert numbers == said


# Pods


def function(**fields: Any) -> Any:
    return {"states": [NOOP], "functions": [{"id": "f", "image": "x", **fields}]}


def test_what_is_for_kubernetes_stays_as_it_was_written() -> None:
    given = {
        "env": [{"name": "A", "value": "1"}, {"name": "B", "valueFrom": {"fieldRef": FIELD}}],
        "envFrom": [{"prefix": "P_", "secretRef": {"name": "s"}}],
        "resources": {"limits": {"cpu": 2, "memory": "1Gi", "nvidia.com/gpu": "1"}},
        "pod": {
            "nodeSelector": {"disk": "fast"},
            "tolerations": [{"key": "gpu", "operator": "Exists"}],
            "affinity": {"nodeAffinity": {"anything": [1]}},
            "securityContext": {"runAsUser": 1000},
        },
    }
    loaded = load(function(**given))
    assert isinstance(loaded, Workflow)
    (made,) = loaded.functions
    assert isinstance(made, ContainerFunction)

    assert list(made.env) == given["env"]
    assert list(made.envFrom) == given["envFrom"]
    assert made.resources == given["resources"]
    assert made.pod == given["pod"]


FIELD = {"fieldPath": "metadata.name"}
NOT_FOR_PODS = [
    pytest.param(
        {"env": [{"value": "1"}]}, "env[0].name: needs a name: a string without '='", id="no name"
    ),
    pytest.param(
        {"env": [{"name": "A=B"}]},
        "env[0].name: needs a name: a string without '='",
        id="a name with an equals sign",
    ),
    pytest.param(
        {"env": [{"name": "A"}, {"name": "A"}]},
        "env[1].name: the name 'A' is here twice",
        id="a name twice",
    ),
    pytest.param(
        {"env": [{"name": "A", "vlaue": "1"}]},
        "env[0].vlaue: unknown field (did you mean 'value'?)",
        id="a misspelt field",
    ),
    pytest.param(
        {"env": [{"name": "A", "value": "1", "valueFrom": {"fieldRef": FIELD}}]},
        "env[0].valueFrom: excludes value; give one of them",
        id="two values",
    ),
    pytest.param(
        {"env": [{"name": "A", "valueFrom": {}}]},
        "env[0].valueFrom: needs exactly one of "
        "secretKeyRef, configMapKeyRef, fieldRef, resourceFieldRef",
        id="no source",
    ),
    pytest.param(
        {"resources": {"limits": {"memory": "1 GB"}}},
        "resources.limits.memory: '1 GB' is no quantity such as 500m or 128Mi",
        id="no quantity",
    ),
    pytest.param(
        {"resources": {"limits": {"cpu": 0.5}}},
        "resources.limits.cpu: must be a string, not a fraction; put it in quotes",
        id="a fraction",
    ),
    pytest.param({"pod": {"hostNetwork": True}}, "pod.hostNetwork: unknown field", id="the host"),
    pytest.param(
        {"pod": {"securityContext": {"runAsUser": 0}}},
        "pod.securityContext.runAsUser: is 0; at least 1 is needed",
        id="root",
    ),
    pytest.param(
        {"pod": {"securityContext": {"privileged": True}}},
        "pod.securityContext.privileged: unknown field",
        id="privileges",
    ),
]


@pytest.mark.parametrize(("fields", "expected"), NOT_FOR_PODS)
def test_what_is_not_for_pods_is_refused_at_its_place(fields: Any, expected: str) -> None:
    with pytest.raises(InvalidWorkflowFile) as caught:
        load(function(**fields))

    assert str(caught.value).removeprefix("Workflow w: spec.functions[0].") == expected
