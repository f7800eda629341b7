"""What is wrong is said where people look for it, and what waits in vain ends."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.cluster.kubectl import CallFailed, Kubectl
from tests.support.cluster_runs import apply_workflow, make_workflow, run, start
from tests.support.installation import Installation, eventually

CALL = {"id": "call", "type": "action", "action": {"function": "f"}}


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


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        ({"image": "localhost:5000/none:v1"}, "Image"),
        ({"image": "localhost:5000/echo:v1", "command": ["python3", "-c", "1/0"]}, "Crash"),
        (
            {"image": "localhost:5000/echo:v1", "pod": {"nodeSelector": {"no": "node"}}},
            "Unschedulable",
        ),
    ],
    ids=["an image that does not exist", "a crash loop", "unschedulable"],
)
def test_an_instance_that_waits_for_a_pod_in_vain_says_why_and_ends(
    here: Kubectl, function: dict[str, Any], reason: str
) -> None:
    apply_workflow(
        here,
        "waiting",
        functions=[{"id": "f", **function}],
        states=[CALL],
        pendingTimeoutSeconds=60,
    )
    name = start(here, "waiting")

    eventually(
        lambda: reason in here.get("vwi", name).get("status", {}).get("reason", ""),
        seconds=55,
        what=f"the reason says {reason}",
    )
    here("wait", "--for=condition=Completed", f"vwi/{name}", "--timeout=90s")
    status = here.get("vwi", name)["status"]
    assert status["phase"] == "Failed"
    assert reason in status["error"]["message"]


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
