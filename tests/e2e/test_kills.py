"""Twenty instances in flight, and something is killed; each ends right and nothing is doubled."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.support.cluster.kubectl import Kubectl
from tests.support.cluster_runs import apply_workflow, finish, start_all
from tests.support.installation import Bucket, Installation, eventually, kill_container

INSTANCES = 20
COUNTING = {
    "id": "f",
    "image": "localhost:5000/counting:v1",
    "concurrency": INSTANCES,
    "scale": {"min": 1, "max": 1},
}
WORK = {
    "id": "work",
    "type": "action",
    "action": {
        "function": "f",
        "input": {"seconds": 20, "key": "jq(.key)"},
        "retries": {"max_attempts": 3, "codes": ["*"], "delay": "PT1S"},
    },
    "transition": "count",
}
COUNT = {
    "id": "count",
    "type": "setter",
    "variables": [
        {"key": 'jq(.key + "-set")', "scope": "workflow", "value": "jq(.return.idempotencyKey)"}
    ],
}


@pytest.fixture
def here(varflow: Installation, kubectl: Kubectl, namespace: str) -> Kubectl:
    """Calls in the test's namespace, of a cluster with Varflow, with a function that counts."""
    there = kubectl.in_namespace(namespace)
    apply_workflow(there, "counting", functions=[COUNTING], states=[WORK, COUNT])
    return there


def function_pod(here: Kubectl) -> str:
    labels = "--selector=app.kubernetes.io/component=function"
    pods = here.get("pods", labels, "--field-selector=status.phase=Running")["items"]
    return next((pod["metadata"]["name"] for pod in pods), "")


def kill_function_pod(here: Kubectl, _: Kubectl) -> None:
    here("delete", "pod", function_pod(here), "--force", "--grace-period=0")


def kill_sidecar(here: Kubectl, _: Kubectl) -> None:
    kill_container(here, function_pod(here), "varflow-sidecar")


def kill_operator(_: Kubectl, system: Kubectl) -> None:
    (pod,) = system.get("pods", "--selector=app.kubernetes.io/component=operator")["items"]
    (container,) = pod["spec"]["containers"]
    kill_container(system, pod["metadata"]["name"], container["name"])


@pytest.mark.parametrize(
    "kill",
    [kill_operator, kill_sidecar, kill_function_pod],
    ids=["operator", "sidecar", "function pod"],
)
def test_every_instance_ends_right_and_no_effect_is_doubled(
    here: Kubectl,
    varflow: Installation,
    bucket: Bucket,
    namespace: str,
    kill: Callable[[Kubectl, Kubectl], None],
) -> None:
    eventually(lambda: function_pod(here), seconds=60, what="the function has a pod")
    inputs = [{"key": f"k{n}"} for n in range(INSTANCES)]
    names = start_all(here, "counting", inputs=inputs)
    eventually(lambda: count_running(here) == INSTANCES, seconds=60, what="all are in flight")

    kill(here, varflow.kubectl)
    statuses = finish(here, *names, seconds=180)

    assert [it["phase"] for it in statuses] == ["Complete"] * INSTANCES, json.dumps(statuses)[:2000]
    owner = here.get("vwf", "counting")["metadata"]["uid"]
    for n in range(INSTANCES):
        expected = statuses[n]["output"]["return"]["idempotencyKey"]
        assert writes_of(bucket, owner, f"k{n}") == (1, f"{expected}\n")
        assert writes_of(bucket, owner, f"k{n}-set") == (1, f'"{expected}"')


def count_running(here: Kubectl) -> int:
    items = here.get("vwi")["items"]
    return sum(it.get("status", {}).get("state") == "work" for it in items)


def writes_of(bucket: Bucket, owner: str, key: str) -> tuple[int, str]:
    """Return how often a variable was written, and its bytes: revisions count from 1."""
    (path,) = [it for it in bucket.names() if it.endswith(f"/w/{owner}/{key}!")]
    header, _, value = bucket.read(path).partition(b"\n")
    return int(json.loads(header)["current"]["rev"].partition("-")[0]), value.decode()
