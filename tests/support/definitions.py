"""Builders for tests of what the operator makes of definitions."""

from __future__ import annotations

from typing import Any

from varflow.language import loading
from varflow.language.workflow import Workflow
from varflow.variables.stores.credentials import Credentials
from varflow_operator.kinds import VARIABLE, WORKFLOW, Object
from varflow_operator.resources.objects import Platform
from varflow_operator.resources.plans import FunctionPods, Owner, plan
from varflow_operator.resources.pods import SidecarImage

OWNER = Owner(namespace="team", name="hello", uid="00000000-0000-4000-8000-000000000001")
PLATFORM = Platform(
    sidecar=SidecarImage(name="example.org/varflow-sidecar:1"),
    store="s3://bucket/prefix?endpoint=http://store:7070",
    credentials=Credentials(access_key_id="the-id", secret_access_key="the-secret-key"),
)
TOKEN = "the-token"
CALL = {"id": "call", "type": "action", "action": {"function": "f"}}


def workflow_object(
    *,
    functions: Any = ({"id": "f", "image": "example.org/f:1"},),
    states: Any = (CALL,),
    name: str = "hello",
    namespace: str = "team",
    **spec: Any,
) -> Object:
    """Return a Workflow as the API has one."""
    return {
        "apiVersion": WORKFLOW.api_version,
        "kind": WORKFLOW.name,
        "metadata": {"name": name, "namespace": namespace, "uid": OWNER.uid, "generation": 1},
        "spec": {"functions": list(functions), "states": list(states), **spec},
    }


def variable_object(*, name: str = "greeting", namespace: str = "team", **spec: Any) -> Object:
    """Return a Variable as the API has one."""
    return {
        "apiVersion": VARIABLE.api_version,
        "kind": VARIABLE.name,
        "metadata": {"name": name, "namespace": namespace, "uid": "variable", "generation": 1},
        "spec": {"scope": "namespace", **spec},
    }


def workflow_of(obj: Object) -> Workflow:
    """Return what a Workflow object defines."""
    workflow = loading.load_object(obj, is_compiled=True)
    assert isinstance(workflow, Workflow)
    return workflow


def pods_of(*, states: Any = (CALL,), timeouts: Any = None, **function: Any) -> FunctionPods:
    """Return the pods of a function `f` with these fields."""
    whole = {"id": "f", "image": "example.org/f:1", **function}
    spec = {"timeouts": timeouts} if timeouts else {}
    (found,) = plan(workflow_of(workflow_object(functions=[whole], states=states, **spec)), OWNER)
    return found
