"""`varflow instances` and `varflow var -k` against a real API server and a real S3 server.

The test plays the operator. The S3 server is reached directly: it is outside of the cluster.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support import operating
from tests.support.cluster.control_plane import ApiServer
from tests.support.cluster.kubectl import Kubectl
from tests.support.cluster.s3_servers import S3Server
from tests.support.operating import Operator
from tests.support.runs import Caller, Ended
from varflow.logs import StoreLog
from varflow.variables import paths
from varflow.variables.scopes import Owners
from varflow.variables.stores import opening
from varflow.variables.stores.base import ObjectStore
from varflow.variables.stores.credentials import Credentials


@pytest.fixture
def caller(api_server: ApiServer, namespace: str, tmp_path: Path) -> Caller:
    """Somebody who is logged in, and works in the test's namespace."""
    kubeconfig = operating.in_namespace(api_server.kubeconfig, namespace, tmp_path)
    environ = {"KUBECONFIG": str(kubeconfig), "VARFLOW_SYSTEM_NAMESPACE": namespace}
    return Caller(tmp_path, environ)


@pytest.fixture
def operator(kubectl: Kubectl, namespace: str) -> Operator:
    return Operator(kubectl.in_namespace(namespace))


def create(operator: Operator, name: str, *, workflow: str = "flow") -> None:
    operator.kubectl.apply(_object("WorkflowInstance", name, {"workflow": workflow}))


def _object(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "varflow.dev/v1alpha1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": spec,
    }


def instances(caller: Caller, *arguments: str) -> Ended:
    return caller.call("instances", *arguments)


# ls, get


def test_listing_shows_each_instance_in_a_line(caller: Caller, operator: Operator) -> None:
    create(operator, "one")
    create(operator, "two", workflow="other")
    operator.step("one", "a", "b")
    operator.end("one")

    lines = instances(caller, "ls").stdout.decode().splitlines()

    assert lines[0].split() == ["NAME", "WORKFLOW", "PHASE", "STATE", "CREATED", "TOOK"]
    rows = {line.split()[0]: line.split() for line in lines[1:]}
    assert rows["one"][1:4] == ["flow", "Complete", "b"]
    assert rows["one"][-2:] == ["2", "s"]
    assert rows["two"][1:3] == ["other", "Pending"]


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ([], ["one", "two"]),
        (["--workflow", "other"], ["two"]),
        (["--phase", "running"], ["one"]),
        (["--phase", "Pending"], ["two"]),
        (["--workflow", "none"], []),
    ],
    ids=["all", "workflow", "phase", "no status yet", "nothing"],
)
def test_listing_chooses(
    caller: Caller, operator: Operator, arguments: list[str], names: list[str]
) -> None:
    create(operator, "one")
    create(operator, "two", workflow="other")
    operator.step("one", "a")

    listed = json.loads(instances(caller, "ls", "--json", *arguments).stdout)

    assert sorted(entry["name"] for entry in listed) == names


def test_all_namespaces_are_listed_with_their_names(
    caller: Caller, operator: Operator, namespace: str
) -> None:
    create(operator, "one")

    lines = instances(caller, "ls", "-A", "-n", "elsewhere").stdout.decode().splitlines()

    assert lines[0].split()[:2] == ["NAMESPACE", "NAME"]
    assert [namespace, "one"] in [line.split()[:2] for line in lines]


def test_an_instance_is_told_with_its_steps_error_and_output(
    caller: Caller, operator: Operator, namespace: str
) -> None:
    create(operator, "one")
    operator.step("one", "a", "b")
    operator.end("one", "Failed", output={"n": 1}, error={"code": "my.code", "message": "no"})

    shown = instances(caller, "get", "one").stdout.decode()
    answer = instances(caller, "get", "one", "--json").answer

    assert f"instance  {namespace}/one\n" in shown
    assert "phase     Failed\n" in shown
    assert "error     my.code: no\n" in shown
    assert "2     b      2026-11-20T10:00:00Z\n" in shown
    assert shown.endswith('output\n{\n  "n": 1\n}\n')
    assert answer["phase"] == "Failed"
    assert answer["output"] == {"n": 1}
    assert answer["error"] == {"code": "my.code", "message": "no"}
    assert [step["state"] for step in answer["steps"]] == ["a", "b"]


@pytest.mark.parametrize("command", ["get", "watch", "logs", "cancel"])
def test_an_instance_that_is_not_there_is_exit_code_3(caller: Caller, command: str) -> None:
    ended = instances(caller, command, "none")

    assert ended.exit_code == 3
    assert "there is no instance none in namespace" in ended.log
    assert ended.stdout == b""


# watch, cancel


def test_watching_shows_the_steps_on_standard_output_until_the_end(
    caller: Caller, operator: Operator
) -> None:
    create(operator, "one")
    operator.step("one", "a")
    watching = caller.start("instances", "watch", "one")
    operator.step("one", "a", "b", "c")
    operator.end("one")

    ended = watching.end()

    assert ended.exit_code == 0
    shown = ended.stdout.decode().splitlines()
    assert [line.split("→ ")[-1] for line in shown[:-1]] == ["a", "b", "c"]
    assert shown[-1].endswith("✔ complete")


def test_watching_tells_by_its_exit_code_how_it_ended(caller: Caller, operator: Operator) -> None:
    create(operator, "one")
    operator.end("one", "Crashed", error={"code": "c", "message": "m"})

    ended = instances(caller, "watch", "one")

    assert ended.exit_code == 1
    assert "✘ crashed: c: m" in ended.stdout.decode()


def test_watching_ends_when_its_time_is_over(caller: Caller, operator: Operator) -> None:
    create(operator, "one")

    ended = instances(caller, "watch", "one", "--timeout", "0.5")

    assert ended.exit_code == 4
    assert "instance one has not ended after 0.5 s [timeout]" in ended.log
    assert not operator.kubectl.get("workflowinstance", "one")["spec"]["cancel"]


def test_cancelling_asks_for_the_end_of_all_that_live(caller: Caller, operator: Operator) -> None:
    create(operator, "one")
    create(operator, "two")
    operator.end("two")

    ended = instances(caller, "cancel", "one", "none", "two")

    assert ended.exit_code == 3
    assert "one is being cancelled\n" in ended.log
    assert "two has already ended: Complete\n" in ended.log
    assert operator.kubectl.get("workflowinstance", "one")["spec"]["cancel"] is True


def test_cancelling_can_wait_for_the_end(caller: Caller, operator: Operator) -> None:
    create(operator, "one")
    cancelling = caller.start("instances", "cancel", "one", "--wait")
    operator.wait_for_cancel("one")
    operator.end("one", "Cancelled")

    ended = cancelling.end()

    assert ended.exit_code == 0
    assert ended.log.endswith("one has ended: Cancelled\n")


def test_waiting_for_the_end_is_bounded(caller: Caller, operator: Operator) -> None:
    create(operator, "one")

    ended = instances(caller, "cancel", "one", "--wait", "--timeout", "0.5")

    assert ended.exit_code == 4
    assert "not all instances have ended after 0.5 s" in ended.log


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("varflow instances get o", ["one"]),
        ("varflow instances cancel --context tests one ", ["one", "two"]),
        ("varflow run -k --workflow f", ["flow"]),
        ("varflow run --workflow f", []),
    ],
    ids=["get", "cancel", "run", "run here"],
)
def test_names_are_completed(
    caller: Caller, operator: Operator, words: str, names: list[str]
) -> None:
    create(operator, "one")
    create(operator, "two")
    operator.kubectl.apply(_object("Workflow", "flow", {"states": [{"id": "a", "type": "noop"}]}))
    number = str(len(words.split(" ")) - 1)

    done = caller.call(_VARFLOW_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD=number)

    assert [line.removeprefix("plain,") for line in done.stdout.decode().split()] == names


# What needs the store


@dataclass(frozen=True, slots=True)
class Installed:
    """An installation whose store the test reaches too."""

    store: ObjectStore
    kubectl: Kubectl
    namespace: str

    def owners(self, **names: str) -> Owners:
        """Return the UIDs of the objects of these names."""
        return Owners(
            cluster=self._uid("namespace", "kube-system"),
            namespace=self._uid("namespace", self.namespace),
            workflow=self._uid("workflow", names["workflow"]) if "workflow" in names else "",
            instance=(
                self._uid("workflowinstance", names["instance"]) if "instance" in names else ""
            ),
        )

    def _uid(self, kind: str, name: str) -> str:
        return str(self.kubectl.get(kind, name)["metadata"]["uid"])


@pytest.fixture
async def installed(
    operator: Operator, namespace: str, s3_server: S3Server, bucket: str
) -> AsyncIterator[Installed]:
    url = f"s3://{bucket}/here?endpoint={s3_server.endpoint}&region=us-east-1"
    operator.kubectl.apply(*installation(url, s3_server))
    keys = Credentials(
        access_key_id=s3_server.access_key_id, secret_access_key=s3_server.secret_access_key
    )
    store = opening.open_store(url, credentials=keys)
    await store.open()
    yield Installed(store, operator.kubectl, namespace)
    await store.close()


def installation(url: str, server: S3Server) -> list[dict[str, Any]]:
    secret = {
        "AWS_ACCESS_KEY_ID": server.access_key_id,
        "AWS_SECRET_ACCESS_KEY": server.secret_access_key,
    }
    return [
        operating.settings(url, secret="varflow-s3"),
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "varflow-s3"},
            "data": {
                name: base64.b64encode(value.encode()).decode() for name, value in secret.items()
            },
        },
    ]


async def call(caller: Caller, *arguments: str, stdin: bytes = b"", **environ: str) -> Ended:
    return await asyncio.to_thread(caller.call, *arguments, stdin=stdin, **environ)


@pytest.mark.parametrize("whose", ["namespace", "workflow", "instance"])
async def test_variables_are_those_of_the_objects_that_are_there(
    caller: Caller, operator: Operator, installed: Installed, whose: str
) -> None:
    operator.kubectl.apply(_object("Workflow", "o", {"states": [{"id": "a", "type": "noop"}]}))
    create(operator, "o")
    place = [] if whose == "namespace" else [f"--{whose}", "o"]
    data = bytes(number % 251 for number in range(100_000))

    written = await call(caller, "var", "set", "-k", "k", *place, stdin=data)
    listed = await call(caller, "var", "ls", "-k", "--json", *place)
    read = await call(caller, "var", "get", "-k", "k", *place)
    removed = await call(caller, "var", "rm", "-k", "k", *place)
    missing = await call(caller, "var", "get", "-k", "k", *place)

    assert (written.exit_code, read.exit_code, removed.exit_code) == (0, 0, 0), written.log
    assert [entry["key"] for entry in json.loads(listed.stdout)] == ["k"]
    assert read.stdout == data
    assert missing.exit_code == 3
    assert f"variable {whose}/k does not exist in the cluster's store" in missing.log
    owners = installed.owners(**({} if whose == "namespace" else {whose: "o"}))
    below = paths.namespace_prefix(owners)
    assert [it.path async for it in installed.store.list(below)]


async def test_variables_of_a_cluster_are_copied_saved_and_restored(
    caller: Caller, operator: Operator, installed: Installed
) -> None:
    operator.kubectl.apply(_object("Workflow", "o", {"states": [{"id": "a", "type": "noop"}]}))
    data = bytes(number % 251 for number in range(100_000))
    await call(caller, "var", "set", "-k", "k", stdin=data)

    copied = await call(caller, "var", "cp", "-k", "k", "copy", "--to-workflow", "o")
    archive = (await call(caller, "var", "export", "-k", "-", "--workflow", "o")).stdout
    restored = await call(caller, "var", "import", "-k", "-", stdin=archive)
    read = await call(caller, "var", "get", "-k", "copy")

    assert (copied.exit_code, restored.exit_code) == (0, 0), copied.log + restored.log
    assert restored.log == "1 variables written\n"
    assert read.stdout == data


async def test_of_a_shared_bucket_the_own_cluster_is_checked(
    caller: Caller, installed: Installed
) -> None:
    await call(caller, "var", "set", "-k", "k", "--value", "1")
    await installed.store.put("v1/another-cluster/namespace/n/broken", b"not ours")

    checked = await call(caller, "store", "check", "-k", "--json", "--repair")

    assert checked.exit_code == 0, checked.log
    assert checked.answer["clusters"] == [installed.owners().cluster]
    assert checked.answer["findings"] == []


async def test_variables_of_an_object_that_is_not_there_are_not_made_up(
    caller: Caller, installed: Installed
) -> None:
    ended = await call(caller, "var", "set", "-k", "k", "--workflow", "none", "--value", "1")

    assert ended.exit_code == 3
    assert "none" in ended.log


async def test_a_large_output_is_fetched_from_the_store(
    caller: Caller, operator: Operator, installed: Installed
) -> None:
    create(operator, "one")
    path = paths.data(installed.owners(instance="one"), "output-1")
    await installed.store.put(path, b'{"large": true}')
    operator.end("one", outputRef="output-1")

    answer = (await call(caller, "instances", "get", "one", "--json")).answer

    assert answer["output"] == {"large": True}


def test_an_instance_is_told_even_where_its_output_cannot_be_read(
    caller: Caller, operator: Operator
) -> None:
    create(operator, "one")
    operator.end("one", outputRef="output-1")

    ended = instances(caller, "get", "one", "--json")

    assert ended.exit_code == 1
    assert ended.answer["phase"] == "Complete"
    assert "the output of instance one is in the store and cannot be read" in ended.log


async def write_log(installed: Installed, *lines: str) -> None:
    owners = installed.owners(instance="one")
    log = StoreLog(installed.store, note_dropped=lambda: None)
    for line in lines:
        log.write(owners, line, source="hello")
    await log.close()


async def test_logs_are_lines_with_their_source(
    caller: Caller, operator: Operator, installed: Installed
) -> None:
    create(operator, "one")
    await write_log(installed, "first", "two\nlines\x1b[2J")
    await write_log(installed, "last")

    shown = (await call(caller, "instances", "logs", "one")).stdout.decode().splitlines()
    entries = (await call(caller, "instances", "logs", "one", "--json")).stdout.splitlines()

    texts = ["first", "two", "lines\\x1b[2J", "last"]
    assert [line.split(" ", 1)[1] for line in shown] == [f"hello    │ {text}" for text in texts]
    assert [json.loads(entry)["text"] for entry in entries] == [
        "first",
        "two\nlines\x1b[2J",
        "last",
    ]


async def test_following_logs_ends_with_the_instance(
    caller: Caller, operator: Operator, installed: Installed
) -> None:
    create(operator, "one")
    await write_log(installed, "first")
    following = caller.start("instances", "logs", "one", "--follow")
    await write_log(installed, "second")
    await asyncio.to_thread(operator.end, "one")

    ended = await asyncio.to_thread(following.end)

    assert ended.exit_code == 0, ended.log
    assert [line.split("│ ")[1] for line in ended.stdout.decode().splitlines()] == [
        "first",
        "second",
    ]


async def test_lines_older_than_asked_for_are_left_out(
    caller: Caller, operator: Operator, installed: Installed
) -> None:
    create(operator, "one")
    await write_log(installed, "now")

    recent = await call(caller, "instances", "logs", "one", "--since", "1h30m")
    none = await call(caller, "instances", "logs", "one", "--since", "0s")

    assert recent.stdout.decode().endswith("│ now\n")
    assert none.stdout == b""


async def test_a_run_shows_the_instances_log(
    caller: Caller, operator: Operator, installed: Installed
) -> None:
    flow = caller.folder / "flow.yaml"
    flow.write_text("direktiv_api: workflow/v1\nstates:\n- id: a\n  type: noop\n")
    running = caller.start("run", "-k", str(flow), "--json")
    await asyncio.to_thread(operator.accept, "flow")
    name = await asyncio.to_thread(operator.wait_for_instance)
    log = StoreLog(installed.store, note_dropped=lambda: None)
    log.write(installed.owners(instance=name), "a line", source="a")
    await log.close()
    await asyncio.to_thread(operator.end, name)

    ended = await asyncio.to_thread(running.end)

    assert ended.exit_code == 0
    assert "a        │ a line\n" in ended.log


# What is missing


def test_a_cluster_without_varflow_is_told(caller: Caller, namespace: str) -> None:
    ended = caller.call("var", "ls", "-k")

    assert ended.exit_code == 3
    assert f"Varflow is not installed in namespace {namespace}" in ended.log


@pytest.mark.parametrize(
    ("rights", "said"),
    [
        ([], 'cannot get resource "namespaces"'),
        ([("get", "namespaces")], 'cannot list resource "configmaps"'),
        (
            [("get", "namespaces"), ("list", "configmaps")],
            "which needs the right to get secrets there",
        ),
    ],
    ids=["owners", "settings", "keys"],
)
async def test_a_missing_right_is_named(
    caller: Caller,
    installed: Installed,
    api_server: ApiServer,
    rights: list[tuple[str, str]],
    said: str,
) -> None:
    kubeconfig = await asyncio.to_thread(
        operating.log_in, installed.kubectl, rights, api_server.kubeconfig, caller.folder
    )

    ended = await call(
        caller, "var", "ls", "-k", "-n", installed.namespace, KUBECONFIG=str(kubeconfig)
    )

    assert ended.exit_code == 1
    assert said in ended.log
    assert f"system:serviceaccount:{installed.namespace}:somebody" in ended.log
    assert "Traceback" not in ended.log


async def test_the_way_to_a_store_within_the_cluster_needs_its_own_right(
    caller: Caller, operator: Operator, api_server: ApiServer, s3_server: S3Server, namespace: str
) -> None:
    url = f"s3://bucket?endpoint=http://varflow-s3.{namespace}.svc:7070&region=us-east-1"
    container = {"name": "s3", "image": "none", "ports": [{"name": "s3", "containerPort": 7170}]}
    port = {"port": 7070, "targetPort": "s3"}
    await asyncio.to_thread(
        operator.kubectl.apply,
        *installation(url, s3_server),
        _core("Service", "varflow-s3", {"selector": {"app": "s3"}, "ports": [port]}),
        _core("Pod", "s3", {"containers": [container]}, labels={"app": "s3"}),
    )
    await asyncio.to_thread(operator.make_ready, "s3")
    rights = [
        ("get", "namespaces"),
        ("list", "configmaps"),
        ("get", "secrets"),
        ("get", "services"),
        ("list", "pods"),
    ]
    kubeconfig = await asyncio.to_thread(
        operating.log_in, operator.kubectl, rights, api_server.kubeconfig, caller.folder
    )

    ended = await call(caller, "var", "ls", "-k", "-n", namespace, KUBECONFIG=str(kubeconfig))

    assert ended.exit_code == 1
    assert f"port-forward to port 7170 of Pod {namespace}/s3" in ended.log
    assert f"rights to get and create pods/portforward in {namespace}" in ended.log


def _core(kind: str, name: str, spec: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": kind,
        "metadata": {"name": name, **metadata},
        "spec": spec,
    }
