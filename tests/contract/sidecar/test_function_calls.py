"""What a function is sent and what its answer means (direktiv-contract.md §1.3 to 1.5)."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.support import sidecars
from tests.support.sidecars import Call, Function, Pod
from varflow.contract import Outcome, OutcomeStatus
from varflow.variables.scopes import Scope

COMPLETE = OutcomeStatus.COMPLETE
FAILED = OutcomeStatus.FAILED
CRASHED = OutcomeStatus.CRASHED
CANCELLED = OutcomeStatus.CANCELLED


def answering(*args: Any, **kwargs: Any) -> Callable[[Call], Any]:
    async def answer(call: Call) -> web.StreamResponse:
        return web.Response(*args, **kwargs)

    return answer


async def test_the_function_gets_its_input_and_the_headers(pod: Pod) -> None:
    dispatch = sidecars.make_dispatch(input={"a": [1, None, "ü"]}, iterator=3)

    await pod.sidecar.actions.run(dispatch)

    [call] = pod.function.calls
    assert call.input == {"a": [1, None, "ü"]}
    assert call.headers["Content-Type"] == "application/json"
    assert call.headers["Direktiv-ActionID"] == dispatch.action_id
    assert call.headers["Direktiv-TempDir"] == str(pod.shared / dispatch.action_id)
    assert call.headers["Direktiv-Iterator"] == "3"
    assert call.headers["Varflow-Idempotency-Key"] == dispatch.idempotency_key


@pytest.mark.parametrize("value", [None, True, 0, "", "text", [], {}, 1.5], ids=repr)
async def test_json_of_any_type_becomes_the_output(pod: Pod, value: object) -> None:
    outcome = await pod.run(answering(body=json.dumps(value).encode()))

    assert outcome == Outcome(status=COMPLETE, output=value)


@pytest.mark.parametrize("body", [b"no json", b"\xff\0", b"{", b"NaN"], ids=repr)
async def test_other_bytes_become_base64(pod: Pod, body: bytes) -> None:
    outcome = await pod.run(answering(body=body))

    assert outcome.output == base64.b64encode(body).decode()


@pytest.mark.parametrize("status", [200, 201, 204, 299])
async def test_an_empty_body_is_an_empty_string(pod: Pod, status: int) -> None:
    outcome = await pod.run(answering(status=status))

    assert (outcome.status, outcome.output) == (COMPLETE, "")


async def test_a_large_input_and_answer_pass(pod: Pod) -> None:
    text = "x" * 5_000_000

    async def echo(call: Call) -> object:
        return call.input

    assert (await pod.run(echo, input=text)).output == text


@pytest.mark.parametrize("status", [200, 404, 500])
async def test_an_error_code_fails_the_action_whatever_the_status(pod: Pod, status: int) -> None:
    headers = {"Direktiv-ErrorCode": "my.code", "Direktiv-ErrorMessage": "why: ü"}

    outcome = await pod.run(answering(status=status, body=b'{"ignored": 1}', headers=headers))

    assert outcome == Outcome(status=FAILED, code="my.code", message="why: ü")


async def test_an_error_message_alone_crashes(pod: Pod, caplog: pytest.LogCaptureFixture) -> None:
    outcome = await pod.run(answering(headers={"Direktiv-ErrorMessage": "it broke"}))

    assert (outcome.status, outcome.code) == (CRASHED, "direktiv.internal.error")
    assert "it broke" in caplog.text


@pytest.mark.parametrize("status", [302, 400, 404, 500, 503])
async def test_another_status_fails_with_container_failed_and_an_excerpt(
    pod: Pod, status: int
) -> None:
    headers = {"Location": pod.url()}

    outcome = await pod.run(answering(status=status, body=b"why\0" + b"x" * 5000, headers=headers))

    assert (outcome.status, outcome.code) == (FAILED, "container failed")
    assert f"status {status}: why" in outcome.message
    assert len(outcome.message) < 1200
    assert len(pod.function.calls) == 1


async def test_an_error_header_that_is_no_utf8_is_readable(pod: Pod) -> None:
    async with RawFunction(pod, b"HTTP/1.1 200 OK\r\nDirektiv-ErrorCode: a\xffb\r\n\r\n") as run:
        outcome = await run()

    assert (outcome.status, outcome.code) == (FAILED, "a\ufffdb")
    assert Outcome.decode(outcome.encode()) == outcome


async def test_an_answer_over_the_limit_crashes_and_is_not_cut(tmp_path: Path) -> None:
    async with sidecars.running(tmp_path, max_answer_bytes=1000) as pod:
        assert (await pod.run(answering(body=b"1" * 1000))).status is COMPLETE
        outcome = await pod.run(answering(body=b"1" * 1001))

        async def chunked(call: Call) -> web.StreamResponse:
            response = web.StreamResponse()
            response.enable_chunked_encoding()
            return response

        assert (outcome.status, outcome.code) == (CRASHED, "direktiv.internal.error")
        assert "longer than 1000 bytes" in outcome.message


# Functions that break the contract


class RawFunction:
    """A function that answers bytes, whatever it is sent, and then closes the connection."""

    def __init__(self, pod: Pod, answer: bytes, *, host: str = "127.0.0.1") -> None:
        self._pod = pod
        self._answer = answer
        self._host = host

    async def __aenter__(self) -> Callable[[], Any]:
        self._server = await asyncio.start_server(self._serve, self._host, 0)
        port = self._server.sockets[0].getsockname()[1]
        return lambda: self._pod.sidecar.actions.run(self._dispatch(port))

    async def __aexit__(self, *_error: object) -> None:
        self._server.close()

    def _dispatch(self, port: int) -> Any:
        functions = self._pod.sidecar.actions._functions
        endpoint = functions[""]
        functions["raw"] = type(endpoint)(port=port, start_seconds=0.5)  # type: ignore[index]
        return sidecars.make_dispatch(function="raw")

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await reader.read(100)
        writer.write(self._answer)
        await writer.drain()
        writer.close()


BROKEN = {
    "hangs up": (b"", "closed the connection"),
    "garbage": (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "did not answer in HTTP"),
    "breaks off in the body": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        "middle of its answer",
    ),
    "breaks off in the headers": (b"HTTP/1.1 200 OK\r\nContent-", ""),
}


@pytest.mark.parametrize(("answer", "said"), BROKEN.values(), ids=BROKEN.keys())
async def test_a_function_that_breaks_the_contract_fails_with_container_failed(
    pod: Pod, answer: bytes, said: str
) -> None:
    async with RawFunction(pod, answer) as run:
        outcome = await run()

    assert (outcome.status, outcome.code) == (FAILED, "container failed")
    assert "function 'raw'" in outcome.message
    assert said in outcome.message


async def test_a_function_on_ipv6_is_reached(pod: Pod) -> None:
    async with RawFunction(pod, b"HTTP/1.1 200 OK\r\n\r\n6", host="::1") as run:
        assert (await run()).output == 6


async def test_a_function_that_never_listens_is_named_with_its_port(pod: Pod) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    functions: Any = pod.sidecar.actions._functions
    functions["late"] = type(functions[""])(port=port, start_seconds=0.1)

    outcome = await pod.run(function="late")

    assert (outcome.status, outcome.code) == (FAILED, "container failed")
    assert "'late'" in outcome.message
    assert str(port) in outcome.message


async def test_a_function_that_starts_late_is_waited_for(pod: Pod) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    functions: Any = pod.sidecar.actions._functions
    functions["late"] = type(functions[""])(port=port, start_seconds=5.0)
    running = asyncio.ensure_future(pod.run(function="late"))
    await asyncio.sleep(0.05)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", port):
        assert (await running).output == 1


# Stopping


@pytest.fixture
async def stoppable(tmp_path: Path) -> AsyncIterator[Pod]:
    """A pod whose function stops when it is told to, after writing a file."""
    stops: dict[str, asyncio.Event] = {}

    async def wait(call: Call) -> object:
        call.out("workflow", "x").write_bytes(b"1")
        await stops.setdefault(call.action_id, asyncio.Event()).wait()
        return {}

    function = Function(wait, delete_status=200)
    async with sidecars.running(
        tmp_path / "shared", function=function, cancel_grace_seconds=5.0
    ) as pod:
        watching = asyncio.ensure_future(_release(function, stops))
        yield pod
        watching.cancel()


async def _release(function: Function, stops: dict[str, asyncio.Event]) -> None:
    while True:
        for action_id in function.deletes:
            stops.setdefault(action_id, asyncio.Event()).set()
        await asyncio.sleep(0.005)


async def test_a_deadline_sends_delete_and_fails_with_the_soft_timeout(stoppable: Pod) -> None:
    dispatch = sidecars.make_dispatch(deadline=time.time() + 0.2)

    outcome = await stoppable.sidecar.actions.run(dispatch)

    assert (outcome.status, outcome.code) == (FAILED, "direktiv.cancels.timeout.soft")
    assert stoppable.function.deletes == [dispatch.action_id]


async def test_what_was_written_before_the_deadline_is_not_committed(stoppable: Pod) -> None:
    await stoppable.run(deadline=time.time() + 0.2)

    assert await stoppable.read("workflow", "x") is None


async def test_a_cancel_sends_delete_and_ends_the_action(stoppable: Pod) -> None:
    dispatch = sidecars.make_dispatch()
    running = asyncio.ensure_future(stoppable.sidecar.actions.run(dispatch))
    await sidecars.eventually(lambda: bool(stoppable.function.calls))

    stoppable.sidecar.actions.cancel(dispatch.action_id)

    assert (await running).status is CANCELLED
    assert stoppable.function.deletes == [dispatch.action_id]
    assert await stoppable.read("workflow", "x") is None


async def test_a_function_that_does_not_heed_delete_is_aborted_after_the_grace(
    tmp_path: Path,
) -> None:
    async def hang(call: Call) -> object:
        await asyncio.Event().wait()
        return {}

    function = Function(hang, delete_status=200)
    async with sidecars.running(tmp_path, function=function, cancel_grace_seconds=0.2) as pod:
        started = time.monotonic()
        outcome = await pod.run(deadline=time.time() + 0.1)

        assert outcome.code == "direktiv.cancels.timeout.soft"
        assert 0.3 <= time.monotonic() - started < 3


async def test_a_function_that_refuses_delete_is_aborted_at_once(tmp_path: Path) -> None:
    async def hang(call: Call) -> object:
        await asyncio.Event().wait()
        return {}

    function = Function(hang, delete_status=405)
    async with sidecars.running(tmp_path, function=function, cancel_grace_seconds=60.0) as pod:
        outcome = await pod.run(deadline=time.time() + 0.1)

        assert outcome.code == "direktiv.cancels.timeout.soft"


async def test_an_action_that_waits_for_its_turn_can_time_out_and_be_cancelled(
    tmp_path: Path,
) -> None:
    release = asyncio.Event()

    async def wait(call: Call) -> object:
        await release.wait()
        return {}

    async with sidecars.running(tmp_path, function=Function(wait), concurrency=1) as pod:
        first = asyncio.ensure_future(pod.run())
        await sidecars.eventually(lambda: bool(pod.function.calls))
        waiting = sidecars.make_dispatch()
        second = asyncio.ensure_future(pod.sidecar.actions.run(waiting))

        outcome = await pod.run(deadline=time.time() + 0.1)
        pod.sidecar.actions.cancel(waiting.action_id)

        assert outcome.code == "direktiv.cancels.timeout.soft"
        assert (await second).status is CANCELLED
        assert len(pod.function.calls) == 1
        release.set()
        assert (await first).status is COMPLETE


async def test_more_actions_than_places_take_turns(tmp_path: Path) -> None:
    running = peak = 0

    async def count(call: Call) -> object:
        nonlocal running, peak
        running += 1
        peak = max(peak, running)
        await asyncio.sleep(0.01)
        running -= 1
        return {}

    async with sidecars.running(tmp_path, function=Function(count), concurrency=3) as pod:
        outcomes = await asyncio.gather(*(pod.run() for _ in range(12)))

        assert {outcome.status for outcome in outcomes} == {COMPLETE}
        assert peak == 3


async def test_calls_in_quick_succession_share_a_connection(pod: Pod) -> None:
    await pod.run()
    await pod.run()

    assert pod.function.calls[0].peer == pod.function.calls[1].peer


# The folder


async def test_the_folder_is_removed_after_the_outcome(pod: Pod) -> None:
    async def litter(call: Call) -> object:
        (call.folder / "a" / "b").mkdir(parents=True)
        (call.folder / "a").chmod(0)
        return {}

    await pod.run(litter)

    assert await pod.folders_left() == []


async def test_the_folder_of_a_function_that_was_aborted_keeps_its_name_taken(pod: Pod) -> None:
    async def hang(call: Call) -> object:
        await asyncio.Event().wait()
        return {}

    await pod.run(hang, action_id="again", deadline=time.time() + 0.1)
    folder = pod.sidecar.actions._ground.folders.create("again")

    assert folder.path == pod.shared / "again.1"


async def test_the_function_may_write_as_another_user(pod: Pod) -> None:
    modes = {}

    async def look(call: Call) -> object:
        for path in (call.folder, *(call.folder / "out" / scope for scope in Scope)):
            modes[path.name] = path.stat().st_mode & 0o777
        modes["shared"] = call.folder.parent.stat().st_mode & 0o777
        return {}

    await pod.run(look)

    assert modes.pop("shared") == 0o711
    assert set(modes.values()) == {0o777}


@pytest.mark.parametrize("action_id", ["", "..", "a/b", ".ended-x", "a\0b", "x" * 201])
async def test_an_action_id_that_is_no_name_is_refused(pod: Pod, action_id: str) -> None:
    outcome = await pod.run(action_id=action_id)

    assert (outcome.status, outcome.code) == (FAILED, "invalid_message")
    assert pod.function.calls == []
