"""A sidecar is told which instances are gone: it stops what runs for them, and takes no more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from tests.support import sidecars
from tests.support.sidecars import OWNERS, TOKEN, Call, Pod
from varflow import contract
from varflow.contract import Dispatch, Outcome, OutcomeStatus

GONE = replace(OWNERS, instance="gone")
STAYS = replace(OWNERS, instance="stays")


class Server:
    """The action server, as the control plane sees it; its function waits until it is let go."""

    def __init__(self, pod: Pod) -> None:
        self.pod = pod
        self.release = asyncio.Event()
        pod.function.handler = self._wait

    async def _wait(self, call: Call) -> object:
        call.out("workflow", "x").write_text("1")
        await self.release.wait()
        return {}

    async def send(
        self, method: str, path: str, data: bytes = b"", *, token: str = TOKEN
    ) -> tuple[int, bytes]:
        url = f"http://127.0.0.1:{self.pod.action_port}{path}"
        headers = {"Authorization": f"Bearer {token}"}
        async with self.pod.http.request(method, url, data=data, headers=headers) as response:
            return response.status, await response.read()

    async def dispatch(self, dispatch: Dispatch) -> tuple[int, bytes]:
        return await self.send("POST", f"/actions/{dispatch.action_id}", dispatch.encode())

    async def begin(self, **fields: object) -> Dispatch:
        """Have an action run, and return once its function is at work."""
        dispatch, calls = sidecars.make_dispatch(**fields), len(self.pod.function.calls)
        assert (await self.dispatch(dispatch))[0] == 202
        await sidecars.eventually(lambda: len(self.pod.function.calls) > calls)
        return dispatch

    async def tell_gone(self, *uids: str, epoch: int = 0, wait: float = 10) -> tuple[int, object]:
        path = f"/instances/gone?epoch={epoch}&wait={wait:g}"
        status, body = await self.send("POST", path, contract.encode_uids(uids))
        return status, contract.decode_uids(body) if status == 200 else body

    async def outcome(self, dispatch: Dispatch) -> Outcome:
        status, body = await self.send("GET", f"/actions/{dispatch.action_id}?wait=10")
        assert status == 200
        return Outcome.decode(body)


@pytest.fixture
async def server(pod: Pod) -> AsyncIterator[Server]:
    server = Server(pod)
    yield server
    server.release.set()
    await pod.sidecar.actions.idle()


async def test_what_runs_for_a_gone_instance_is_stopped_and_commits_nothing(
    server: Server,
) -> None:
    dispatch = await server.begin(owners=GONE)

    assert await server.tell_gone("gone") == (200, frozenset())

    assert (await server.outcome(dispatch)).status is OutcomeStatus.CANCELLED
    assert server.pod.function.deletes == [dispatch.action_id]
    assert await server.pod.read("workflow", "x", owners=GONE) is None


async def test_what_waits_for_its_turn_is_stopped_too(server: Server) -> None:
    running = [await server.begin(owners=STAYS) for _ in range(10)]
    waiting = sidecars.make_dispatch(owners=GONE)
    await server.dispatch(waiting)

    assert await server.tell_gone("gone") == (200, frozenset())

    assert (await server.outcome(waiting)).status is OutcomeStatus.CANCELLED
    assert len(server.pod.function.calls) == len(running)


async def test_actions_of_other_instances_go_on(server: Server) -> None:
    stays, gone = await server.begin(owners=STAYS), await server.begin(owners=GONE)

    assert await server.tell_gone("gone", "unheard of") == (200, frozenset())

    assert server.pod.function.deletes == [gone.action_id]
    server.release.set()
    assert (await server.outcome(stays)).status is OutcomeStatus.COMPLETE


async def test_an_instance_of_which_something_still_runs_is_named(server: Server) -> None:
    await server.begin(owners=GONE)

    assert await server.tell_gone("gone", "unheard of", wait=0) == (200, {"gone"})
    assert await server.tell_gone("gone", "unheard of") == (200, frozenset())


async def test_what_comes_later_for_a_gone_instance_is_refused(server: Server) -> None:
    await server.tell_gone("gone")

    status, body = await server.dispatch(sidecars.make_dispatch(owners=GONE))

    assert status == 409
    assert b"action_abandoned" in body
    assert not server.pod.function.calls


async def test_a_control_plane_that_was_replaced_sends_nothing_later(server: Server) -> None:
    await server.tell_gone("gone", epoch=5)

    status, body = await server.dispatch(sidecars.make_dispatch(owners=STAYS, epoch=4))

    assert status == 409
    assert b"stale_epoch" in body
    assert (await server.tell_gone("gone", epoch=4))[0] == 409


async def test_outcomes_that_nobody_will_fetch_do_not_keep_a_sidecar_from_ending(
    server: Server,
) -> None:
    actions = server.pod.sidecar.actions
    ended = await server.begin(owners=GONE)
    server.release.set()
    await actions.wait(actions.get(ended.action_id), seconds=10)
    server.release.clear()
    await server.begin(owners=GONE)

    await server.tell_gone("gone", wait=0)

    async with asyncio.timeout(10):
        await actions.settled()


async def test_a_draining_sidecar_answers(server: Server) -> None:
    await server.begin(owners=GONE)
    server.pod.sidecar.actions.drain()

    assert await server.tell_gone("gone") == (200, frozenset())


@pytest.mark.parametrize(
    ("path", "data", "code"),
    [
        ("?wait=1", b'["a"]', b"invalid_input"),
        ("?epoch=x", b'["a"]', b"invalid_input"),
        ("?epoch=1&wait=-1", b'["a"]', b"invalid_input"),
        ("?epoch=1", b"", b"invalid_message"),
        ("?epoch=1", b'"a"', b"invalid_message"),
        ("?epoch=1", b"[1]", b"invalid_message"),
    ],
)
async def test_what_is_no_list_of_instances_is_400(
    server: Server, path: str, data: bytes, code: bytes
) -> None:
    status, body = await server.send("POST", f"/instances/gone{path}", data)

    assert status == 400
    assert code in body


async def test_only_who_has_the_token_may_say_so(server: Server) -> None:
    dispatch = await server.begin(owners=GONE)

    status, _ = await server.send(
        "POST", "/instances/gone?epoch=1", contract.encode_uids(["gone"]), token="other"
    )

    assert status == 401
    assert server.pod.sidecar.actions.get(dispatch.action_id).encoded is None
