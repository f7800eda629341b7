"""Workflows in a cluster: applied and run with kubectl, as a user without our CLI would."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.support.cluster.kubectl import Kubectl
from varflow.language import editions, manifests
from varflow.language.editions import Envelope

API_VERSION = "varflow.dev/v1alpha1"
Json = Any


def apply_file(kubectl: Kubectl, path: Path) -> str:
    """Apply the workflow of a file in any of the three forms, wait for it, and return its name."""
    envelope = editions.open_document(yaml.safe_load(path.read_text()), stem=path.stem)
    assert isinstance(envelope, Envelope)
    return apply(kubectl, manifests.make_manifest(envelope))


def apply_workflow(kubectl: Kubectl, name: str, **spec: Json) -> str:
    """Apply a workflow, wait for it, and return its name."""
    return apply(kubectl, make_workflow(name, **spec))


def make_workflow(name: str, **spec: Json) -> dict[str, Json]:
    """Return the manifest of a workflow."""
    metadata = {"name": name}
    return {"apiVersion": API_VERSION, "kind": "Workflow", "metadata": metadata, "spec": spec}


def apply(kubectl: Kubectl, manifest: dict[str, Json]) -> str:
    """Apply a workflow's manifest, wait for it, and return its name."""
    kubectl.apply(manifest)
    name: str = manifest["metadata"]["name"]
    kubectl("wait", "--for=condition=Ready", f"vwf/{name}", "--timeout=60s")
    return name


def start(kubectl: Kubectl, workflow: str, *, input: Json = None) -> str:
    """Create an instance and return its name."""
    (name,) = start_all(kubectl, workflow, inputs=[input])
    return name


def start_all(kubectl: Kubectl, workflow: str, *, inputs: Sequence[Json]) -> list[str]:
    """Create instances with these inputs at one time, and return their names."""
    manifests = [_make_instance(workflow, input) for input in inputs]
    # JSON, since kubectl takes a key such as n for a truth value where it is not quoted.
    text = "\n---\n".join(map(json.dumps, manifests))
    made = kubectl("create", "--filename=-", "--output=name", stdin=text)
    return [line.rpartition("/")[2] for line in made.split()]


def _make_instance(workflow: str, input: Json) -> dict[str, Json]:
    given = {} if input is None else {"input": input}
    return {
        "apiVersion": API_VERSION,
        "kind": "WorkflowInstance",
        "metadata": {"generateName": f"{workflow}-"},
        "spec": {"workflow": workflow, **given},
    }


def finish(kubectl: Kubectl, *names: str, seconds: int = 90) -> list[Json]:
    """Wait until instances are over, and return their statuses."""
    targets = [f"vwi/{name}" for name in names]
    kubectl("wait", "--for=condition=Completed", *targets, f"--timeout={seconds}s")
    return [kubectl.get("vwi", name)["status"] for name in names]


def run(kubectl: Kubectl, workflow: str, *, input: Json = None, seconds: int = 90) -> Json:
    """Run an instance and return its status."""
    (status,) = finish(kubectl, start(kubectl, workflow, input=input), seconds=seconds)
    return status


def output_of(kubectl: Kubectl, workflow: str, *, input: Json = None) -> Json:
    """Run an instance that has to complete, and return its output."""
    status = run(kubectl, workflow, input=input)
    assert status["phase"] == "Complete", status
    return status["output"]


def uid(kubectl: Kubectl, *what: str) -> str:
    """Return an object's UID, which stands in the paths of what it owns in the store."""
    found: str = kubectl.get(*what)["metadata"]["uid"]
    return found
