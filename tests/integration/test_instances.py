"""Instances in a cluster: what happens to them when all goes well, and when it does not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support import instances, sidecars
from tests.support.cluster.control_plane import ApiServer
from tests.support.instances import Call, Gate, Json, World, action
from varflow.variables.scopes import Scope
from varflow_operator.instances.blueprints import Blueprint, BlueprintKey, Blueprints
from varflow_operator.instances.closings import Closings
from varflow_operator.instances.crashpoints import CrashPoint
from varflow_operator.kinds import INSTANCE, NAMESPACE, SECRET, Object
from varflow_operator.workflows.revisions import Revisions

READ = {"id": "read", "type": "getter", "variables": [{"key": "x", "scope": "workflow"}]}
SET = {
    "id": "set",
    "type": "setter",
    "variables": [{"key": "y", "scope": "workflow", "value": "jq(.var.x)"}],
}

WAIT = {"id": "wait", "type": "delay"}


@pytest.fixture
async def world(api_server: ApiServer, namespace: str, tmp_path: Path) -> AsyncIterator[World]:
    async with instances.world(api_server.kubeconfig, namespace, tmp_path) as world:
        yield world


async def write_x(call: Call) -> Json:
    call.write("workflow", "x", b'{"n": 1}')
    call.write("instance", "mine", b"1")
    return {"wrote": True}


async def test_an_instance_runs_to_its_end(world: World) -> None:
    world.function.handler = write_x
    workflow = await world.workflow(action(transition="read"), {**READ, "transition": "set"}, SET)
    await world.pod(workflow)
    world.operator().start()

    await world.instance(input={"a": None})
    status = await world.end()

    assert status["phase"] == "Complete"
    assert status["output"] == {"a": None, "return": {"wrote": True}, "var": {"x": {"n": 1}}}
    assert [step["state"] for step in status["recentSteps"]] == ["call", "read", "set"]
    conditions = {it["type"]: (it["status"], it["reason"]) for it in status["conditions"]}
    assert conditions == {
        "Succeeded": ("True", "Succeeded"),
        "Completed": ("True", "Succeeded"),
    }
    owners = await world.owners()
    assert await world.read(owners, Scope.WORKFLOW, "y") == b'{"n":1}'
    assert len(world.writes) <= 2 + 2


async def test_nothing_of_an_instance_stays_in_the_store_but_its_log(world: World) -> None:
    world.function.handler = write_x
    workflow = await world.workflow({**action(), "log": "hello"})
    await world.pod(workflow)
    world.operator().start()

    await world.instance()
    await world.end()

    owners = await world.owners()
    prefix = f"/i/{owners.instance}/"

    async def only_the_log_is_left() -> bool:
        return all("/log/" in path for path in await world.paths(prefix))

    await sidecars.eventually(only_the_log_is_left)
    assert len(await world.paths(prefix)) == 1


async def test_a_user_may_edit_an_instance_that_runs(world: World) -> None:
    gate = world.function.handler = Gate()
    await world.pod(await world.workflow(action(transition="set"), SET))
    world.operator().start()
    await world.instance()
    await instances.until(lambda: bool(world.function.calls))

    await world.patch(metadata={"labels": {"mine": "1"}})
    gate.opened.set()
    status = await world.end()

    assert status["phase"] == "Complete"
    assert (await world.look())["metadata"]["labels"] == {"mine": "1"}
    assert "update 409" in world.writes


async def test_a_cancelled_instance_ends_and_leaves_no_outputs(world: World) -> None:
    world.function.handler = Gate()
    await world.pod(await world.workflow(action()))
    world.operator().start()
    await world.instance()
    await instances.until(lambda: bool(world.function.calls))

    await world.patch(spec={"cancel": True})
    status = await world.end()

    assert status["phase"] == "Cancelled"
    assert [it["status"] for it in status["conditions"]] == ["False", "True"]
    assert world.function.deletes
    assert await world.read(await world.owners(), Scope.WORKFLOW, "x") is None


async def test_a_deleted_instance_gives_its_action_up_and_leaves_nothing(world: World) -> None:
    world.function.handler = Gate()
    await world.pod(await world.workflow({**action(), "log": "begun"}))
    world.operator().start()
    await world.instance()
    await instances.until(lambda: bool(world.function.calls))
    owners = await world.owners()

    await world.delete()

    await instances.until(lambda: bool(world.function.deletes))
    await world.until_gone(f"/i/{owners.instance}/")
    assert await world.read(owners, Scope.WORKFLOW, "x") is None


async def test_an_action_goes_on_when_its_sidecar_is_restarted(world: World) -> None:
    gate = world.function.handler = Gate()
    pod = await world.pod(await world.workflow(action()))
    world.operator().start()
    await world.instance()
    await instances.until(lambda: bool(world.function.calls))

    pod.kill()
    gate.opened.set()
    pod.start()
    status = await world.end()

    assert status["phase"] == "Complete"
    assert len(set(world.function.keys)) == 1
    assert await world.read(await world.owners(), Scope.WORKFLOW, "x") == b"1"


async def test_an_action_goes_to_another_pod_when_its_own_is_gone(world: World) -> None:
    gate = world.function.handler = Gate()
    workflow = await world.workflow(action())
    await world.pod(workflow)
    world.operator().start()
    await world.instance()
    await instances.until(lambda: bool(world.function.calls))

    await world.pod(workflow, name="pod-1")
    await world.delete_pod("pod-0")
    gate.opened.set()
    status = await world.end()

    assert status["output"]["return"] == {"pod": "pod-1"}
    assert len(set(world.function.keys)) == 1


async def test_a_pod_out_of_sight_commits_nothing_once_another_has_answered(world: World) -> None:
    """Its object is gone; its sidecar, as on a node that nobody reaches, is not."""
    opened = asyncio.Event()

    async def work(call: Call) -> Json:
        if call.pod == "pod-0":
            await opened.wait()
            call.write("workflow", "x", b"late")
        return {"pod": call.pod}

    world.function.handler = work
    workflow = await world.workflow(action())
    unseen = await world.pod(workflow)
    world.operator().start()
    await world.instance()
    await instances.until(lambda: bool(world.function.calls))

    await world.pod(workflow, name="pod-1")
    await world.lose_pod("pod-0")
    status = await world.end()
    opened.set()
    await unseen.until_idle()

    assert status["output"]["return"] == {"pod": "pod-1"}
    assert await world.read(await world.owners(), Scope.WORKFLOW, "x") is None


async def test_a_rival_out_of_sight_commits_nothing_although_who_lost_it_has_died(
    world: World,
) -> None:
    late, answer = asyncio.Event(), asyncio.Event()

    async def work(call: Call) -> Json:
        await (late if call.pod == "pod-0" else answer).wait()
        if call.pod == "pod-0":
            call.write("workflow", "x", b"late")
        return {"pod": call.pod}

    world.function.handler = work
    workflow = await world.workflow(action())
    unseen = await world.pod(workflow)
    first = world.operator().start()
    await world.instance()
    await instances.until(lambda: len(world.function.calls) == 1)
    await world.pod(workflow, name="pod-1")
    await world.lose_pod("pod-0")
    await instances.until(lambda: len(world.function.calls) == 2)

    await first.kill()
    world.operator().start()
    answer.set()
    status = await world.end()
    late.set()
    await unseen.until_idle()

    assert status["output"]["return"] == {"pod": "pod-1"}
    assert await world.read(await world.owners(), Scope.WORKFLOW, "x") is None


async def test_an_action_that_has_committed_is_not_done_again_in_another_pod(world: World) -> None:
    """The pod goes between the commit and the answer."""
    workflow = await world.workflow(action())
    pod = await world.pod(workflow)
    operator = world.operator().start()

    async def commit_and_go(call: Call) -> Json:
        call.write("workflow", "x", b"1")
        return {"call": len(world.function.calls)}

    world.function.handler = commit_and_go
    operator.die_at(CrashPoint.ANSWERED)
    await world.instance()
    await operator.until_dead()
    await world.delete_pod(pod.name)

    world.operator().start()
    status = await world.end()

    assert status["output"]["return"] == {"call": 1}
    assert len(world.function.calls) == 1


async def test_a_stale_control_plane_writes_nothing_and_stops(world: World) -> None:
    gate = world.function.handler = Gate()
    await world.pod(await world.workflow(action(transition="read"), READ))
    old = world.operator().start()
    await world.instance()
    await instances.until(lambda: bool(world.function.calls))

    new = world.operator().start()
    await world.until(lambda status: status["checkpoint"]["epoch"] == new.epoch)
    gate.opened.set()
    status = await world.end()

    assert status["phase"] == "Complete"
    assert status["checkpoint"]["epoch"] == new.epoch
    assert len(world.function.calls) == 1
    await instances.until(lambda: not old.instances.live)
    assert CrashPoint.FINISHED not in old.reached


class LateBlueprints(Blueprints):
    """Holds a control plane up between reading an instance and its first write."""

    def __init__(self, revisions: Revisions) -> None:
        super().__init__(revisions)
        self.asked, self.opened = asyncio.Event(), asyncio.Event()

    async def load(self, key: BlueprintKey) -> Blueprint:
        self.asked.set()
        await self.opened.wait()
        return await super().load(key)


async def test_a_new_control_plane_begins_again_when_the_old_one_has_written_meanwhile(
    world: World,
) -> None:
    gate = world.function.handler = Gate()
    await world.pod(await world.workflow(action(transition="wait"), {**WAIT, "duration": "PT2S"}))
    old = world.operator().start()
    await world.instance()
    await instances.until(lambda: bool(world.function.calls))

    late = LateBlueprints(Revisions(world.cluster))
    new = world.operator(blueprints=late).start()
    await late.asked.wait()
    gate.opened.set()
    await world.until(lambda status: status["state"] == "wait")
    await old.kill()
    late.opened.set()
    status = await world.end()

    assert status["phase"] == "Complete"
    assert status["checkpoint"]["epoch"] == new.epoch
    assert len(world.function.calls) == 1


async def test_a_control_plane_leaves_instances_of_a_newer_one_alone(world: World) -> None:
    gate = world.function.handler = Gate()
    await world.pod(await world.workflow(action()))
    old, new = world.operator(), world.operator().start()
    await world.instance()
    await instances.until(lambda: bool(world.function.calls))

    old.start()
    await instances.until(lambda: old.is_complete)
    assert not old.instances.live
    gate.opened.set()
    assert (await world.end())["checkpoint"]["epoch"] == new.epoch


async def test_twenty_instances_run_at_one_time_and_no_pod_has_too_many(world: World) -> None:
    running, most = {"pod-0": 0, "pod-1": 0}, {"pod-0": 0, "pod-1": 0}

    async def work(call: Call) -> Json:
        running[call.pod] += 1
        most[call.pod] = max(most[call.pod], running[call.pod])
        await asyncio.sleep(0.1)
        running[call.pod] -= 1
        return {"n": call.input["n"]}

    world.function.handler = work
    functions = [{"id": "f", "image": "example.org/f:1", "concurrency": 3}]
    workflow = await world.workflow(action(), functions=functions)
    await world.pod(workflow)
    await world.pod(workflow, name="pod-1")
    world.operator().start()

    names = [f"one-{number}" for number in range(20)]
    for number, name in enumerate(names):
        await world.instance(name=name, input={"n": number})
    ends = [await world.end(name) for name in names]

    assert [status["output"]["return"]["n"] for status in ends] == list(range(20))
    assert most == {"pod-0": 3, "pod-1": 3}
    assert len(world.function.calls) == 20


async def test_an_instance_waits_for_its_workflow(world: World) -> None:
    world.operator().start()
    await world.instance()

    pending = await world.until(lambda status: status.get("phase") == "Pending")
    workflow = await world.workflow(action())
    await world.pod(workflow)
    status = await world.end()

    reasons = {it["type"]: (it["status"], it["reason"]) for it in pending["status"]["conditions"]}
    assert reasons["Succeeded"] == ("Unknown", "WorkflowNotFound")
    assert status["phase"] == "Complete"
    owner = (await world.look())["metadata"]["ownerReferences"]
    assert [it["uid"] for it in owner] == [workflow["metadata"]["uid"]]


async def test_an_instance_without_a_workflow_fails_in_time(world: World) -> None:
    world.operator(pending_seconds=1.5).start()
    await world.instance()

    status = await world.end()

    assert status["phase"] == "Failed"
    assert status["error"]["code"] == "direktiv.workflow.invalid"
    assert "no Workflow 'hello'" in status["error"]["message"]


async def test_an_instance_that_waits_for_its_workflow_can_be_cancelled(world: World) -> None:
    world.operator().start()
    await world.instance()
    await world.until(lambda status: status.get("phase") == "Pending")

    await world.patch(spec={"cancel": True})

    assert (await world.end())["phase"] == "Cancelled"


async def test_an_action_without_a_pod_fails_with_what_the_kubelet_says(world: World) -> None:
    workflow = await world.workflow(action(), pendingTimeoutSeconds=3)
    await world.pod(workflow, is_ready=False)
    await world.say("pod-0", waiting={"reason": "ImagePullBackOff", "message": "no such image"})
    world.operator().start()
    await world.instance()

    said = "ImagePullBackOff: no such image"
    await world.until(lambda status: status.get("reason") == said)
    status = await world.end()

    assert status["phase"] == "Failed"
    assert status["error"]["code"] == "direktiv.function.notStarted"
    assert said in status["error"]["message"]
    assert not world.function.calls


async def test_a_fault_in_one_instance_leaves_the_others_alone(world: World) -> None:
    """Here a checkpoint that is none."""
    workflow = await world.workflow(action())
    await world.pod(workflow)
    broken = await world.instance(name="broken")
    checkpoint = {"epoch": 0, "seq": 1, "snapshot": "{}"}
    status = {
        "workflowUID": workflow["metadata"]["uid"],
        "revision": workflow["status"]["revision"],
        "checkpoint": checkpoint,
    }
    await world.cluster.replace_status(INSTANCE, {**broken, "status": status})
    world.operator().start()
    await world.instance()

    assert (await world.end("broken"))["phase"] == "Crashed"
    assert (await world.end())["phase"] == "Complete"


async def test_a_secret_reaches_the_function_and_nothing_else(world: World) -> None:
    secret = {"metadata": {"name": "varflow-secrets", "namespace": world.namespace}}
    await world.cluster.create(SECRET, {**secret, "stringData": {"password": "hunter2"}})
    given = {"secrets": ["password"], "input": {"p": "jq(.secrets.password)"}}
    await world.pod(await world.workflow(action(action=given)))

    async def take(call: Call) -> Json:
        return {"length": len(call.input["p"])}

    world.function.handler = take
    world.operator().start()
    await world.instance()

    status = await world.end()

    assert status["output"]["return"] == {"length": 7}
    assert "hunter2" not in str(await world.look())


async def test_pods_are_added_for_actions_and_taken_away_when_idle(world: World) -> None:
    gate = world.function.handler = Gate()
    scale = {"max": 3, "idleSeconds": 0.5}
    functions = [{"id": "f", "image": "example.org/f:1", "concurrency": 2, "scale": scale}]
    workflow = await world.workflow(action(), functions=functions)
    assert await world.replicas(workflow) == 0
    world.operator().start()

    for number in range(5):
        await world.instance(name=f"one-{number}")
    await world.until_replicas(workflow, 3)
    for number in range(3):
        await world.pod(workflow, name=f"pod-{number}")
    gate.opened.set()
    for number in range(5):
        assert (await world.end(f"one-{number}"))["phase"] == "Complete"

    await world.until_replicas(workflow, 0)


def leaving(namespace: str) -> Object:
    return {"metadata": {"namespace": namespace, "deletionTimestamp": "2026-01-01T00:00:00Z"}}


async def test_instances_of_a_namespace_that_is_being_deleted_stop(world: World) -> None:
    gate = world.function.handler = Gate()
    await world.pod(await world.workflow(action()))
    operator = world.operator().start()
    await world.instance()
    await instances.until(lambda: bool(world.function.calls))
    closings = Closings(world.cluster, close=operator.instances.close)

    await world.cluster.delete(NAMESPACE, None, world.namespace)
    closings.observe("MODIFIED", leaving(world.namespace))
    looking = asyncio.create_task(closings.run())
    status = await world.end()
    looking.cancel()

    assert (status["phase"], status["error"]["message"]) == (
        "Cancelled",
        "cancelled: its namespace is being deleted",
    )
    await instances.until(lambda: bool(world.function.deletes))
    gate.opened.set()


async def test_pods_that_are_scaled_down_stop_nothing(world: World) -> None:
    closed: list[str] = []
    closings = Closings(world.cluster, close=closed.append)
    looking = asyncio.create_task(closings.run())
    await world.cluster.delete(NAMESPACE, None, world.namespace)

    async def see_both_off(*, times: int) -> None:
        closings.observe("MODIFIED", leaving("default"))
        closings.observe("MODIFIED", leaving(world.namespace))
        await instances.until(lambda: len(closed) == times)

    await see_both_off(times=1)
    await see_both_off(times=2)
    looking.cancel()

    assert closed == [world.namespace, world.namespace]
