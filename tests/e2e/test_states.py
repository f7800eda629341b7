"""Each state once in a cluster, a large loop, and subflows within one another."""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.cluster.kubectl import Kubectl
from tests.support.cluster_runs import apply_workflow, finish, output_of, run, start
from tests.support.installation import Bucket, Installation, eventually

Json = Any
ECHO = {"id": "f", "image": "localhost:5000/echo:v1"}
COUNTING = {"id": "f", "image": "localhost:5000/counting:v1"}
SHARED = {"key": "x", "scope": "workflow"}
DETACHED: dict[str, Json] = {"async": True}
MAX_OBJECT_BYTES = 64 * 1024


def call(id: str = "call", function: str = "f", input: Json = "jq(.)", **fields: Json) -> Json:
    action = {"function": function, "input": input}
    return {"id": id, "type": "action", "action": action, **fields}


def subflow(workflow: str, id: str = "f") -> Json:
    return {"id": id, "type": "subflow", "workflow": workflow}


@pytest.fixture(scope="module")
def here(varflow: Installation, cluster: Any) -> Iterator[Kubectl]:
    """Calls in a namespace of this file's own, of a cluster with Varflow."""
    kubectl: Kubectl = cluster.kubectl
    with kubectl.new_namespace() as name:
        there = kubectl.in_namespace(name)
        there("wait", "--for=create", "serviceaccount/default", "--timeout=60s")
        yield there


STATES: dict[str, tuple[list[Json], Json, Json]] = {
    "action": (
        [call(transform="jq({got: .return.n})")],
        {"n": 1},
        {"got": 1},
    ),
    "parallel-and": (
        [
            {
                "id": "both",
                "type": "parallel",
                "mode": "and",
                "actions": [
                    {"function": "f", "input": {"n": 1}},
                    {"function": "f", "input": {"n": "jq(.n)"}},
                ],
                "transform": "jq({all: [.return[].n]})",
            }
        ],
        {"n": 2},
        {"all": [1, 2]},
    ),
    "parallel-or": (
        [
            {
                "id": "either",
                "type": "parallel",
                "mode": "or",
                "actions": [
                    {"function": "wrong", "input": {}},
                    {"function": "f", "input": {"n": "jq(.n)"}},
                ],
                "transform": "jq({all: .return})",
            }
        ],
        {"n": 2},
        {"all": [None, {"n": 2}]},
    ),
    "foreach": (
        [
            {
                "id": "each",
                "type": "foreach",
                "array": "jq([.numbers[] | {n: .}])",
                "action": {"function": "f"},
                "transform": "jq({all: [.return[].n]})",
            }
        ],
        {"numbers": [3, 1, 2]},
        {"all": [3, 1, 2]},
    ),
    "switch": (
        [
            {
                "id": "which",
                "type": "switch",
                "conditions": [{"condition": "jq(.n > 1)", "transition": "many"}],
                "defaultTransition": "few",
            },
            {"id": "many", "type": "noop", "transform": {"said": "many"}},
            {"id": "few", "type": "noop", "transform": {"said": "few"}},
        ],
        {"n": 2},
        {"said": "many"},
    ),
    "setter-and-getter": (
        [
            {
                "id": "set",
                "type": "setter",
                "variables": [{**SHARED, "value": "jq(.n)"}],
                "transition": "get",
            },
            {"id": "get", "type": "getter", "variables": [SHARED]},
        ],
        {"n": 7},
        {"n": 7, "var": {"x": 7}},
    ),
    "noop": ([{"id": "n", "type": "noop", "log": "jq(.n)"}], {"n": 1}, {"n": 1}),
    "delay": ([{"id": "wait", "type": "delay", "duration": "PT1S"}], {"n": 1}, {"n": 1}),
    "validate": (
        [
            {
                "id": "check",
                "type": "validate",
                "schema": {"type": "object", "required": ["m"]},
                "catch": [{"error": "direktiv.schema.*", "transition": "bad"}],
            },
            {"id": "bad", "type": "noop", "transform": "jq({code: .error.code})"},
        ],
        {"n": 1},
        {"code": "direktiv.schema.failed"},
    ),
    "subflow": (
        [call(transform="jq({back: .return.n})")],
        {"n": 5},
        {"back": 5},
    ),
}


@pytest.mark.parametrize("name", STATES)
def test_each_state_does_in_a_cluster_what_it_does_elsewhere(here: Kubectl, name: str) -> None:
    states, input, output = STATES[name]
    functions = [subflow("given-back")] if name == "subflow" else [ECHO]
    if name == "parallel-or":
        functions.append(subflow("failing", "wrong"))
        apply_workflow(
            here, "failing", states=[{"id": "e", "type": "error", "error": "no", "message": "no"}]
        )
    if name == "subflow":
        apply_workflow(here, "given-back", states=[{"id": "n", "type": "noop"}])
    apply_workflow(here, name, functions=functions, states=states)

    assert output_of(here, name, input=input) == output


def test_an_error_state_ends_an_instance_with_its_error(here: Kubectl) -> None:
    error = {"id": "e", "type": "error", "error": "my.error", "message": "no %s", "args": ["way"]}
    apply_workflow(here, "error", states=[error])

    status = run(here, "error")

    assert status["phase"] == "Failed"
    assert status["error"] == {"code": "my.error", "message": "no way"}


def test_an_asynchronous_action_is_not_waited_for_and_leaves_its_output(
    here: Kubectl, bucket: Bucket
) -> None:
    given = {"seconds": 5, "key": "late"}
    states = [call(input=given, **DETACHED)]
    apply_workflow(here, "async", functions=[COUNTING], states=states)

    assert output_of(here, "async", input={"a": 1}) == {"a": 1}

    owner = here.get("vwf", "async")["metadata"]["uid"]
    assert not is_stored(bucket, owner, "late")
    eventually(lambda: is_stored(bucket, owner, "late"), seconds=30, what="its output is there")


def is_stored(bucket: Bucket, owner: str, key: str) -> bool:
    return any(name.endswith(f"/w/{owner}/{key}!") for name in bucket.names())


# A large loop


@contextlib.contextmanager
def versions(here: Kubectl, name: str) -> Iterator[list[str]]:
    """Give every version of an instance, as the API server keeps it, from now on."""
    path = f"/apis/varflow.dev/v1alpha1/namespaces/{here.namespace}/workflowinstances"
    query = f"watch=true&fieldSelector=metadata.name={name}"
    command = [
        str(here.program),
        f"--kubeconfig={here.kubeconfig}",
        "get",
        "--raw",
        f"{path}?{query}",
    ]
    found: list[str] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        reading = threading.Thread(target=found.extend, args=(process.stdout,))
        reading.start()
        try:
            yield found
        finally:
            process.terminate()
            reading.join()


def test_a_loop_over_a_thousand_elements_keeps_order_and_a_small_object(here: Kubectl) -> None:
    each = {
        "id": "each",
        "type": "foreach",
        "array": 'jq([range(1000) | {n: ., text: "element number \\(.) of a thousand"}])',
        "action": {"function": "f"},
        "transform": "jq({numbers: [.return[].n], last: .return[999].text})",
    }
    function = {**ECHO, "concurrency": 20, "scale": {"min": 1, "max": 2}}
    apply_workflow(here, "loop", functions=[function], states=[each])
    name = start(here, "loop")

    with versions(here, name) as seen:
        (status,) = finish(here, name, seconds=300)

    assert status["phase"] == "Complete", status
    assert status["output"]["numbers"] == list(range(1000))
    assert status["output"]["last"] == "element number 999 of a thousand"
    sizes = [len(json.dumps(json.loads(line)["object"])) for line in seen]
    assert max(sizes) < MAX_OBJECT_BYTES


# Subflows


def apply_three_deep(here: Kubectl, *, last: Json) -> None:
    """Apply `one`, which calls `two`, which calls `three`."""
    apply_workflow(here, "three", states=[last])
    for name, below in (("two", "three"), ("one", "two")):
        state = call(transform=f'jq({{path: (.return.path + ["{name}"])}})')
        apply_workflow(here, name, functions=[subflow(below)], states=[state])


def test_subflows_three_deep_hand_their_output_up(here: Kubectl) -> None:
    apply_three_deep(here, last={"id": "n", "type": "noop", "transform": {"path": ["three"]}})

    assert output_of(here, "one", input={"n": 1}) == {"path": ["three", "two", "one"]}


def test_an_error_crosses_two_levels_of_subflows(here: Kubectl) -> None:
    apply_three_deep(here, last={"id": "e", "type": "error", "error": "my.error", "message": "no"})
    name = start(here, "one", input={"n": 1})

    (status,) = finish(here, name)

    assert status["phase"] == "Failed"
    assert status["error"] == {"code": "my.error", "message": "no"}
    table = here("get", "vwi", "--output=wide")
    assert name in table.partition("\n")[2]
    assert "PARENT" in table


def test_deleting_an_instance_deletes_those_below_it(here: Kubectl) -> None:
    apply_three_deep(here, last={"id": "wait", "type": "delay", "duration": "PT1H"})
    name = start(here, "one", input={"n": 1})
    eventually(lambda: len(descendants(here, name)) == 2, seconds=60, what="subflows run")
    below = descendants(here, name)

    here("delete", "vwi", name)

    eventually(lambda: not below & names_of(here), seconds=60, what="they are gone, too")


def names_of(here: Kubectl) -> set[str]:
    return {it["metadata"]["name"] for it in here.get("vwi")["items"]}


def descendants(here: Kubectl, name: str) -> set[str]:
    """Return the names of the instances below an instance."""
    parents = {
        it["metadata"]["name"]: it["spec"].get("parent", {}).get("name", "")
        for it in here.get("vwi")["items"]
    }
    found = {name}
    for _ in parents:
        found |= {child for child, parent in parents.items() if parent in found}
    return found - {name}
