"""`varflow run -k` against a real API server; the test plays the operator."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.support import operating, runs
from tests.support.api_proxy import ApiProxy
from tests.support.cluster.control_plane import ApiServer
from tests.support.cluster.kubectl import Kubectl
from tests.support.operating import Operator
from tests.support.runs import Caller, Running


@pytest.fixture
def caller(api_server: ApiServer, namespace: str, tmp_path: Path) -> Caller:
    """Somebody who is logged in, and works in the test's namespace."""
    environ = {"KUBECONFIG": str(api_server.kubeconfig), "VARFLOW_SYSTEM_NAMESPACE": namespace}
    return Caller(tmp_path, environ)


@pytest.fixture
def operator(kubectl: Kubectl, namespace: str) -> Operator:
    return Operator(kubectl.in_namespace(namespace))


@pytest.fixture
def noop(caller: Caller) -> Path:
    return runs.write_workflow(caller.folder, {"id": "a", "type": "noop"})


def start(caller: Caller, flow: Path, namespace: str, *arguments: str) -> Running:
    return caller.start("run", "-k", str(flow), "-n", namespace, "--json", *arguments)


def test_a_run_ends_with_the_same_object_as_on_this_machine(
    caller: Caller, operator: Operator, noop: Path, namespace: str
) -> None:
    running = start(caller, noop, namespace, "--input", '{"a": null}')
    operator.accept("flow")
    name = operator.wait_for_instance()
    operator.step(name, "a")
    running.wait_for("→ a")
    operator.end(name, output={"a": 1})

    ended = running.end()

    assert ended.exit_code == 0, ended.log
    assert ended.answer == {
        "instance": name,
        "status": "complete",
        "output": {"a": 1},
        "error": None,
    }
    assert f"instance {namespace}/{name}" in ended.log
    assert "✔ complete" in ended.log


def test_an_instance_is_its_workflows_and_says_who_asked_for_what(
    caller: Caller, operator: Operator, noop: Path, namespace: str
) -> None:
    running = start(caller, noop, namespace, "--input", '{"a": null}')
    operator.accept("flow")
    name = operator.wait_for_instance()
    operator.end(name)
    running.end()

    found = operator.kubectl.get("workflowinstance", name)
    workflow = operator.kubectl.get("workflow", "flow")
    assert name.startswith("flow-")
    assert found["spec"] == {
        "workflow": "flow",
        "revision": operating.REVISION,
        "input": {"a": None},
        "trigger": {"type": "cli"},
        "cancel": False,
    }
    assert [owner["uid"] for owner in found["metadata"]["ownerReferences"]] == [
        workflow["metadata"]["uid"]
    ]


def test_an_instance_says_whose_it_is_where_the_workflow_keeps_users_apart(
    caller: Caller, operator: Operator, kubectl: Kubectl, namespace: str
) -> None:
    states = {"id": "a", "type": "noop"}
    flow = runs.write_workflow(caller.folder, states, state={"perUser": True})
    running = start(caller, flow, namespace)
    operator.accept("flow")
    name = operator.wait_for_instance()
    operator.end(name)
    running.end()

    trigger = operator.kubectl.get("workflowinstance", name)["spec"]["trigger"]
    assert trigger.keys() == {"type", "user"}
    assert trigger["user"] in kubectl("auth", "whoami").split()


def test_a_file_of_the_older_edition_is_applied_as_a_manifest(
    caller: Caller, operator: Operator, namespace: str
) -> None:
    flow = caller.folder / "older.yaml"
    flow.write_text(
        "id: older\nfunctions:\n- id: f\n  image: an/image:v1\n  cmd: run --fast\n  scale: 1\n"
        "  local: {command: python3 f.py}\n"
        "states:\n- id: a\n  type: action\n  action: {function: f, input: .x}\n"
    )
    running = start(caller, flow, namespace)
    operator.accept("older")
    operator.end(operator.wait_for_instance())

    assert running.end().exit_code == 0
    spec = operator.kubectl.get("workflow", "older")["spec"]
    assert spec["expressions"] == "bare"
    (function,) = spec["functions"]
    assert (
        function.items()
        >= {
            "id": "f",
            "image": "an/image:v1",
            "command": ["run", "--fast"],
            "scale": {"min": 1},
            "local": {"command": "python3 f.py"},
        }.items()
    )


def test_a_changed_file_is_applied_and_waited_for_again(
    caller: Caller, operator: Operator, noop: Path, namespace: str
) -> None:
    first = start(caller, noop, namespace)
    operator.accept("flow")
    name = operator.wait_for_instance()
    operator.end(name)
    assert first.end().exit_code == 0
    operator.kubectl("delete", "workflowinstance", name)

    runs.write_workflow(caller.folder, {"id": "b", "type": "noop"})
    second = start(caller, noop, namespace)
    operator.accept("flow")
    operator.end(operator.wait_for_instance())

    assert second.end().exit_code == 0
    assert [it["id"] for it in operator.kubectl.get("workflow", "flow")["spec"]["states"]] == ["b"]


def test_variables_of_the_files_are_there_before_the_instance(
    caller: Caller, operator: Operator, noop: Path, namespace: str
) -> None:
    variable = caller.folder / "variable.yaml"
    variable.write_text(
        "apiVersion: varflow.dev/v1alpha1\nkind: Variable\nmetadata: {name: v}\n"
        "spec: {scope: namespace, value: {a: null}}\n"
    )
    running = caller.start("run", "-k", str(noop), str(variable), "-n", namespace, "--json")
    operator.accept("flow")
    running.wait_for("applied Variable")
    assert operator.kubectl.get("workflowinstance")["items"] == []
    operator.accept("v", kind="variable")
    operator.end(operator.wait_for_instance())

    assert running.end().exit_code == 0
    assert operator.kubectl.get("variable", "v")["spec"]["value"] == {"a": None}


def test_a_workflow_that_is_there_needs_no_file(
    caller: Caller, operator: Operator, noop: Path, namespace: str
) -> None:
    spec = {"states": [{"id": "a", "type": "noop"}]}
    operator.kubectl.apply(
        {
            "apiVersion": "varflow.dev/v1alpha1",
            "kind": "Workflow",
            "metadata": {"name": "there", "namespace": namespace},
            "spec": spec,
        }
    )
    operator.accept("there")
    running = caller.start("run", "-k", "--workflow", "there", "-n", namespace, "--json")
    operator.end(operator.wait_for_instance(), output=3)

    assert running.end().answer["output"] == 3


def test_a_failed_instance_tells_its_error(
    caller: Caller, operator: Operator, noop: Path, namespace: str
) -> None:
    running = start(caller, noop, namespace)
    operator.accept("flow")
    name = operator.wait_for_instance()
    operator.end(name, "Failed", error={"code": "my.code", "message": "it is wrong"})

    ended = running.end()

    assert ended.exit_code == 1
    assert ended.answer["status"] == "failed"
    assert ended.answer["error"] == {"code": "my.code", "message": "it is wrong"}
    assert "✘ failed: my.code: it is wrong" in ended.log


def test_what_an_instance_waits_for_is_told(
    caller: Caller, operator: Operator, noop: Path, namespace: str
) -> None:
    running = start(caller, noop, namespace)
    operator.accept("flow")
    name = operator.wait_for_instance()
    operator.move(name, phase="Running", reason="ImagePullBackOff: no such image")
    running.wait_for("│ ImagePullBackOff: no such image")
    operator.end(name)

    assert running.end().exit_code == 0


def test_a_workflow_that_the_operator_refuses_starts_nothing(
    caller: Caller, operator: Operator, noop: Path, namespace: str
) -> None:
    running = start(caller, noop, namespace)
    operator.refuse("flow", "the image is not allowed")

    ended = running.end()

    assert ended.exit_code == 2
    assert ended.answer["instance"] is None
    assert f"Workflow {namespace}/flow is not accepted: the image is not allowed" in ended.log


def test_ctrl_c_asks_for_the_instances_end_and_waits_for_it(
    caller: Caller, operator: Operator, noop: Path, namespace: str
) -> None:
    running = start(caller, noop, namespace)
    operator.accept("flow")
    name = operator.wait_for_instance()
    running.wait_for("instance ")
    running.process.send_signal(signal.SIGINT)
    operator.wait_for_cancel(name)
    operator.end(name, "Cancelled", error={"code": "direktiv.cancels.api", "message": "by a user"})

    ended = running.end()

    assert ended.exit_code == 1
    assert ended.answer["status"] == "cancelled"
    assert ended.answer["error"] == {
        "code": "direktiv.cancels.api",
        "message": "cancelled by SIGINT",
    }


def test_a_second_ctrl_c_leaves(
    caller: Caller, operator: Operator, noop: Path, namespace: str
) -> None:
    running = start(caller, noop, namespace)
    operator.accept("flow")
    name = operator.wait_for_instance()
    running.wait_for("instance ")
    running.process.send_signal(signal.SIGINT)
    operator.wait_for_cancel(name)
    running.process.send_signal(signal.SIGINT)

    ended = running.end()

    assert ended.exit_code == 1
    assert ended.answer["instance"] == name
    assert "may not have yet" in ended.answer["error"]["message"]


def test_ctrl_c_before_there_is_an_instance_starts_none(
    caller: Caller, operator: Operator, noop: Path, namespace: str
) -> None:
    running = start(caller, noop, namespace)
    running.wait_for("applied Workflow")
    running.process.send_signal(signal.SIGINT)

    ended = running.end()

    assert ended.exit_code == 1
    assert (ended.answer["instance"], ended.answer["status"]) == (None, "cancelled")
    assert operator.kubectl.get("workflowinstance")["items"] == []


def test_the_timeout_cancels_the_instance(
    caller: Caller, operator: Operator, noop: Path, namespace: str
) -> None:
    running = start(caller, noop, namespace, "--timeout", "8")
    operator.accept("flow")
    name = operator.wait_for_instance()
    operator.wait_for_cancel(name)
    operator.end(name, "Cancelled", error={"code": "direktiv.cancels.api", "message": "by a user"})

    ended = running.end()

    assert ended.exit_code == 4
    assert ended.answer["status"] == "cancelled"
    assert ended.answer["error"]["message"] == "the run took longer than --timeout 8 s"


def test_the_timeout_also_bounds_the_wait_for_an_operator(
    caller: Caller, operator: Operator, noop: Path, namespace: str
) -> None:
    ended = start(caller, noop, namespace, "--timeout", "3").end()

    assert ended.exit_code == 4
    assert "the run took longer than --timeout 3 s; no instance was started" in ended.log
    assert operator.kubectl.get("workflowinstance")["items"] == []


def test_an_instance_that_is_deleted_ends_the_run(
    caller: Caller, operator: Operator, noop: Path, namespace: str
) -> None:
    running = start(caller, noop, namespace)
    operator.accept("flow")
    name = operator.wait_for_instance()
    running.wait_for("instance ")
    operator.kubectl("delete", "workflowinstance", name)

    ended = running.end()

    assert ended.exit_code == 3
    assert ended.answer["instance"] == name
    assert "was deleted meanwhile" in ended.log


# What is refused before the cluster is asked


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--store", "memory:"], "--store is not for -k"),
        (["--secret", "A=b"], "kubectl create secret generic varflow-secrets"),
        (["--function", "f=run"], "functions run from their images"),
        (["--workflow", "there"], "not both"),
        (["--input", "@none"], "No such file"),
    ],
    ids=["store", "secret", "function", "workflow", "input"],
)
def test_options_of_this_machine_are_told_with_what_to_do_instead(
    caller: Caller, noop: Path, arguments: list[str], said: str
) -> None:
    ended = caller.call("run", "-k", str(noop), "--json", *arguments, KUBECONFIG="/nowhere")

    assert ended.exit_code == 2
    assert said in ended.log
    assert ended.answer["instance"] is None


def test_a_store_in_the_environment_does_not_matter_in_a_cluster(
    caller: Caller, noop: Path
) -> None:
    ended = caller.call("run", "-k", str(noop), KUBECONFIG="/nowhere", VARFLOW_STORE="memory:")

    assert "--store" not in ended.log
    assert "/nowhere cannot be used to log in" in ended.log


@pytest.mark.parametrize("option", ["--kubeconfig", "--context", "--system-namespace"])
def test_options_of_a_cluster_need_the_cluster(caller: Caller, noop: Path, option: str) -> None:
    ended = caller.call("run", str(noop), option, "x")

    assert ended.exit_code == 2
    assert f"{option} is about a cluster; add -k" in ended.log


def test_an_invalid_file_is_told_as_on_this_machine(caller: Caller) -> None:
    flow = runs.write_workflow(
        caller.folder, {"id": "a", "type": "noop", "transition": "b"}, name="wrong"
    )

    here = caller.call("run", str(flow))
    there = caller.call("run", "-k", str(flow), KUBECONFIG="/nowhere")

    assert here.exit_code == there.exit_code == 2
    assert here.log == there.log


def test_a_name_that_no_object_can_have_is_told(caller: Caller) -> None:
    flow = runs.write_workflow(caller.folder, {"id": "a", "type": "noop"}, name="My flow")

    ended = caller.call("run", "-k", str(flow), KUBECONFIG="/nowhere")

    assert ended.exit_code == 2
    assert "the name 'My flow' cannot be an object's in a cluster" in ended.log


# What the cluster says


def test_a_namespace_that_is_not_there_is_exit_code_3(caller: Caller, noop: Path) -> None:
    ended = start(caller, noop, "nowhere-at-all").end()

    assert ended.exit_code == 3
    assert "nowhere-at-all" in ended.log
    assert "Traceback" not in ended.log


def test_a_cluster_that_does_not_answer_is_exit_code_6(
    caller: Caller, noop: Path, tmp_path: Path
) -> None:
    config: dict[str, Any] = {
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}],
        "users": [],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": ""}}],
        "current-context": "c",
    }
    kubeconfig = operating.write_kubeconfig(tmp_path / "away", config)

    ended = caller.call("run", "-k", str(noop), "--json", KUBECONFIG=str(kubeconfig))

    assert ended.exit_code == 6
    assert "cannot be reached" in ended.log
    assert ended.answer["instance"] is None


def test_the_contexts_namespace_is_where_a_run_works(
    caller: Caller, operator: Operator, noop: Path, namespace: str, api_server: ApiServer
) -> None:
    kubeconfig = operating.in_namespace(api_server.kubeconfig, namespace, caller.folder)
    running = caller.start("run", "-k", str(noop), "--json", KUBECONFIG=str(kubeconfig))
    operator.accept("flow")
    operator.end(operator.wait_for_instance())

    assert running.end().exit_code == 0


@pytest.mark.parametrize("fault", ["away", "too old"])
async def test_a_run_survives_what_happens_to_the_connection(
    caller: Caller,
    operator: Operator,
    noop: Path,
    namespace: str,
    api_server: ApiServer,
    fault: str,
) -> None:
    async with ApiProxy(api_server).serving() as proxy:
        kubeconfig = str(proxy.write_kubeconfig(caller.folder))
        arguments = ["run", "-k", str(noop), "-n", namespace, "--json"]
        running = caller.start(*arguments, KUBECONFIG=kubeconfig)
        await asyncio.to_thread(operator.accept, "flow")
        name = await asyncio.to_thread(operator.wait_for_instance)
        await asyncio.to_thread(operator.step, name, "a")
        await asyncio.to_thread(running.wait_for, "→ a")
        if fault == "away":
            await proxy.refuse()
        else:
            await proxy.end_watches(410)
        await asyncio.to_thread(operator.step, name, "a", "b")
        await asyncio.to_thread(operator.end, name)
        if fault == "away":
            await proxy.listen()

        ended = await asyncio.to_thread(running.end)

    assert ended.exit_code == 0, ended.log
    assert "→ b\n" in ended.log
    assert ended.log.count("→ a\n") == 1
