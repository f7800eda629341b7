"""Subflows in a cluster: instances that instances start, and what becomes of them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support import instances
from tests.support.cluster.control_plane import ApiServer
from tests.support.instances import Call, Gate, Json, World, action
from varflow.engine import identities
from varflow.errors import ObjectNotFound
from varflow.variables.scopes import Scope
from varflow_operator import names
from varflow_operator.instances.crashpoints import CrashPoint
from varflow_operator.kinds import INSTANCE, WORKFLOW, Object

SUB = [{"id": "f", "type": "subflow", "workflow": "child"}]
DETACHED: dict[str, Json] = {"async": True}
LARGE = "x" * 20_000
"""More than an object holds of an input or an output."""
WAIT = {"id": "wait", "type": "delay", "duration": "PT1H"}
SET = {
    "id": "set",
    "type": "setter",
    "variables": [{"key": "ran", "scope": "workflow", "value": "jq((.n // 0) + 1)"}],
}


@pytest.fixture
async def world(api_server: ApiServer, namespace: str, tmp_path: Path) -> AsyncIterator[World]:
    async with instances.world(api_server.kubeconfig, namespace, tmp_path) as world:
        yield world


async def parent(world: World, **fields: Json) -> Object:
    """Write a workflow whose state `call` calls the workflow `child`."""
    return await world.workflow(action(**fields), functions=SUB)


async def child(world: World, *states: Json, **spec: Json) -> Object:
    return await world.workflow(*states, name="child", **spec)


async def children(world: World) -> list[Object]:
    """Return the instances that are subflows, the oldest first."""
    found = [it async for it in world.cluster.list(INSTANCE, world.namespace)]
    return [it for it in found if "parent" in it["spec"]]


async def until_child(world: World) -> Object:
    """Return the only child as soon as it has begun."""
    async with asyncio.timeout(20):
        while True:
            for found in await children(world):
                if (found.get("status") or {}).get("startTime"):
                    return found
            await asyncio.sleep(0.02)


async def test_a_subflow_runs_as_an_instance_of_its_own(world: World) -> None:
    await parent(world, transform="jq(.return)")
    workflow = await child(world, {**SET, "transform": "jq({twice: (.n * 2)})"})
    world.operator().start()

    one = await world.instance(input={"n": 21})
    status = await world.end()

    assert status["phase"] == "Complete", status
    assert status["output"] == {"twice": 42}
    (found,) = await children(world)
    assert found["spec"] == {
        "workflow": "child",
        "input": {"n": 21},
        "trigger": {"type": "subflow"},
        "parent": {"name": "one", "uid": one["metadata"]["uid"], "depth": 1},
        "cancel": False,
    }
    assert found["metadata"]["name"].startswith("one-")
    assert found["status"]["phase"] == "Complete"
    owners = await world.owners_of(found)
    assert owners.workflow == workflow["metadata"]["uid"]
    assert await world.read(owners, Scope.WORKFLOW, "ran") == b"22"


async def test_a_subflow_belongs_to_its_parent_alone(world: World) -> None:
    """With a second owner Kubernetes would keep it when the first is gone."""
    await parent(world)
    await child(world, WAIT)
    world.operator().start()
    one = await world.instance()

    found = await until_child(world)

    owners = found["metadata"]["ownerReferences"]
    assert [(it["kind"], it["uid"]) for it in owners] == [
        ("WorkflowInstance", one["metadata"]["uid"])
    ]


async def test_a_subflow_that_nobody_waits_for_belongs_to_its_workflow(world: World) -> None:
    await parent(world, **DETACHED)
    workflow = await child(world, WAIT)
    world.operator().start()

    await world.instance(input={"a": 1})
    status = await world.end()
    found = await until_child(world)

    assert status["output"] == {"a": 1}
    owners = found["metadata"]["ownerReferences"]
    assert [(it["kind"], it["uid"]) for it in owners] == [("Workflow", workflow["metadata"]["uid"])]
    assert found["status"]["phase"] == "Running"


async def test_an_error_crosses_two_levels_with_its_code(world: World) -> None:
    call = {"function": "f"}
    await parent(world, catch=[{"error": "my.*"}])
    deep = [{"id": "f", "type": "subflow", "workflow": "deep"}]
    await child(world, {"id": "on", "type": "action", "action": call}, functions=deep)
    error = {"id": "fail", "type": "error", "error": "my.error", "message": "no"}
    await world.workflow(error, name="deep")
    world.operator().start()

    await world.instance()
    status = await world.end()

    assert status["phase"] == "Complete"
    assert status["output"]["error"] == {"code": "my.error", "msg": "no"}
    found = {it["spec"]["workflow"]: it for it in await children(world)}
    assert {it["status"]["phase"] for it in found.values()} == {"Failed"}
    assert found["deep"]["spec"]["parent"]["name"] == found["child"]["metadata"]["name"]
    assert found["deep"]["spec"]["parent"]["depth"] == 2


async def test_large_inputs_and_outputs_go_through_the_store(world: World) -> None:
    await parent(world, transform="jq({n: (.return.text | length)})")
    await child(world, {"id": "same", "type": "noop", "transform": 'jq({text: (.text + "!")})'})
    world.operator().start()

    await world.instance(input={"text": LARGE})
    status = await world.end()

    assert status["output"] == {"n": len(LARGE) + 1}, status
    (found,) = await children(world)
    assert "input" not in found["spec"]
    assert found["spec"]["parent"]["inputRef"]
    owners = await world.owners()
    await world.until_gone(f"/i/{owners.instance}/data/")


async def test_a_large_input_stays_until_a_subflow_has_it_that_nobody_waits_for(
    world: World,
) -> None:
    await parent(world, **DETACHED)
    world.operator().start()
    await world.instance(input={"text": LARGE})
    await world.until(lambda status: status.get("state") == "call")

    await child(world, {"id": "n", "type": "noop", "transform": "jq({n: (.text | length)})"})
    assert (await world.end())["phase"] == "Complete"
    (found,) = await children(world)
    status = await world.end(found["metadata"]["name"])

    assert status["output"] == {"n": len(LARGE)}


async def test_ten_subflows_within_one_another_are_enough(world: World) -> None:
    again = action(action={"input": "jq({n: (.n + 1), most})"}, transform="jq(.return)")
    done = {"id": "done", "type": "noop"}
    which = {
        "id": "which",
        "type": "switch",
        "conditions": [{"condition": "jq(.n < .most)", "transition": "call"}],
        "defaultTransition": "done",
    }
    itself = [{"id": "f", "type": "subflow", "workflow": "hello"}]
    await world.workflow(which, again, done, functions=itself)
    world.operator().start()

    await world.instance(input={"n": 0, "most": 10})
    await world.instance(name="two", input={"n": 0, "most": 11})

    assert (await world.end())["output"]["n"] == 10
    assert (await world.end("two"))["error"]["code"] == "direktiv.limits.depth"
    assert len(await children(world)) == 20


async def test_a_subflow_that_takes_too_long_is_cancelled(world: World) -> None:
    await parent(world, timeout="PT1S", catch=[{"error": "direktiv.cancels.*"}])
    world.function.handler = Gate()
    workflow = await child(world, action())
    await world.pod(workflow)
    world.operator().start()

    await world.instance()
    status = await world.end()

    assert status["output"]["error"]["code"] == "direktiv.cancels.timeout.soft"
    (found,) = await children(world)
    assert found["spec"]["cancel"] is True
    assert found["status"]["phase"] == "Cancelled"
    assert found["status"]["error"]["code"] == "direktiv.cancels.parent"
    assert world.function.deletes
    assert await world.read(await world.owners_of(found), Scope.WORKFLOW, "x") is None


async def test_a_cancelled_instance_ends_after_its_subflow(world: World) -> None:
    await parent(world)
    await child(world, WAIT)
    world.operator().start()
    await world.instance()
    await until_child(world)

    await world.patch(spec={"cancel": True})
    status = await world.end()

    assert status["phase"] == "Cancelled"
    (found,) = await children(world)
    assert found["status"]["phase"] == "Cancelled"


async def test_the_subflow_of_a_deleted_instance_is_cancelled_or_removed_with_it(
    world: World,
) -> None:
    await parent(world)
    await child(world, WAIT)
    world.operator().start()
    await world.instance()
    name = (await until_child(world))["metadata"]["name"]

    await world.delete()

    with contextlib.suppress(ObjectNotFound):  # the garbage collector was quicker
        assert (await world.end(name))["error"]["code"] == "direktiv.cancels.parent"


async def test_a_subflow_that_is_deleted_is_an_error_of_its_parent(world: World) -> None:
    await parent(world, catch=[{"error": "*"}])
    await child(world, WAIT)
    world.operator().start()
    await world.instance()
    found = await until_child(world)

    await world.delete(found["metadata"]["name"])
    status = await world.end()

    assert status["output"]["error"]["code"] == "direktiv.cancels.api"
    assert "was deleted" in status["output"]["error"]["msg"]


async def test_a_subflow_ends_when_its_workflow_is_deleted(world: World) -> None:
    await parent(world, catch=[{"error": "*"}])
    await child(world, WAIT)
    world.operator().start()
    await world.instance()
    await until_child(world)

    await world.cluster.delete(WORKFLOW, world.namespace, "child")
    status = await world.end()

    assert status["output"]["error"]["msg"] == "cancelled: its Workflow was deleted"


async def test_a_workflow_that_is_not_there_is_waited_for(world: World) -> None:
    functions = [{"id": "f", "type": "subflow", "workflow": "flows/child.yaml"}]
    await world.workflow(action(), functions=functions)
    world.operator().start()
    await world.instance(input={"n": 1})
    await world.until(lambda status: status.get("phase") == "Running")

    await child(world, SET)

    assert (await world.end())["output"]["return"] == {"n": 1}


async def test_a_workflow_that_never_comes_is_an_error_that_can_be_caught(world: World) -> None:
    await parent(world, catch=[{"error": "direktiv.workflow.invalid"}])
    world.operator(pending_seconds=1.5).start()

    await world.instance()
    status = await world.end()

    assert "no Workflow 'child'" in status["output"]["error"]["msg"]


async def test_a_name_that_no_workflow_can_have_is_an_error_at_once(world: World) -> None:
    functions = [{"id": "f", "type": "subflow", "workflow": "The Child"}]
    await world.workflow(action(), functions=functions)
    world.operator().start()

    await world.instance()
    status = await world.end()

    assert status["error"]["code"] == "direktiv.workflow.invalid"
    assert "'The Child'" in status["error"]["message"]
    assert await children(world) == []


async def test_an_instance_of_somebody_else_is_not_taken_for_a_subflow(world: World) -> None:
    await parent(world)
    await child(world, {"id": "n", "type": "noop"})
    one = await world.instance()
    name = first_child(one)
    await world.instance("child", name=name)
    world.operator().start()

    status = await world.end()

    assert status["error"]["code"] == "object_exists"
    assert name in status["error"]["message"]
    assert (await world.end(name))["phase"] == "Complete"


def first_child(one: Object) -> str:
    """Return the name of what the first state of an instance starts first."""
    uid = one["metadata"]["uid"]
    action_id = identities.action_id(uid, step=1, branch=0, attempt=0)
    return names.child_instance(one["metadata"]["name"], uid=uid, action_id=action_id)


async def test_a_loop_runs_many_subflows_and_keeps_their_order(world: World) -> None:
    each = {
        "id": "each",
        "type": "foreach",
        "array": "jq([range(30) | {n: .}])",
        "action": {"function": "f"},
        "transform": "jq({all: [.return[].n]})",
    }
    await world.workflow(each, functions=SUB)
    await child(world, {"id": "n", "type": "noop"})
    world.operator().start()

    await world.instance()
    status = await world.end(seconds=60)

    assert status["output"] == {"all": list(range(30))}
    assert len(await children(world)) == 30


async def test_an_action_that_nobody_waits_for_ends_after_its_instance(world: World) -> None:
    gate = world.function.handler = Gate()
    await world.pod(await world.workflow(action(**DETACHED)))
    operator = world.operator().start()
    await world.instance(input={"a": 1})

    status = await world.end()
    assert status["output"] == {"a": 1}
    await instances.until(lambda: bool(world.function.calls))
    gate.opened.set()
    await instances.until(lambda: not operator.instances.live)

    owners = await world.owners()
    assert await world.read(owners, Scope.WORKFLOW, "x") == b"1"
    await world.until_gone(f"/i/{owners.instance}/decisions/")


async def test_an_action_that_nobody_waits_for_ends_with_its_cancelled_instance(
    world: World,
) -> None:
    world.function.handler = Gate()
    workflow = await world.workflow(action(transition="wait", **DETACHED), WAIT)
    await world.pod(workflow)
    operator = world.operator().start()
    await world.instance()
    await world.until(lambda status: status.get("state") == "wait")
    await instances.until(lambda: bool(world.function.calls))

    await world.patch(spec={"cancel": True})

    assert (await world.end())["phase"] == "Cancelled"
    await instances.until(lambda: not operator.instances.live)
    assert world.function.deletes
    assert await world.read(await world.owners(), Scope.WORKFLOW, "x") is None


async def test_an_action_that_nobody_waits_for_ends_with_its_deleted_instance(
    world: World,
) -> None:
    world.function.handler = Gate()
    await world.pod(await world.workflow(action(**DETACHED)))
    operator = world.operator().start()
    await world.instance()
    await world.end()
    await instances.until(lambda: bool(world.function.calls))
    owners = await world.owners()

    await world.delete()

    await instances.until(lambda: not operator.instances.live)
    assert world.function.deletes
    assert await world.read(owners, Scope.WORKFLOW, "x") is None


async def test_the_error_of_an_action_that_nobody_waits_for_is_in_the_log(world: World) -> None:
    async def fail(call: Call) -> Json:
        raise RuntimeError("no")

    world.function.handler = fail
    await world.pod(await world.workflow(action(**DETACHED)))
    operator = world.operator().start()
    await world.instance()

    assert (await world.end())["phase"] == "Complete"
    await instances.until(lambda: not operator.instances.live)
    owners = await world.owners()
    log = b"".join([await world.body(path) for path in await world.paths(f"{owners.instance}/log")])
    assert b"asynchronous action of 'f': container failed" in log


# The control plane dies

IN_A_CALL = [
    CrashPoint.INPUT_STORED,
    CrashPoint.CHILD_MADE,
    CrashPoint.CHILD_ENDED,
    CrashPoint.CHECKPOINTED,
    CrashPoint.DECIDED,
]


def ids(points: list[CrashPoint]) -> list[str]:
    return [point.name.lower() for point in points]


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
class TestDying:
    """No subflow is started twice, and none is lost."""

    @pytest.mark.parametrize("point", IN_A_CALL, ids=ids(IN_A_CALL))
    async def test_a_subflow_goes_on_after_the_control_plane_has_died(
        self, world: World, point: CrashPoint
    ) -> None:
        await parent(world, transform="jq({n: .return.return.number})")
        workflow = await child(world, action())

        async def work(call: Call) -> Json:
            await asyncio.sleep(0.3)
            return {"number": len(world.function.calls), "large": LARGE}

        world.function.handler = work
        await world.pod(workflow)
        first = world.operator().die_at(point).start()
        await world.instance(input={"text": LARGE})
        await first.until_dead()

        world.operator().start()
        status = await world.end()

        assert status["output"] == {"n": 1}, status
        assert len(world.function.calls) == 1
        assert len(await children(world)) == 1

    async def test_a_subflow_that_ended_meanwhile_is_not_run_again(self, world: World) -> None:
        await parent(world)
        await child(world, {"id": "wait", "type": "delay", "duration": "PT1S"})
        first = world.operator().start()
        await world.instance(input={"n": 1})
        found = await until_child(world)
        await first.kill()
        ended = {
            **found["status"],
            "phase": "Complete",
            "output": {"made": "by the test"},
            "conditions": [
                {**it, "status": "True"} if it["type"] == "Completed" else it
                for it in found["status"]["conditions"]
            ],
        }
        found = await world.look(found["metadata"]["name"])
        await world.cluster.replace_status(INSTANCE, {**found, "status": ended})

        world.operator().start()

        assert (await world.end())["output"]["return"] == {"made": "by the test"}
        assert len(await children(world)) == 1

    async def test_a_subflow_is_cancelled_after_the_control_plane_has_died(
        self, world: World
    ) -> None:
        await parent(world)
        await child(world, WAIT)
        first = world.operator().die_at(CrashPoint.CHILD_STOPPED).start()
        await world.instance()
        await until_child(world)
        await world.patch(spec={"cancel": True})
        await first.until_dead()

        world.operator().start()

        assert (await world.end())["phase"] == "Cancelled"
        (found,) = await children(world)
        assert (await world.end(found["metadata"]["name"]))["phase"] == "Cancelled"

    async def test_an_action_that_nobody_waits_for_is_sent_once(self, world: World) -> None:
        gate = world.function.handler = Gate()
        await world.pod(await world.workflow(action(**DETACHED)))
        first = world.operator().die_at(CrashPoint.TAKEN).start()
        await world.instance()
        await first.until_dead()

        second = world.operator().start()
        assert (await world.end())["phase"] == "Complete"
        await instances.until(lambda: bool(world.function.calls))
        gate.opened.set()
        await instances.until(lambda: not second.instances.live)

        assert len(world.function.calls) == 1
        assert await world.read(await world.owners(), Scope.WORKFLOW, "x") == b"1"
