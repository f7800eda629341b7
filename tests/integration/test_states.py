"""States across whole runs: what started an instance says which state its functions have."""

from __future__ import annotations

import shlex
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.support import instances, runs
from tests.support.cluster.control_plane import ApiServer
from tests.support.instances import Call, FakePod, Json, Operator, World, action
from tests.support.runs import Caller
from varflow_operator.kinds import WORKFLOW

REMEMBER = """
from varflow_client import Context, serve

def remember(context: Context) -> object:
    before = context.variables.get_state()
    context.variables.set_state(context.input["value"])
    return before

serve(remember)
"""


# On this machine


@pytest.fixture
def caller(tmp_path: Path) -> Caller:
    (tmp_path / "remember.py").write_text(REMEMBER)
    return Caller(tmp_path)


def write(caller: Caller, *, name: str, function: str = "f", **spec: Json) -> Path:
    """Write a workflow that calls a function which remembers its input."""
    call = {"id": "call", "type": "action", "action": {"function": function}}
    return runs.write_workflow(
        caller.folder,
        {**call, "transform": "jq({before: .return})"},
        functions=[{"id": function, "image": "an/image:v1"}],
        name=name,
        **spec,
    )


def run(caller: Caller, workflow: Path, value: int, *, function: str = "f") -> Json:
    command = f"{function}={shlex.join([sys.executable, str(caller.folder / 'remember.py')])}"
    ended = caller.run(workflow, "--input", f'{{"value": {value}}}', "--function", command)
    assert ended.answer["status"] == "complete", ended.log
    return ended.answer["output"]["before"]


def test_local_runs_of_a_workflow_share_a_state_until_it_is_removed(caller: Caller) -> None:
    flow, other = write(caller, name="flow"), write(caller, name="other")
    assert run(caller, flow, 1) is None
    assert run(caller, flow, 2) == 1
    assert run(caller, other, 3) is None
    write(caller, name="flow", description="edited")
    assert run(caller, flow, 4) == 2, "ST-08: a new revision goes on with it"

    removed = caller.call("workflow", "rm", "flow", "--yes")
    assert removed.log == "1 variable removed\n"
    assert run(caller, flow, 5) is None
    assert run(caller, other, 6) == 3


def test_each_function_of_a_local_run_has_its_own(caller: Caller) -> None:
    """ST-05; the id counts, not the program."""
    assert run(caller, write(caller, name="flow", function="f"), 1, function="f") is None
    assert run(caller, write(caller, name="flow", function="g"), 2, function="g") is None


def test_local_states_per_user_are_the_users(caller: Caller) -> None:
    """ST-04."""
    assert run(caller, write(caller, name="flow"), 1) is None
    mine = write(caller, name="flow", state={"perUser": True})
    assert run(caller, mine, 2) is None
    assert run(caller, mine, 3) == 2


# In a cluster


@pytest.fixture
async def world(api_server: ApiServer, namespace: str, tmp_path: Path) -> AsyncIterator[World]:
    async with instances.world(api_server.kubeconfig, namespace, tmp_path) as world:
        yield world


class Remembering:
    """Has a real sidecar remember an action's input, and answers what was there before."""

    def __init__(self, pod: FakePod) -> None:
        self._url = f"http://localhost:{pod.settings.variable_port}/state"

    async def __call__(self, call: Call) -> Json:
        query = {"aid": call.headers["Direktiv-ActionID"]}
        async with aiohttp.ClientSession() as http:
            async with http.get(self._url, params=query) as response:
                before = await response.json() if response.status == 200 else None
            async with http.put(self._url, params=query, json=call.input["value"]) as response:
                assert response.status == 200
        return {"before": before}


async def begin(world: World, **spec: Json) -> Operator:
    """Have a workflow whose function remembers, and an operator."""
    workflow = await world.workflow(action(transform="jq(.return)"), **spec)
    world.function.handler = Remembering(await world.pod(workflow))
    return world.operator().start()


async def ask(world: World, name: str, trigger: Json = None) -> Json:
    """Run an instance and return what its function found."""
    spec = {} if trigger is None else {"trigger": trigger}
    await world.instance(name=name, input={"value": name}, **spec)
    return (await world.end(name))["output"]["before"]


async def test_the_trigger_of_an_instance_says_which_state_it_has(world: World) -> None:
    """ST-01 to ST-03."""
    await begin(world)
    nightly = {"type": "schedule", "name": "nightly"}

    assert await ask(world, "a") is None
    assert await ask(world, "b", {"type": "webhook", "name": "w", "user": "alice"}) == "a"
    assert await ask(world, "c", nightly) is None
    assert await ask(world, "d", nightly) == "c"
    assert await ask(world, "e", {"type": "schedule", "name": "hourly"}) is None
    assert await ask(world, "f", {"type": "cli"}) == "b"


async def test_users_have_their_own_where_the_workflow_says_so(world: World) -> None:
    """ST-04."""
    await begin(world, state={"perUser": True})

    assert await ask(world, "a", {"user": "alice"}) is None
    assert await ask(world, "b", {"user": "bob"}) is None
    assert await ask(world, "c", {"type": "cli", "user": "alice"}) == "a"


async def test_a_deleted_workflow_takes_its_states_along(world: World) -> None:
    operator = await begin(world)
    await ask(world, "a")
    owners = await world.owners("a")
    assert await world.paths(f"/s/{owners.workflow}/")

    await world.cluster.delete(WORKFLOW, world.namespace, "hello")
    await instances.until(lambda: owners.workflow not in operator.ground.definitions.uids())
    await operator.sweeper.sweep()

    assert not await world.paths(f"/s/{owners.workflow}/")
