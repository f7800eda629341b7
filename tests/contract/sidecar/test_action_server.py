"""What the control plane asks of a sidecar, as `varflow.contract` says."""

from __future__ import annotations

import asyncio
import gc
import socket
import weakref
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.support import sidecars
from tests.support.sidecars import TOKEN, Call, Function, Pod
from varflow.contract import HEADER_STOP_KEY, Dispatch, Outcome, OutcomeStatus, stop_key
from varflow.variables.stores.memory import MemoryStore
from varflow_sidecar.function import Endpoint, FunctionClient

HEADERS = {"Authorization": f"Bearer {TOKEN}"}


class Server:
    """The action server, as its client sees it."""

    def __init__(self, pod: Pod) -> None:
        self.pod = pod
        self.release = asyncio.Event()
        pod.function.handler = self._wait

    async def _wait(self, call: Call) -> object:
        await self.release.wait()
        return {"by": call.action_id}

    async def call(
        self, method: str, action_id: str, query: str = "", data: bytes | None = None
    ) -> tuple[int, bytes, aiohttp.ClientResponse]:
        async with self.pod.http.request(
            method, self.pod.action_url(action_id) + query, data=data, headers=HEADERS
        ) as response:
            return response.status, await response.read(), response

    async def dispatch(self, dispatch: Dispatch, query: str = "") -> tuple[int, bytes]:
        status, body, _ = await self.call("POST", dispatch.action_id, query, dispatch.encode())
        return status, body


@pytest.fixture
async def server(pod: Pod) -> AsyncIterator[Server]:
    server = Server(pod)
    yield server
    server.release.set()
    await pod.sidecar.actions.idle()


async def test_a_dispatch_is_answered_while_the_action_runs(server: Server) -> None:
    assert await server.dispatch(sidecars.make_dispatch()) == (202, b'{"state":"running"}')


async def test_a_dispatch_can_wait_for_the_outcome(server: Server) -> None:
    server.release.set()
    dispatch = sidecars.make_dispatch()

    status, body = await server.dispatch(dispatch, "?wait=10")

    assert status == 200
    assert Outcome.decode(body) == Outcome(
        status=OutcomeStatus.COMPLETE, output={"by": dispatch.action_id}
    )


async def test_a_long_poll_returns_when_the_action_ends(server: Server) -> None:
    dispatch = sidecars.make_dispatch()
    await server.dispatch(dispatch)
    poll = asyncio.ensure_future(server.call("GET", dispatch.action_id, "?wait=10"))
    await sidecars.eventually(lambda: bool(server.pod.function.calls))

    server.release.set()

    assert (await poll)[0] == 200


async def test_a_long_poll_ends_without_the_action(server: Server) -> None:
    dispatch = sidecars.make_dispatch()
    await server.dispatch(dispatch)

    assert (await server.call("GET", dispatch.action_id, "?wait=0.05"))[0] == 202


async def test_a_duplicate_dispatch_of_a_running_action_attaches(server: Server) -> None:
    dispatch = sidecars.make_dispatch()
    both = [
        asyncio.ensure_future(server.dispatch(dispatch, "?wait=10")),
        asyncio.ensure_future(server.dispatch(dispatch, "?wait=10")),
    ]
    await sidecars.eventually(lambda: bool(server.pod.function.calls))
    server.release.set()

    first, second = await asyncio.gather(*both)

    assert first == second
    assert len(server.pod.function.calls) == 1


async def test_a_duplicate_dispatch_of_an_ended_action_gets_the_same_outcome(
    server: Server,
) -> None:
    server.release.set()
    dispatch = sidecars.make_dispatch()

    answers = [await server.dispatch(dispatch, "?wait=10") for _ in range(3)]

    assert answers[0] == answers[1] == answers[2]
    assert len(server.pod.function.calls) == 1


async def test_an_outcome_waits_until_it_is_fetched_and_can_be_fetched_again(
    server: Server,
) -> None:
    server.release.set()
    dispatch = sidecars.make_dispatch()
    await server.dispatch(dispatch)
    await server.pod.sidecar.actions.idle()

    assert (await server.call("GET", dispatch.action_id))[0] == 200
    assert (await server.call("GET", dispatch.action_id))[0] == 200


async def test_a_cancel_is_accepted_and_the_outcome_says_so(server: Server) -> None:
    dispatch = sidecars.make_dispatch()
    await server.dispatch(dispatch)
    await sidecars.eventually(lambda: bool(server.pod.function.calls))

    status, body, _ = await server.call("DELETE", dispatch.action_id)
    assert (status, body) == (202, b'{"state":"running"}')
    status, body, _ = await server.call("GET", dispatch.action_id, "?wait=10")

    assert Outcome.decode(body).status is OutcomeStatus.CANCELLED
    assert server.pod.function.deletes == [dispatch.action_id]


async def test_a_cancel_of_an_ended_action_changes_nothing(server: Server) -> None:
    server.release.set()
    dispatch = sidecars.make_dispatch()
    _, before = await server.dispatch(dispatch, "?wait=10")

    assert (await server.call("DELETE", dispatch.action_id))[:2] == (200, before)


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_an_unknown_id_is_404(server: Server, method: str) -> None:
    status, body, _ = await server.call(method, "unknown")

    assert status == 404
    assert b"unknown_action" in body


async def test_a_lower_epoch_is_refused(server: Server) -> None:
    server.release.set()
    current = sidecars.make_dispatch(epoch=5)
    await server.dispatch(current, "?wait=10")

    status, body = await server.dispatch(sidecars.make_dispatch(epoch=4))

    assert status == 409
    assert b"stale_epoch" in body
    assert (await server.call("GET", current.action_id, "?epoch=4"))[0] == 409
    assert (await server.call("DELETE", current.action_id, "?epoch=4"))[0] == 409
    assert (await server.call("GET", current.action_id, "?epoch=5"))[0] == 200
    assert len(server.pod.function.calls) == 1


async def test_a_draining_sidecar_takes_no_new_actions_but_ends_those_it_has(
    server: Server,
) -> None:
    running = sidecars.make_dispatch()
    await server.dispatch(running)
    await sidecars.eventually(lambda: bool(server.pod.function.calls))
    server.pod.sidecar.actions.drain()

    status, body, response = await server.call(
        "POST", "new", data=sidecars.make_dispatch(action_id="new").encode()
    )
    assert (status, response.headers["Retry-After"]) == (503, "1")
    assert b"draining" in body
    assert (await server.dispatch(running))[0] == 202
    async with server.pod.http.get(server.pod.health_url("/readyz")) as ready:
        assert ready.status == 503
    server.release.set()
    assert (await server.call("GET", running.action_id, "?wait=10"))[0] == 200


BAD_MESSAGES = {
    "no json": b"no json",
    "no object": b"[]",
    "empty": b"",
    "no fields": b"{}",
    "another type": sidecars.make_dispatch(action_id="x")
    .encode()
    .replace(b'"epoch":0', b'"epoch":"a"'),
    "an unknown field": sidecars.make_dispatch(action_id="x").encode()[:-1] + b',"new":1}',
    "another id": sidecars.make_dispatch(action_id="y").encode(),
}


@pytest.mark.parametrize("data", BAD_MESSAGES.values(), ids=BAD_MESSAGES.keys())
async def test_what_is_no_dispatch_is_400(server: Server, data: bytes) -> None:
    status, body, _ = await server.call("POST", "x", data=data)

    assert status == 400
    assert b'"code":"invalid_' in body


@pytest.mark.parametrize("query", ["?wait=x", "?wait=-1", "?wait=nan", "?wait=inf", "?epoch=x"])
async def test_a_bad_parameter_is_400(server: Server, query: str) -> None:
    dispatch = sidecars.make_dispatch()
    await server.dispatch(dispatch)

    assert (await server.call("GET", dispatch.action_id, query))[0] == 400


async def test_a_dispatch_over_the_limit_is_413(tmp_path: Path) -> None:
    async with sidecars.running(tmp_path, max_answer_bytes=10_000) as pod:
        dispatch = sidecars.make_dispatch(input="x" * 10_000)

        assert (await Server(pod).dispatch(dispatch))[0] == 413


async def test_a_restarted_sidecar_knows_what_was_committed(tmp_path: Path) -> None:
    store = MemoryStore()
    dispatch = sidecars.make_dispatch()

    async def write(call: Call) -> object:
        call.out("workflow", "x").write_text("1")
        return "once"

    outcomes = []
    calls = 0
    for _ in range(2):
        async with sidecars.running(tmp_path, store=store, function=Function(write)) as pod:
            outcomes.append(await pod.sidecar.actions.run(dispatch))
            calls += len(pod.function.calls)

    assert outcomes[0] == outcomes[1]
    assert calls == 1


async def test_what_an_action_was_sent_is_not_kept_after_its_end(tmp_path: Path) -> None:
    class Large(list[int]):
        """An input that can be watched."""

    input_ = Large([1])
    watched = weakref.ref(input_)
    dispatch = sidecars.make_dispatch(input=input_)
    id = dispatch.action_id

    async with sidecars.running(tmp_path, function=Function(sidecars.nothing)) as pod:
        await pod.sidecar.actions.run(dispatch)
        del dispatch, input_
        gc.collect()

        assert watched() is None
        assert pod.sidecar.actions.get(id).encoded is not None
        assert pod.sidecar.actions.cancel(id).encoded is not None


async def test_leftovers_of_a_previous_process_are_stopped_and_never_packed(
    tmp_path: Path,
) -> None:
    left = tmp_path / "a1" / "out" / "workflow"
    left.mkdir(parents=True)
    (left / "x").write_text("left")
    (tmp_path / "a2.1").mkdir()
    (tmp_path / ".ended-0123").mkdir()

    function = Function(sidecars.nothing)
    async with sidecars.running(tmp_path, function=function) as pod:
        await sidecars.eventually(lambda: not (tmp_path / ".ended-0123").exists())
        outcome = await pod.run(action_id="a1")

        assert set(function.deletes) == {"a1", "a2", "a2.1"}
        assert outcome.status is OutcomeStatus.COMPLETE
        assert function.calls[0].folder == tmp_path / "a1.1"
        assert await pod.read("workflow", "x") is None
    assert sidecars.names(tmp_path) == ["a1", "a2.1"]
    assert sidecars.names(tmp_path / "a1") == []


async def test_metrics_have_no_labels_without_bound(server: Server) -> None:
    server.release.set()
    dispatch = sidecars.make_dispatch()
    await server.dispatch(dispatch, "?wait=10")
    async with server.pod.http.get(server.pod.health_url("/metrics")) as response:
        text = await response.text()

    assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert 'varflow_sidecar_action_duration_seconds_count{status="complete"} 1.0' in text
    assert "varflow_sidecar_actions_running 0.0" in text
    assert dispatch.action_id not in text


async def test_idle_answers_when_no_action_runs(server: Server) -> None:
    dispatch = sidecars.make_dispatch()
    await server.dispatch(dispatch)

    async def ask() -> int:
        async with server.pod.http.get(server.pod.health_url("/idle")) as response:
            return response.status

    asking = asyncio.ensure_future(ask())
    await sidecars.eventually(lambda: bool(server.pod.function.calls))
    assert not asking.done()
    server.release.set()

    assert await asking == 200


@pytest.mark.parametrize(
    ("key", "status"),
    [(stop_key(TOKEN), 503), (TOKEN, 200), ("ä", 200), ("", 200)],
    ids=["the stop key", "the token", "no key at all", "none"],
)
async def test_only_the_pods_own_end_stops_new_actions(
    server: Server, key: str, status: int
) -> None:
    headers = {HEADER_STOP_KEY: key}
    async with server.pod.http.get(server.pod.health_url("/idle"), headers=headers) as response:
        assert response.status == 200

    async with server.pod.http.get(server.pod.health_url("/readyz")) as response:
        assert response.status == status


async def test_the_process_is_healthy(server: Server) -> None:
    for path in ("/healthz", "/readyz", "/readyz/function"):
        async with server.pod.http.get(server.pod.health_url(path)) as response:
            assert response.status == 200


async def test_a_function_that_does_not_listen_keeps_its_pod_from_being_ready() -> None:
    async with FunctionClient(max_answer_bytes=1, cancel_grace_seconds=1) as client:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))  # without listening
            assert not await client.listens(Endpoint(port=taken.getsockname()[1]))
