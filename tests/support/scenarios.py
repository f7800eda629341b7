"""Conformance cases that are a script: instances that are started, cancelled and looked at.

They run in a cluster, by `varflow run -k` and `varflow instances`, since a run on one machine
leaves no instance to look at. An answer is put into the form of Direktiv's API, in which the cases
are written, as far as an instance here has what is asked for.

A script's sleeps give the instance time to get somewhere. Here each verb waits for that itself: a
start for the first state, a look for what it should see.
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support import conformance, runs
from tests.support.cluster.kubectl import Kubectl
from tests.support.runs import Caller, Running

VERBS = {"start", "sleep", "patch-instance", "get-instance"}
"""What a script may do; the others are about events, webhooks and gateways."""
NOT_HERE = {"definition", "invoker", "traceId"}
"""What Direktiv says of an instance and Varflow does not: its revision is named, not repeated."""


@dataclass(slots=True)
class Scenario:
    """One run of a case's script."""

    case: dict[str, Any]
    caller: Caller
    kubectl: Kubectl
    names: dict[int, str] = field(default_factory=dict)
    """Instances by the number of the step that started them."""
    running: list[Running] = field(default_factory=list)

    def play(self) -> None:
        """Do all steps, and assert what they claim."""
        try:
            for step in self.case["steps"]:
                for action in step["script"]:
                    self._do(action)
        finally:
            for it in self.running:
                it.end()

    def _do(self, action: dict[str, Any]) -> None:
        match action["do"]:
            case "start":
                self._start(action)
            case "patch-instance":
                assert action["body"] == {"status": "cancelled"}
                self._cancel(self._name(action))
            case "get-instance":
                name = self._name(action)
                runs.wait_until(lambda: self._has_ended(name), what=f"end of {name}")
                answer = {"statusCode": 200, "body": {"data": self._look(name)}}
                for claim in action["asserts"]:
                    conformance.check_claim(_without_foreign(claim), answer)
            case verb:
                assert verb == "sleep"

    def _start(self, action: dict[str, Any]) -> None:
        file = self._file(action["workflow"])
        given = ["--input", action["input_raw"]] if action["input_raw"] else []
        running = self.caller.start("run", "-k", str(file), "--json", *given)
        self.running.append(running)
        self.names[action["ref"]] = running.wait_for("instance ").rpartition("/")[2]
        running.wait_for("→ ")

    def _cancel(self, name: str) -> None:
        # By kubectl, which starts at once: the instance takes five seconds.
        patch = '{"spec": {"cancel": true}}'
        self.kubectl("patch", "workflowinstance", name, "--type", "merge", "--patch", patch)

    def _file(self, workflow: str) -> Path:
        (source,) = (it["file"] for it in self.case["files"] if it["path"] == workflow)
        target = self.caller.folder / Path(workflow).name
        target.write_bytes((conformance.FOLDER / source).read_bytes())
        return target

    def _name(self, action: dict[str, Any]) -> str:
        """Return the instance that a target such as `<<r1.body.data.id>>/output` means."""
        found = re.match(r"<<r(\d+)\.body\.data\.id>>", action["target"])
        assert found, action
        return self.names[int(found[1])]

    def _has_ended(self, name: str) -> bool:
        return (
            self.caller.call("instances", "get", name, "--json").answer["completedAt"] is not None
        )

    def _look(self, name: str) -> dict[str, Any]:
        """Return what is known of an instance, as Direktiv's API would say it."""
        shown = self.caller.call("instances", "get", name, "--json").answer
        found = json.loads(self.kubectl("get", "workflowinstance", name, "--output", "json"))
        error = shown["error"] or {}
        return {
            "id": found["metadata"]["uid"],
            "path": f"/{shown['workflow']}.yaml",
            "status": shown["phase"].lower(),
            "createdAt": shown["createdAt"],
            "endedAt": shown["completedAt"],
            "errorCode": error.get("code"),
            "errorMessage": _base64(error.get("message", "")),
            "flow": [step["state"] for step in shown["steps"]],
            "input": _base64(_compact(found["spec"].get("input"))),
            "output": _base64(_compact(shown["output"])),
            "lineage": [found["spec"]["parent"]] if "parent" in found["spec"] else [],
        }


def _without_foreign(claim: dict[str, Any]) -> dict[str, Any]:
    """Return the claim about what an instance has here."""
    if claim["path"] != "body":
        return claim
    wanted = {k: v for k, v in claim["value"]["data"].items() if k not in NOT_HERE}
    return claim | {"value": {"data": wanted}}


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
