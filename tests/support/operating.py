"""The operator's part, played by a test: what it would write into status, through the API."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support import runs
from tests.support.cluster.kubectl import Kubectl

AT = "2026-11-20T10:00:00Z"
REVISION = "0a1b2c3d4e"


@dataclass(frozen=True, slots=True)
class Operator:
    """Accepts definitions and moves instances on, in one namespace."""

    kubectl: Kubectl

    def accept(self, name: str, *, kind: str = "workflow") -> None:
        """Accept the present generation of an object, as soon as it is there."""
        self._judge(kind, name, [_condition("Ready", "True", "Accepted", "")])

    def refuse(self, name: str, message: str, *, kind: str = "workflow") -> None:
        """Say that an object's present generation will never do."""
        reason = "InvalidSpec"
        conditions = [
            _condition("Ready", "False", reason, message),
            _condition("Stalled", "True", reason, message),
        ]
        self._judge(kind, name, conditions)

    def wait_for_instance(self) -> str:
        """Return the name of the only instance, as soon as it is there."""
        return runs.until(self._find_instance, what="instance")

    def wait_for_cancel(self, name: str) -> None:
        """Return when somebody has asked for the instance's end."""
        runs.wait_until(
            lambda: bool(self._get("workflowinstance", name)["spec"].get("cancel")),
            what=f"cancel of {name}",
        )

    def move(self, name: str, **status: Any) -> None:
        """Write an instance's status."""
        self._write("workflowinstance", name, status)

    def step(self, name: str, *states: str) -> None:
        """Say that an instance has entered these states, the last one now."""
        steps = [
            {"state": state, "step": number, "startTime": AT}
            for number, state in enumerate(states, 1)
        ]
        self.move(
            name,
            phase="Running",
            startTime=AT,
            state=states[-1],
            step=len(states),
            recentSteps=steps,
        )

    def end(self, name: str, phase: str = "Complete", **status: Any) -> None:
        """Say that an instance has ended, two seconds after it began."""
        self.move(name, phase=phase, completionTime="2026-11-20T10:00:02Z", **status)

    def make_ready(self, pod: str) -> None:
        """Say what a kubelet would say of a pod that runs."""
        self._write("pod", pod, {"conditions": [{"type": "Ready", "status": "True"}]})

    def _judge(self, kind: str, name: str, conditions: list[dict[str, Any]]) -> None:
        found = runs.until(lambda: self._find_new(kind, name), what=f"new {kind} {name}")
        generation = found["metadata"]["generation"]
        own = [{**condition, "observedGeneration": generation} for condition in conditions]
        status = {"observedGeneration": generation, "conditions": own}
        revision = {"revision": REVISION} if kind == "workflow" else {}
        self._write(kind, name, {**status, **revision})

    def _find_new(self, kind: str, name: str) -> dict[str, Any] | None:
        """Return an object whose present generation was not judged yet."""
        for found in self._list(kind):
            judged = found.get("status", {}).get("observedGeneration")
            if found["metadata"]["name"] == name and judged != found["metadata"]["generation"]:
                return found
        return None

    def _find_instance(self) -> str | None:
        names = [it["metadata"]["name"] for it in self._list("workflowinstance")]
        return str(names[0]) if names else None

    def _list(self, kind: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.kubectl.get(kind)["items"]
        return found

    def _get(self, kind: str, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.kubectl.get(kind, name)
        return found

    def _write(self, kind: str, name: str, status: dict[str, Any]) -> None:
        body = json.dumps({"status": status})
        self.kubectl("patch", kind, name, "--subresource=status", "--type=merge", "--patch", body)


def settings(url: str, *, secret: str, encryption: str = "") -> dict[str, Any]:
    """Return the ConfigMap by which an installation tells where its store is."""
    labels = {"app.kubernetes.io/name": "varflow", "app.kubernetes.io/component": "settings"}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "varflow-settings", "labels": labels},
        "data": {"store": url, "storeSecret": secret, "encryption": encryption},
    }


def log_in(kubectl: Kubectl, rights: list[tuple[str, str]], kubeconfig: Path, folder: Path) -> Path:
    """Return the kubeconfig of an account that has these rights, verbs of resources, alone."""
    account = f"{kubectl.namespace}:somebody"
    kubectl("create", "serviceaccount", "somebody")
    for verb, resource in rights:
        role = f"{kubectl.namespace}-{verb}-{resource}"
        kubectl("create", "clusterrole", role, f"--verb={verb}", f"--resource={resource}")
        subject = f"--serviceaccount={account}"
        kubectl("create", "clusterrolebinding", role, f"--clusterrole={role}", subject)
    config = json.loads(kubeconfig.read_text())
    token = kubectl("create", "token", "somebody").strip()
    config["users"] = [{"name": "admin", "user": {"token": token}}]
    return write_kubeconfig(folder / "somebody", config)


def write_kubeconfig(path: Path, config: dict[str, Any]) -> Path:
    """Write a kubeconfig and return its path."""
    path.write_text(json.dumps({"apiVersion": "v1", "kind": "Config", **config}))
    return path


def in_namespace(kubeconfig: Path, namespace: str, folder: Path) -> Path:
    """Write the same kubeconfig, whose context works in a namespace, into a folder."""
    config = json.loads(kubeconfig.read_text())
    config["contexts"][0]["context"]["namespace"] = namespace
    return write_kubeconfig(folder / "kubeconfig", config)


def _condition(kind: str, status: str, reason: str, message: str) -> dict[str, Any]:
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": AT,
    }
