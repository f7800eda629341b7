"""What is wrong is said where people look for it, and what waits in vain ends."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from tests.support.cluster.kubectl import CallFailed, Kubectl
from tests.support.cluster_runs import apply_workflow, make_workflow, run, start
from tests.support.installation import Installation, eventually

CALL = {"id": "call", "type": "action", "action": {"function": "f"}}

IN_VAIN: dict[str, dict[str, Any]] = {
    "Unschedulable": {"image": "localhost:5000/echo:v1", "pod": {"nodeSelector": {"no": "node"}}},
    "Image": {"image": "localhost:5000/none:v1"},
    "Crash": {"image": "localhost:5000/echo:v1", "command": ["python3", "-c", "1/0"]},
}
"""Functions whose pods never become ready, by what their instances' reason says."""


@pytest.fixture
def here(varflow: Installation, kubectl: Kubectl, namespace: str) -> Kubectl:
    """Calls in the test's namespace, of a cluster with Varflow."""
    return kubectl.in_namespace(namespace)


def test_what_one_object_can_show_is_refused_when_it_is_applied(here: Kubectl) -> None:
    state = {"id": "a", "type": "noop", "transition": "b"}

    with pytest.raises(CallFailed, match="b"):
        here.apply(make_workflow("bad", states=[state]))


def test_what_only_the_loader_sees_makes_the_workflow_not_ready(here: Kubectl) -> None:
    broken = {"id": "a", "type": "noop", "transform": "jq(.a |)"}
    here.apply(make_workflow("bad", states=[broken]))

    here("wait", "--for=condition=Ready=False", "vwf/bad", "--timeout=30s")

    (ready,) = [
        it for it in here.get("vwf", "bad")["status"]["conditions"] if it["type"] == "Ready"
    ]
    assert ready["reason"] == "InvalidSpec"
    assert "states[0].transform" in ready["message"]


def test_instances_that_wait_for_a_pod_in_vain_say_why_and_end(here: Kubectl) -> None:
    names = {reason: start_in_vain(here, reason) for reason in IN_VAIN}  # each waits a minute

    for reason, name in names.items():
        eventually(
            partial(says, here, name, reason),
            seconds=55,
            what=f"the reason says {reason}",
        )
    for reason, name in names.items():
        here("wait", "--for=condition=Completed", f"vwi/{name}", "--timeout=90s")
        status = status_of(here, name)
        assert status["phase"] == "Failed"
        assert reason in status["error"]["message"]


def start_in_vain(here: Kubectl, reason: str) -> str:
    workflow = f"waiting-{reason.lower()}"
    apply_workflow(
        here,
        workflow,
        functions=[{"id": "f", **IN_VAIN[reason]}],
        states=[CALL],
        pendingTimeoutSeconds=60,
    )
    return start(here, workflow)


def says(here: Kubectl, name: str, reason: str) -> bool:
    return reason in status_of(here, name).get("reason", "")


def status_of(here: Kubectl, name: str) -> dict[str, Any]:
    status: dict[str, Any] = here.get("vwi", name).get("status", {})
    return status


def test_an_instance_without_its_workflow_says_so(here: Kubectl) -> None:
    name = start(here, "missing")

    eventually(
        lambda: "missing" in here.get("vwi", name).get("status", {}).get("reason", ""),
        seconds=30,
        what="the reason names the workflow",
    )


def test_an_instance_of_a_workflow_that_comes_later_runs(here: Kubectl) -> None:
    name = start(here, "late")
    apply_workflow(here, "late", states=[{"id": "n", "type": "noop"}])

    here("wait", "--for=condition=Completed", f"vwi/{name}", "--timeout=60s")

    assert run(here, "late")["phase"] == "Complete"
