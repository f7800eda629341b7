"""The control plane dies at each of its crash points, and the next one goes on from there.

Each action is called once, for the sidecar knows its id; its outputs appear once; the instance ends
as if nothing had happened.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support import instances
from tests.support.cluster.control_plane import ApiServer
from tests.support.instances import Call, Json, World, action
from varflow.variables.scopes import Scope
from varflow_operator.instances.crashpoints import CrashPoint

pytestmark = [
    # A control plane that dies closes nothing, and here it dies within the test's own process.
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

LARGE = "x" * 40_000
"""More than a snapshot or an output in the status may have."""
SET = {
    "id": "set",
    "type": "setter",
    "variables": [{"key": "after", "scope": "workflow", "value": "jq(.return.number)"}],
}
OF_GIVING_UP = {CrashPoint.STOPPED, CrashPoint.ABANDONED}


@pytest.fixture
async def world(api_server: ApiServer, namespace: str, tmp_path: Path) -> AsyncIterator[World]:
    async with instances.world(api_server.kubeconfig, namespace, tmp_path) as world:
        yield world


def ids(points: list[CrashPoint]) -> list[str]:
    return [point.name.lower() for point in points]


OF_SUBFLOWS = {
    CrashPoint.TAKEN,
    CrashPoint.INPUT_STORED,
    CrashPoint.CHILD_MADE,
    CrashPoint.CHILD_ENDED,
    CrashPoint.CHILD_STOPPED,
}
"""And of actions that nobody waits for: see `test_instance_subflows`."""
POINTS = [point for point in CrashPoint if point not in OF_GIVING_UP | OF_SUBFLOWS]


@pytest.mark.parametrize("point", POINTS, ids=ids(POINTS))
async def test_an_instance_goes_on_after_the_control_plane_has_died(
    world: World, point: CrashPoint
) -> None:
    async def work(call: Call) -> Json:
        number = len(world.function.calls)
        await asyncio.sleep(1.2)  # longer than the first request waits for the outcome
        call.write("workflow", "number", str(number).encode())
        return {"number": number, "large": LARGE}

    world.function.handler = work
    workflow = await world.workflow(action(transition="set"), SET)
    await world.pod(workflow)
    first = world.operator().die_at(point).start()
    await world.instance()
    await first.until_dead()

    world.operator().start()
    status = await world.end()

    assert status["phase"] == "Complete"
    assert len(world.function.calls) == 1
    owners = await world.owners()
    assert await world.read(owners, Scope.WORKFLOW, "number") == b"1"
    assert await world.read(owners, Scope.WORKFLOW, "after") == b"1"
    assert "output" not in status
    output = f"{owners.instance}/data/{status['outputRef']}"
    assert len(await world.paths(output)) == 1


@pytest.mark.parametrize("point", sorted(OF_GIVING_UP), ids=ids(sorted(OF_GIVING_UP)))
async def test_a_cancelled_instance_ends_after_the_control_plane_has_died(
    world: World, point: CrashPoint
) -> None:
    async def hang(call: Call) -> Json:
        call.write("workflow", "x", b"1")
        await asyncio.sleep(60)

    world.function.handler = hang
    workflow = await world.workflow(action())
    await world.pod(workflow)
    first = world.operator().die_at(point).start()
    await world.instance()
    await instances.until(lambda: bool(world.function.calls))
    await world.patch(spec={"cancel": True})
    await first.until_dead()

    world.operator().start()
    status = await world.end()

    assert status["phase"] == "Cancelled"
    assert status["error"]["code"] == "direktiv.cancels.api"
    assert len(world.function.deletes) >= 1
    assert await world.read(await world.owners(), Scope.WORKFLOW, "x") is None
