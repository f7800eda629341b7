"""What a function may answer, and what it can reach, in a pod (direktiv-contract.md §1)."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.support.cluster.kubectl import Kubectl
from tests.support.cluster_runs import apply_workflow, finish, output_of, run, start
from tests.support.installation import Installation, eventually

CONTRACT = {"id": "f", "image": "localhost:5000/contract:v1"}
CALL = {"id": "call", "type": "action", "action": {"function": "f"}}


@pytest.fixture
def here(varflow: Installation, kubectl: Kubectl, namespace: str) -> Kubectl:
    """Calls in the test's namespace, of a cluster with Varflow, with a function to call."""
    there = kubectl.in_namespace(namespace)
    apply_workflow(there, "contract", functions=[CONTRACT], states=[CALL])
    return there


def answer(here: Kubectl, what: str) -> Any:
    return output_of(here, "contract", input={"do": what})["return"]


def test_answers_become_values(here: Kubectl) -> None:
    assert answer(here, "bytes") == base64.b64encode(b"\xff\x00 no JSON").decode()
    assert answer(here, "nothing") == ""


def test_errors_by_header_and_by_status(here: Kubectl) -> None:
    by_header = run(here, "contract", input={"do": "error"})
    by_status = run(here, "contract", input={"do": "status"})
    by_message = run(here, "contract", input={"do": "message only"})

    assert (by_header["phase"], by_header["error"]["code"]) == ("Failed", "my.code")
    assert by_header["error"]["message"] == "my message"
    assert (by_status["phase"], by_status["error"]["code"]) == ("Failed", "container failed")
    assert (by_message["phase"], by_message["error"]["code"]) == (
        "Crashed",
        "direktiv.internal.error",
    )


def test_what_a_failed_function_left_is_not_kept(here: Kubectl) -> None:
    apply_workflow(
        here,
        "after-error",
        functions=[CONTRACT],
        states=[
            {**CALL, "catch": [{"error": "my.code", "transition": "look"}]},
            {
                "id": "look",
                "type": "getter",
                "variables": [{"key": "of-failed", "scope": "workflow"}],
            },
        ],
    )

    assert output_of(here, "after-error", input={"do": "error"})["var"] == {"of-failed": None}


def test_a_cancel_reaches_the_function(here: Kubectl) -> None:
    name = start(here, "contract", input={"do": "wait"})
    eventually(lambda: answer(here, "is waiting"), seconds=60, what="the function was called")
    here("patch", "vwi", name, "--type=merge", '--patch={"spec":{"cancel":true}}')

    (status,) = finish(here, name)

    assert status["phase"] == "Cancelled"
    assert answer(here, "was cancelled") is True


def test_a_function_can_reach_its_variables_and_nothing_else(here: Kubectl) -> None:
    found = answer(here, "look around")

    assert found["secret names in the environment"] == []
    assert found["service account"] is False
    assert found["action port"] == "401"
    assert found["variables"] == "200"
    assert found["variables from outside"] == "ConnectionRefusedError" or found[
        "variables from outside"
    ].endswith("Error")
    assert found["other processes"] == ["python3 /function/program.py"]
    assert found["user"] == 65532
