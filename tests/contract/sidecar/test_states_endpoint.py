"""`/state`: one JSON value for each function and trigger; the cases of the list are in brackets."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import aiohttp
import pytest

from tests.support import sidecars
from tests.support.sidecars import OWNERS, Call, Pod
from varflow.contract import OutcomeStatus
from varflow.variables.scopes import Owners, StateAddress

MANUAL = "poll/manual"


class State:
    """`/state` of one action."""

    def __init__(self, call: Call) -> None:
        self.call = call

    async def ask(
        self, method: str, data: Any = None, headers: dict[str, str] | None = None, **query: str
    ) -> tuple[aiohttp.ClientResponse, bytes]:
        pod = self.call.pod
        query = {"aid": self.call.action_id, **query}
        async with pod.http.request(
            method, pod.url("/state"), params=query, data=data, headers=headers
        ) as response:
            return response, await response.read()

    async def get(self) -> Any:
        """Return the state, or None when there is none."""
        response, body = await self.ask("GET")
        assert response.status in {200, 204}
        return json.loads(body) if response.status == 200 else None

    async def set(self, value: Any) -> None:
        response, _ = await self.ask("PUT", json.dumps(value))
        assert response.status == 200

    async def fails(self, method: str, **given: Any) -> tuple[int, str]:
        response, body = await self.ask(method, **given)
        return response.status, json.loads(body)["error"]["code"]


async def run(pod: Pod, value: Any, *, state: str = MANUAL, owners: Owners = OWNERS) -> Any:
    """Run an action that sets the state to `value`, and return what it found there before."""

    async def handle(call: Call) -> object:
        before = await State(call).get()
        await State(call).set(value)
        return {"before": before}

    outcome = await pod.run(handle, state=state, owners=owners)
    assert outcome.status is OutcomeStatus.COMPLETE
    return outcome.output["before"]


@pytest.fixture
async def state(pod: Pod) -> AsyncIterator[State]:
    """`/state` of an action that goes on for as long as the test."""
    done = asyncio.Event()

    async def wait(call: Call) -> object:
        await done.wait()
        return {}

    pod.function.handler = wait
    task = asyncio.ensure_future(pod.sidecar.actions.run(sidecars.make_dispatch(state=MANUAL)))
    await sidecars.eventually(lambda: bool(pod.function.calls))
    yield State(pod.function.calls[0])
    done.set()
    await task


# From run to run


async def test_the_first_run_finds_nothing_and_the_next_what_the_last_one_set(pod: Pod) -> None:
    """ST-01, ST-02."""
    assert await run(pod, {"max": 7}) is None
    assert await run(pod, {"max": 9}) == {"max": 7}
    assert await run(pod, None) == {"max": 9}


async def test_another_instance_of_the_workflow_finds_it_and_another_workflow_does_not(
    pod: Pod,
) -> None:
    """ST-02, ST-08: it hangs on the workflow, not on a run or a revision of it."""
    await run(pod, 1)

    assert await run(pod, 2, owners=replace(OWNERS, instance="next")) == 1
    assert await run(pod, 3, owners=replace(OWNERS, workflow="other")) is None
    assert await run(pod, 4, owners=replace(OWNERS, namespace="other")) is None


@pytest.mark.parametrize(
    "other",
    [
        pytest.param("poll/schedule:nightly", id="ST-03 another trigger"),
        pytest.param("poll/manual/bob", id="ST-04 another user"),
        pytest.param("notify/manual", id="ST-05 another function"),
    ],
)
async def test_states_are_apart(pod: Pod, other: str) -> None:
    await run(pod, "mine")

    assert await run(pod, "theirs", state=other) is None
    assert await run(pod, "", state=MANUAL) == "mine"


async def test_a_state_stays_when_its_action_fails(pod: Pod) -> None:
    """ST-11: setting it takes effect at once."""

    async def fail(call: Call) -> object:
        await State(call).set("set before it failed")
        raise aiohttp.web.HTTPInternalServerError

    outcome = await pod.run(fail, state=MANUAL)
    assert outcome.status is OutcomeStatus.FAILED
    assert await run(pod, "") == "set before it failed"


async def test_the_end_of_an_instance_leaves_it_and_that_of_the_workflow_does_not(
    pod: Pod,
) -> None:
    """ST-02."""
    await run(pod, 1)
    await pod.variables.end_instance(OWNERS)
    assert await run(pod, 2) == 1
    await pod.variables.remove_workflow(OWNERS)

    assert await run(pod, 3) is None


# The calls


@pytest.mark.parametrize("value", [{}, [], 0, "", False, None, 1.5, {"a": ["ü"]}], ids=repr)
async def test_any_json_value_is_a_state(state: State, value: Any) -> None:
    await state.set(value)
    response, body = await state.ask("GET")

    assert response.status == 200
    assert response.content_type == "application/json"
    assert json.loads(body) == value


@pytest.mark.parametrize("method", ["PUT", "POST"])
async def test_a_write_answers_the_new_revision_which_a_read_shows(
    state: State, method: str
) -> None:
    written, _ = await state.ask(method, "1")
    read, body = await state.ask("GET")
    head, _ = await state.ask("HEAD")

    assert body == b"1"
    for response in (written, read, head):
        assert response.status == 200
        assert response.headers["ETag"] == f'"{response.headers["Varflow-Revision"]}"'
    assert written.headers["ETag"] == read.headers["ETag"] == head.headers["ETag"]


async def test_of_two_runs_that_read_one_revision_one_can_write(state: State) -> None:
    """ST-07."""
    response, _ = await state.ask("PUT", "0")
    headers = {"If-Match": response.headers["ETag"]}
    answers = await asyncio.gather(*(state.ask("PUT", "1", headers) for _ in range(2)))

    assert sorted(response.status for response, _ in answers) == [200, 412]


async def test_only_one_run_can_be_the_first(state: State) -> None:
    answers = await asyncio.gather(
        *(state.ask("PUT", "1", {"If-None-Match": "*"}) for _ in range(4))
    )

    assert sorted(response.status for response, _ in answers) == [200, 412, 412, 412]


async def test_a_deleted_state_is_no_content_and_deleting_it_again_too(state: State) -> None:
    await state.set(1)
    for _ in range(2):
        response, body = await state.ask("DELETE")
        assert (response.status, body) == (204, b"")

    response, body = await state.ask("GET")
    assert (response.status, body) == (204, b"")


async def test_a_state_may_expire(state: State) -> None:
    response, _ = await state.ask("PUT", "1", ttl="60")
    assert "Varflow-Expires-At" in response.headers
    await state.ask("PUT", "2", ttl="0")

    assert await state.get() is None


@pytest.mark.parametrize("body", ["", "{", "nan", "1 2", b"\xff"], ids=repr)
async def test_what_is_no_json_is_400_and_changes_nothing(state: State, body: str | bytes) -> None:
    await state.set("before")

    assert await state.fails("PUT", data=body) == (400, "invalid_input")
    assert await state.get() == "before"


async def test_a_state_over_a_mib_is_413_and_changes_nothing(state: State) -> None:
    await state.set("before")

    assert await state.fails("PUT", data=io.BytesIO(b'"%s"' % (b"x" * 1024 * 1024))) == (
        413,
        "too_large",
    )
    assert await state.get() == "before"


async def test_an_unknown_action_has_no_state(state: State) -> None:
    for method in ("GET", "PUT", "DELETE"):
        assert await state.fails(method, aid="unknown") == (404, "unknown_action")


async def test_an_action_that_was_given_no_state_says_so(pod: Pod) -> None:
    async def ask(call: Call) -> object:
        return await State(call).fails("GET")

    assert (await pod.run(ask)).output == [400, "invalid_input"]


async def test_no_scope_and_no_key_reaches_a_state(state: State) -> None:
    """ST-09."""
    await state.set("mine")
    call = state.call
    for scope in ("instance", "workflow", "namespace"):
        query = {"aid": call.action_id, "scope": scope}
        async with call.pod.http.get(call.pod.url("/vars"), params=query) as response:
            assert await response.json() == {"variables": []}

    found = [info.key async for info in call.pod.variables.list_states(OWNERS)]
    assert found == [MANUAL]
    assert await call.pod.variables.get(StateAddress(OWNERS, MANUAL)) is not None
