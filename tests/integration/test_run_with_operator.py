"""`varflow` and a real operator, over a real API server: each command meets what the other writes.

No pods run here, so the workflows call no functions; the store is a folder that both reach.
"""

from __future__ import annotations

import asyncio
import json
import signal
import time

import pytest

from tests.support import runs
from tests.support.cluster.kubectl import Kubectl
from tests.support.runs import Caller, Ended
from varflow_cli.cluster import keys
from varflow_cli.cluster.connecting import Access
from varflow_cli.console.failures import Failure

COUNTER = [
    {
        "id": "read",
        "type": "getter",
        "log": "reading x",
        "variables": [{"key": "x", "scope": "workflow"}],
        "transform": "jq({x: (.var.x + 1)})",
        "transition": "write",
    },
    {
        "id": "write",
        "type": "setter",
        "variables": [{"key": "x", "scope": "workflow", "value": "jq(.x)"}],
    },
]
WAITING = [{"id": "wait", "type": "delay", "duration": "PT1H"}]


@pytest.fixture
def caller(operated: Caller) -> Caller:
    return operated


async def call(caller: Caller, *arguments: str) -> Ended:
    return await asyncio.to_thread(caller.call, *arguments)


async def test_runs_count_on_and_what_they_left_is_seen(caller: Caller) -> None:
    flow = str(runs.write_workflow(caller.folder, *COUNTER))

    first = await call(caller, "run", "-k", flow, "--json")
    second = await call(caller, "run", "-k", flow, "--json")

    name = second.answer["instance"]
    assert first.exit_code == second.exit_code == 0, second.log
    assert [ended.answer["output"] for ended in (first, second)] == [{"x": 1}, {"x": 2}]
    assert "→ read\n" in second.log
    assert "→ write\n" in second.log
    assert "read     │ reading x\n" in second.log
    assert (await call(caller, "var", "get", "-k", "--workflow", "flow", "x")).stdout == b"2"
    listed = json.loads((await call(caller, "instances", "ls", "--json")).stdout)
    assert {entry["phase"] for entry in listed} == {"Complete"}
    shown = (await call(caller, "instances", "get", name, "--json")).answer
    assert [step["state"] for step in shown["steps"]] == ["read", "write"]
    assert shown["output"] == {"x": 2}
    logged = (await call(caller, "instances", "logs", name)).stdout.decode()
    assert "read     │ reading x\n" in logged


async def test_a_variable_that_was_set_from_outside_is_read_by_the_next_run(
    caller: Caller,
) -> None:
    flow = str(runs.write_workflow(caller.folder, *COUNTER))
    await call(caller, "run", "-k", flow, "--json")

    written = await call(caller, "var", "set", "-k", "--workflow", "flow", "x", "--value", "41")
    ended = await call(caller, "run", "-k", "--workflow", "flow", "--json")

    assert written.exit_code == 0
    assert ended.answer["output"] == {"x": 42}


async def test_events_tell_what_became_of_workflow_and_instance(
    caller: Caller, kubectl: Kubectl, namespace: str
) -> None:
    failing = {"id": "a", "type": "error", "error": "my.code", "message": "too old"}
    flow = str(runs.write_workflow(caller.folder, failing))

    ended = await call(caller, "run", "-k", flow, "--json")

    def told() -> set[tuple[str, ...]]:
        events = kubectl.in_namespace(namespace).get("events.events.k8s.io")["items"]
        fields = ("type", "reason", "note")
        return {(it["regarding"]["name"], *(it[field] for field in fields)) for it in events}

    wanted = {
        ("flow", "Normal", "Accepted", "Accepted"),
        (ended.answer["instance"], "Warning", "Failed", "my.code: too old"),
    }
    await asyncio.to_thread(runs.wait_until, lambda: told() >= wanted, what="events")


async def test_what_is_there_stays_readable_while_the_key_changes(caller: Caller) -> None:
    flow = str(runs.write_workflow(caller.folder, *COUNTER))
    await call(caller, "run", "-k", flow, "--json")
    (first,) = (await call(caller, "keys", "ls")).stdout.decode().split()

    added = await call(caller, "keys", "add")
    _, second = (await call(caller, "keys", "ls")).stdout.decode().split()
    used = await call(caller, "keys", "use", second)

    assert added.exit_code == used.exit_code == 0
    assert f"key {second} is added" in added.log
    assert used.stdout.decode().split() == [second, first]
    get = ("var", "get", "-k", "--workflow", "flow", "x")
    assert (await call(caller, *get)).stdout == b"1"
    # written here with a key that the operator looks up when it meets it
    await call(caller, "var", "set", "-k", "--workflow", "flow", "x", "--value", "7")
    ended = await call(caller, "run", "-k", flow, "--json")
    assert ended.answer["output"] == {"x": 8}
    assert (await call(caller, "keys", "use", "0000")).exit_code == 2


async def test_values_are_encrypted_anew_and_a_key_stays_while_something_needs_it(
    caller: Caller, namespace: str
) -> None:
    flow = str(runs.write_workflow(caller.folder, *COUNTER))
    await call(caller, "run", "-k", flow, "--json")
    await call(caller, "keys", "add")
    first, second = (await call(caller, "keys", "ls")).stdout.decode().split()
    await call(caller, "keys", "use", second)

    before = await call(caller, "store", "encrypt", "-k", "--json")
    written = await call(caller, "store", "encrypt", "-k", "--write", "--json")

    assert (before.exit_code, written.exit_code) == (1, 1)
    assert needing(before, first)["variables"] == 1
    assert written.answer["steps"]["sealed"] >= 1
    assert "variables" not in needing(written, first)
    assert needing(written, first)["instances"] > 0
    get = ("var", "get", "-k", "--workflow", "flow", "x")
    assert (await call(caller, *get)).stdout == b"1"

    removed = [await call(caller, "keys", "rm", it, "--yes") for it in (first, second)]
    assert [ended.exit_code for ended in removed] == [1, 2]
    assert "the keys were changed a moment ago" in removed[0].log
    access = Access(
        kubeconfig=caller.environ["KUBECONFIG"], namespace=namespace, system_namespace=namespace
    )
    with pytest.raises(Failure, match="needed: decisions, data and logs of instances"):
        await keys.remove(access, first, clock=tomorrow)
    await call(caller, "keys", "add")
    third = (await call(caller, "keys", "ls")).stdout.decode().split()[-1]
    assert await keys.remove(access, third, clock=tomorrow) == [second, first]


def tomorrow() -> float:
    return time.time() + 86400


def needing(ended: Ended, key: str) -> dict[str, int]:
    """Return how many objects of each kind need a key."""
    (found,) = [it for it in ended.answer["keys"] if it["id"] == key]
    return {it["kind"]: it["objects"] for it in found["kinds"]}


async def test_an_encrypted_store_can_be_checked_with_its_keys(caller: Caller) -> None:
    flow = str(runs.write_workflow(caller.folder, *COUNTER))
    await call(caller, "run", "-k", flow, "--json")

    checked = await call(caller, "store", "check", "-k")

    assert checked.exit_code == 0, checked.log


async def test_a_lost_secret_is_named_by_the_command_line(
    caller: Caller, kubectl: Kubectl, namespace: str
) -> None:
    flow = str(runs.write_workflow(caller.folder, *COUNTER))
    await call(caller, "run", "-k", flow, "--json")
    await asyncio.to_thread(
        kubectl.in_namespace(namespace), "delete", "secret", "varflow-encryption"
    )

    ended = await call(caller, "var", "get", "-k", "--workflow", "flow", "x")

    assert ended.exit_code == 1
    assert ended.stdout == b""
    assert "encryption_key_missing" in ended.log
    assert f"{namespace}/varflow-encryption" in ended.log


async def test_a_large_output_is_told_whole(caller: Caller) -> None:
    state = {"id": "a", "type": "noop", "transform": "jq({text: (.n * .text)})"}
    flow = str(runs.write_workflow(caller.folder, state))

    ended = await call(caller, "run", "-k", flow, "--json", "--input", '{"n": 50000, "text": "ab"}')

    assert ended.answer["output"] == {"text": "ab" * 50_000}


async def test_a_workflow_and_its_subflow_are_run_from_their_files(caller: Caller) -> None:
    state = {"id": "call", "type": "action", "action": {"function": "f"}}
    function = {"id": "f", "type": "subflow", "workflow": "flows/child.yaml"}
    parent = runs.write_workflow(caller.folder, state, functions=[function], name="parent")
    twice = {"id": "twice", "type": "noop", "transform": "jq({n: (.n * 2)})"}
    child = runs.write_workflow(caller.folder, twice, name="child")

    ended = await call(
        caller, "run", "-k", str(parent), str(child), "--json", "--input", '{"n": 4}'
    )

    name = ended.answer["instance"]
    assert ended.answer["output"] == {"n": 4, "return": {"n": 8}}, ended.log
    listed = json.loads((await call(caller, "instances", "ls", "--json")).stdout)
    assert [entry["parent"] for entry in listed] == [None, name]
    shown = await call(caller, "instances", "get", listed[1]["name"])
    assert f"subflow of  {name}\n" in shown.stdout.decode()
    table = (await call(caller, "instances", "ls")).stdout.decode().splitlines()
    assert table[0].endswith("  PARENT")
    assert table[2].endswith(f"  {name}")


async def test_ctrl_c_ends_the_instance(caller: Caller) -> None:
    flow = runs.write_workflow(caller.folder, *WAITING)
    running = caller.start("run", "-k", str(flow), "--json")
    await asyncio.to_thread(running.wait_for, "→ wait")

    running.process.send_signal(signal.SIGINT)
    ended = await asyncio.to_thread(running.end)

    assert ended.exit_code == 1
    assert ended.answer["status"] == "cancelled"
    assert ended.answer["error"] == {
        "code": "direktiv.cancels.api",
        "message": "cancelled by SIGINT",
    }


async def test_cancelling_ends_the_instance_for_whoever_runs_and_watches_it(
    caller: Caller,
) -> None:
    flow = runs.write_workflow(caller.folder, *WAITING)
    running = caller.start("run", "-k", str(flow), "--json")
    name = (await asyncio.to_thread(running.wait_for, "instance ")).rpartition("/")[2]
    watching = caller.start("instances", "watch", name)

    cancelled = await call(caller, "instances", "cancel", name, "--wait")

    assert cancelled.exit_code == 0
    assert cancelled.log.endswith(f"{name} has ended: Cancelled\n")
    assert (await asyncio.to_thread(running.end)).answer["status"] == "cancelled"
    watched = await asyncio.to_thread(watching.end)
    assert watched.exit_code == 1
    assert "✘ cancelled: direktiv.cancels.api" in watched.stdout.decode()
