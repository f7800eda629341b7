"""What gone owners have left in the store is found and removed, and nothing else."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support import instances
from tests.support.cluster.control_plane import ApiServer
from tests.support.instances import Call, Json, World, action
from tests.support.variables import Clock
from varflow.variables.scopes import Address, Owners, Scope
from varflow.variables.sweep.findings import DAY_SECONDS
from varflow_operator.instances.crashpoints import CrashPoint
from varflow_operator.kinds import WORKFLOW
from varflow_operator.sweeping.sweeper import Sweeper

LARGE = b"x" * 100_000
"""More than a record holds: such a value has a body."""


@pytest.fixture
async def world(api_server: ApiServer, namespace: str, tmp_path: Path) -> AsyncIterator[World]:
    async with instances.world(api_server.kubeconfig, namespace, tmp_path) as world:
        yield world


async def write(world: World, owners: Owners, scope: Scope, key: str = "k") -> None:
    async with world.variables() as variables:
        await variables.set(Address(owners, scope, key), LARGE)


async def test_an_instance_deleted_without_an_operator_is_found_and_removed(world: World) -> None:
    async def work(call: Call) -> Json:
        call.write("instance", "mine", LARGE)
        call.write("workflow", "shared", LARGE)
        return {}

    world.function.handler = work
    await world.pod(await world.workflow({**action(), "log": "begun"}))
    first = world.operator().die_at(CrashPoint.FINISHED).start()
    await world.instance()
    await first.until_dead()
    owners = await world.owners()
    assert await world.read(owners, Scope.INSTANCE, "mine") == LARGE
    await world.delete()

    world.operator().start()

    await world.until_gone(f"/i/{owners.instance}/vars/")
    await world.until_gone(f"/i/{owners.instance}/log/")
    assert await world.read(owners, Scope.WORKFLOW, "shared") == LARGE
    assert len(await world.paths("/bodies/")) == 1


async def test_variables_of_an_instance_that_ended_as_the_operator_died_end(world: World) -> None:
    async def work(call: Call) -> Json:
        call.write("instance", "mine", b"1")
        return {"large": "x" * 20_000}

    world.function.handler = work
    await world.pod(await world.workflow(action()))
    first = world.operator().die_at(CrashPoint.FINISHED).start()
    await world.instance()
    await first.until_dead()
    owners = await world.owners()
    assert await world.paths(f"/i/{owners.instance}/vars/")

    world.operator().start()

    await world.until_gone(f"/i/{owners.instance}/vars/")
    output = (await world.look())["status"]["outputRef"]
    assert await world.paths(f"/i/{owners.instance}/data/{output}")


async def test_a_deleted_instance_that_had_ended_leaves_nothing(world: World) -> None:
    await world.pod(await world.workflow({**action(), "log": "begun"}))
    operator = world.operator().start()
    await world.instance()
    await world.end()
    owners = await world.owners()
    await instances.until(lambda: not operator.instances.live)

    await world.delete()

    await world.until_gone(f"/i/{owners.instance}/")


async def test_a_deleted_workflow_takes_its_variables_along(world: World) -> None:
    gone, stays = await world.workflow(action()), await world.workflow(action(), name="other")
    for workflow in (gone, stays):
        await write(world, await world.owners_of(workflow), Scope.WORKFLOW)
    owners = await world.owners_of(gone)
    operator = world.operator().start()
    await instances.until(lambda: operator.is_complete)

    await world.cluster.delete(WORKFLOW, world.namespace, "hello")
    await instances.until(lambda: owners.workflow not in operator.ground.definitions.uids())
    await operator.sweeper.sweep()

    assert not await world.paths(f"/w/{owners.workflow}/")
    assert await world.read(await world.owners_of(stays), Scope.WORKFLOW, "k") == LARGE
    assert len(await world.paths("/bodies/")) == 1


async def test_only_namespaces_of_the_own_cluster_that_are_gone_are_removed(world: World) -> None:
    here = await world.owners_of(await world.workflow(action()))
    gone = replace(here, namespace="00000000-0000-4000-8000-00000000dead")
    elsewhere = replace(gone, cluster="another-cluster")
    for owners in (here, gone, elsewhere):
        await write(world, owners, Scope.NAMESPACE)
    operator = world.operator().start()
    await instances.until(lambda: operator.is_complete)

    await Sweeper(operator.ground, operator.instances).sweep()

    assert not await world.paths(f"{here.cluster}/{gone.namespace}/")
    assert await world.read(here, Scope.NAMESPACE, "k") == LARGE
    assert await world.read(elsewhere, Scope.NAMESPACE, "k") == LARGE
    assert await world.paths(f"{here.namespace}/owner.json")


async def test_what_belongs_to_a_running_instance_is_left_alone(world: World) -> None:
    gate = world.function.handler = instances.Gate()
    await world.pod(await world.workflow(action()))
    operator = world.operator().start()
    await world.instance()
    await instances.until(lambda: bool(world.function.calls))
    owners = await world.owners()
    await write(world, owners, Scope.INSTANCE)

    await operator.sweeper.sweep()

    assert await world.read(owners, Scope.INSTANCE, "k") == LARGE
    gate.opened.set()
    await world.end()


async def test_what_nobody_names_any_more_goes_from_a_namespace_that_is_there(
    world: World,
) -> None:
    owners = await world.owners_of(await world.workflow(action()))
    elsewhere = replace(owners, cluster="another-cluster")
    for each in (owners, elsewhere):
        for _ in range(2):
            await write(world, each, Scope.NAMESPACE)
    operator = world.operator().start()
    await instances.until(lambda: operator.is_complete)

    for days in (2, 4, 6):  # the operator's own sweep may be the rival of one of these
        clock = Clock(time.time() + days * DAY_SECONDS)
        ground = replace(operator.ground, clock=clock)
        await Sweeper(ground, operator.instances).keep_up()

    assert len(await world.paths(f"{owners.namespace}/bodies/")) == 1 + 2
    assert len(await world.paths(f"{elsewhere.cluster}/{owners.namespace}/bodies/")) == 2
    assert await world.read(owners, Scope.NAMESPACE, "k") == LARGE


async def test_a_namespace_is_not_tidied_again_at_once(world: World) -> None:
    owners = await world.owners_of(await world.workflow(action()))
    await write(world, owners, Scope.NAMESPACE)
    operator = world.operator().start()
    await instances.until(lambda: operator.is_complete)
    ground = replace(operator.ground, clock=Clock(4e9))
    await Sweeper(ground, operator.instances).keep_up()
    (noted,) = await world.paths(f"{owners.namespace}/sweep.json")
    before = await operator.ground.variables.store.get(noted)

    await Sweeper(ground, operator.instances).keep_up()

    assert await operator.ground.variables.store.get(noted) == before
