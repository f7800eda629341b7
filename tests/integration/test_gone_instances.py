"""What a gone instance has decided goes once no pod can run anything of it, and not before."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support import instances
from tests.support.cluster.control_plane import ApiServer
from tests.support.instances import Operator, World, action
from varflow.variables.scopes import Owners, Scope
from varflow_operator.instances.crashpoints import CrashPoint
from varflow_operator.kinds import POD
from varflow_operator.sweeping.asking import Asking

KEEP = {
    "id": "keep",
    "type": "setter",
    "variables": [{"key": "mine", "scope": "instance", "value": "y"}],
    "transition": "call",
}
GONE = frozenset({"00000000-0000-4000-8000-00000000dead"})


@pytest.fixture
async def world(api_server: ApiServer, namespace: str, tmp_path: Path) -> AsyncIterator[World]:
    async with instances.world(api_server.kubeconfig, namespace, tmp_path) as world:
        yield world


async def leave_behind(world: World) -> Owners:
    """Delete an instance in the middle of an action while no operator runs."""
    world.function.handler = instances.Gate()
    await world.pod(await world.workflow(KEEP, action()))
    operator = world.operator().start()
    await world.instance()
    await instances.until(lambda: bool(world.function.calls))
    owners = await world.owners()
    await operator.kill()
    await world.delete()
    assert await world.paths(f"/i/{owners.instance}/decisions/")
    return owners


async def started(world: World) -> Operator:
    operator = world.operator().start()
    await instances.until(lambda: operator.is_complete)
    return operator


async def confirm(operator: Operator, world: World) -> frozenset[str]:
    return await Asking(operator.ground).confirm(world.namespace, GONE)


async def test_an_instance_deleted_in_its_work_without_an_operator_leaves_nothing(
    world: World,
) -> None:
    owners = await leave_behind(world)

    world.operator().start()

    await world.until_gone(f"/i/{owners.instance}/")
    assert len(world.function.deletes) == 1
    assert await world.read(owners, Scope.WORKFLOW, "x") is None


async def test_while_a_pod_does_not_answer_the_decisions_stay(world: World) -> None:
    owners = await leave_behind(world)
    pod = world.pods["pod-0"]
    pod.kill()

    operator = world.operator().start()

    await world.until_gone(f"/i/{owners.instance}/vars/")
    assert await world.paths(f"/i/{owners.instance}/decisions/")

    pod.start()
    await pod.until_ready()
    await operator.sweeper.sweep()
    await world.until_gone(f"/i/{owners.instance}/")


async def test_of_one_that_had_ended_decisions_go_with_its_object(world: World) -> None:
    await world.pod(await world.workflow(KEEP, action()))
    first = world.operator().die_at(CrashPoint.FINISHED).start()
    await world.instance()
    await first.until_dead()
    owners = await world.owners()
    operator = await started(world)
    await operator.sweeper.sweep()
    assert await world.paths(f"/i/{owners.instance}/decisions/")

    await world.delete()

    await world.until_gone(f"/i/{owners.instance}/")


async def test_without_pods_nothing_of_a_gone_instance_runs(world: World) -> None:
    assert await confirm(await started(world), world) == GONE


async def test_a_pod_that_runs_nothing_of_it_confirms(world: World) -> None:
    await world.pod(await world.workflow(action()))

    assert await confirm(await started(world), world) == GONE


async def test_every_pod_has_to_confirm(world: World) -> None:
    workflow = await world.workflow(action())
    for name in ("pod-0", "pod-1"):
        await world.pod(workflow, name=name)
    operator = await started(world)
    world.pods["pod-1"].kill()

    assert await confirm(operator, world) == frozenset()


async def test_a_pod_that_has_ended_is_not_asked(world: World) -> None:
    pod = await world.pod(await world.workflow(action()))
    pod.kill()
    obj = await world.cluster.get(POD, world.namespace, pod.name)
    obj["status"]["phase"] = "Failed"
    await world.cluster.replace_status(POD, obj)
    operator = await started(world)

    assert await confirm(operator, world) == GONE


async def test_while_a_pod_that_was_deleted_by_force_may_run_nothing_is_confirmed(
    world: World,
) -> None:
    workflow = await world.workflow(action())
    pod = await world.pod(workflow)
    operator = await started(world)
    await world.set_ready(pod.name, is_ready=False)
    (seen,) = operator.ground.pods.all_of(workflow["metadata"]["uid"])
    await instances.until(lambda: not seen.state.is_ready)  # now it watches

    await world.lose_pod(pod.name)
    assert await confirm(operator, world) == frozenset()  # whether it has seen that or not

    whereabouts = operator.ground.pods.whereabouts
    await instances.until(lambda: whereabouts.seconds_since_loss(world.namespace) < 60)
    assert await confirm(operator, world) == frozenset()


async def test_a_newer_control_plane_is_not_answered_for(world: World) -> None:
    await world.pod(await world.workflow(action()))
    older, newer = await started(world), await started(world)

    assert await confirm(newer, world) == GONE
    assert await confirm(older, world) == frozenset()


async def test_without_a_gone_instance_no_pod_is_looked_for(world: World) -> None:
    gate = world.function.handler = instances.Gate()
    await world.pod(await world.workflow(KEEP, action()))
    operator = await started(world)
    await world.instance()
    await instances.until(lambda: bool(world.function.calls))
    before = world.requests["list", POD]

    await operator.sweeper.sweep()

    assert world.requests["list", POD] == before
    gate.opened.set()
    await world.end()
