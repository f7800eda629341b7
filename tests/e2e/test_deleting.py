"""Deleting an instance, a workflow, a namespace: nothing of theirs stays, and nothing hangs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.cluster.kubectl import Kubectl
from tests.support.cluster_runs import apply_workflow, output_of, start, uid
from tests.support.installation import Bucket, Installation, eventually
from varflow_operator import names

COUNTING = {"id": "f", "image": "localhost:5000/counting:v1"}
STATES = [
    {
        "id": "keep",
        "type": "setter",
        "variables": [
            {"key": "x", "scope": scope, "value": "y" * 50_000}
            for scope in ("instance", "workflow", "namespace")
        ],
        "transition": "work",
    },
    {
        "id": "work",
        "type": "action",
        "action": {"function": "f", "input": {"seconds": "jq(.seconds)", "key": "k"}},
    },
]
GONE_SECONDS = 60.0


@pytest.fixture
def here(varflow: Installation, kubectl: Kubectl, namespace: str) -> Kubectl:
    """Calls in the test's namespace, of a cluster with Varflow, with a workflow that keeps data."""
    there = kubectl.in_namespace(namespace)
    apply_workflow(there, "keeping", functions=[COUNTING], states=STATES)
    return there


def begin(here: Kubectl) -> str:
    """Start an instance that works for long, and return its name once it does."""
    name = start(here, "keeping", input={"seconds": 300})
    eventually(
        lambda: here.get("vwi", name).get("status", {}).get("state") == "work",
        seconds=60,
        what="the instance works",
    )
    return name


def is_gone(bucket: Bucket, part: str) -> bool:
    """Tell whether nothing is left."""
    return not [key for key in bucket.names() if part in key]


def objects_of_workflows(here: Kubectl) -> set[str]:
    """Return what the operator has made in the namespace; its key stays as long as it does."""
    ours = "--selector=app.kubernetes.io/managed-by=varflow-operator"
    found = here.get("pods,secrets,deployments,vwi,controllerrevisions", ours)["items"]
    return {it["metadata"]["name"] for it in found} - {names.ENCRYPTION_SECRET}


@pytest.fixture(params=["operator there", "operator away"])
def operator_is_away(request: pytest.FixtureRequest, varflow: Installation) -> Iterator[bool]:
    """Tell whether the operator is to be away meanwhile; it is back after the test."""
    yield request.param == "operator away"
    scale_operator(varflow, 1)


def scale_operator(varflow: Installation, replicas: int) -> None:
    varflow.kubectl("scale", "deployment/varflow-operator", f"--replicas={replicas}")
    varflow.kubectl("rollout", "status", "deployment/varflow-operator", "--timeout=90s")
    if not replicas:
        eventually(
            lambda: (
                not varflow.kubectl.get("pods", "-lapp.kubernetes.io/component=operator")["items"]
            ),
            seconds=60,
            what="the operator has gone",
        )


def delete(here: Kubectl, varflow: Installation, *what: str, is_away: bool) -> None:
    if is_away:
        scale_operator(varflow, 0)
    here("delete", *what, "--timeout=60s")
    if is_away:
        scale_operator(varflow, 1)


def test_of_a_deleted_instance_nothing_stays(
    here: Kubectl, varflow: Installation, bucket: Bucket, operator_is_away: bool
) -> None:
    name = begin(here)
    owner = uid(here, "vwi", name)

    delete(here, varflow, "vwi", name, is_away=operator_is_away)

    eventually(lambda: is_gone(bucket, f"/i/{owner}/"), seconds=GONE_SECONDS, what="its data goes")


def test_of_a_deleted_workflow_nothing_stays(
    here: Kubectl, varflow: Installation, bucket: Bucket, operator_is_away: bool
) -> None:
    name = begin(here)
    owners = uid(here, "vwf", "keeping"), uid(here, "vwi", name)

    delete(here, varflow, "vwf", "keeping", is_away=operator_is_away)

    eventually(
        lambda: all(is_gone(bucket, f"/{owner}/") for owner in owners),
        seconds=GONE_SECONDS,
        what="data goes",
    )
    eventually(
        lambda: not objects_of_workflows(here),
        seconds=GONE_SECONDS,
        what="pods, Secrets and instances go",
    )


def test_of_a_deleted_namespace_nothing_stays(
    here: Kubectl, varflow: Installation, bucket: Bucket, namespace: str, operator_is_away: bool
) -> None:
    output_of(here, "keeping", input={"seconds": 0})
    begin(here)
    owner = uid(here, "namespace", namespace)

    delete(here, varflow, "namespace", namespace, is_away=operator_is_away)
    here("create", "namespace", namespace)

    eventually(lambda: is_gone(bucket, f"/{owner}/"), seconds=GONE_SECONDS, what="its data goes")
