"""A function served by the client, as the sidecar meets it."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import varflow_client
from tests.support import stand_in_sidecar
from varflow_client import Context, FunctionError, UnknownAction
from varflow_client.serving import Handler, Server
from varflow_client.transport import Sidecar

SOON = 10.0
"""Seconds within which anything here happens, on a busy machine too."""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


class Caller:
    """The sidecar's side of one kept-alive connection."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SOON)

    def call(
        self, method: str = "POST", body: bytes = b"{}", headers: dict[str, str] | None = None
    ) -> Answer:
        self._connection.request(method, "/", body=body, headers=headers or {})
        response = self._connection.getresponse()
        return Answer(response.status, dict(response.headers), response.read())

    def close(self) -> None:
        self._connection.close()


@contextmanager
def serving(handler: Handler, *, sidecar: Sidecar | None = None) -> Iterator[Caller]:
    with Server(handler, sidecar=sidecar) as server:
        thread = threading.Thread(target=server.run)
        thread.start()
        caller = Caller(server.port)
        try:
            yield caller
        finally:
            caller.close()
            server.stop()
            thread.join(SOON)


def test_context_tells_what_the_sidecar_sent(tmp_path: Path) -> None:
    seen: list[Context] = []
    headers = {
        "Direktiv-ActionID": "a-7",
        "Direktiv-TempDir": str(tmp_path),
        "Direktiv-Iterator": "3",
        "Varflow-Idempotency-Key": "i-7",
    }

    with serving(seen.append) as caller:
        caller.call(body=b'{"a": 1}', headers=headers)

    (context,) = seen
    assert (context.action_id, context.iterator, context.idempotency_key) == ("a-7", 3, "i-7")
    assert context.input == {"a": 1}
    assert context.file("myFiles") == tmp_path / "myFiles"
    assert not context.cancelled.is_set()


def test_out_is_the_scope_s_folder(tmp_path: Path) -> None:
    def write(context: Context) -> None:
        (context.out("workflow") / "report").write_text("done")

    with serving(write) as caller:
        caller.call(headers={"Direktiv-TempDir": str(tmp_path)})

    assert (tmp_path / "out" / "workflow" / "report").read_text() == "done"


@pytest.mark.parametrize(
    ("value", "body"),
    [
        pytest.param({"x": "ü"}, '{"x":"ü"}'.encode(), id="object"),
        pytest.param("text", b'"text"', id="string"),
        pytest.param(None, b"null", id="none"),
        pytest.param(b"\x00\x01", b"\x00\x01", id="bytes"),
    ],
)
def test_what_the_handler_returns_is_the_answer(value: object, body: bytes) -> None:
    with serving(lambda _: value) as caller:
        answer = caller.call()

    assert (answer.status, answer.body) == (200, body)


def test_request_without_a_body_has_no_input() -> None:
    with serving(lambda context: context.input is None) as caller:
        assert caller.call(body=b"").body == b"true"


def fail(error: BaseException) -> Callable[[Context], Any]:
    def handler(_: Context) -> Any:
        raise error

    return handler


def test_function_error_becomes_direktiv_s_headers() -> None:
    with serving(fail(FunctionError("my.code", "no such file"))) as caller:
        answer = caller.call()

    assert answer.headers["Direktiv-ErrorCode"] == "my.code"
    assert answer.headers["Direktiv-ErrorMessage"] == "no such file"


@pytest.mark.parametrize(
    ("message", "sent"),
    [
        pytest.param("two\r\nX-Evil: lines", "two X-Evil: lines", id="line-break"),
        pytest.param("tab\tand\x00null", "tab and null", id="control"),
        pytest.param("größer → weiter", "größer → weiter", id="unicode"),
        pytest.param("lone \ud800 surrogate", "lone surrogate", id="surrogate"),
    ],
)
def test_error_message_is_fit_for_a_header(message: str, sent: str) -> None:
    with serving(fail(FunctionError("c", message))) as caller:
        headers = caller.call().headers

    assert headers["Direktiv-ErrorMessage"].encode("latin-1").decode() == sent
    assert "X-Evil" not in headers


def test_long_error_message_is_cut() -> None:
    with serving(fail(FunctionError("c", "ü" * 10_000))) as caller:
        message = caller.call().headers["Direktiv-ErrorMessage"].encode("latin-1").decode()

    assert len(message.encode()) <= 4000
    assert message.endswith("ü...")


def test_error_without_a_message_has_no_message_header() -> None:
    with serving(fail(FunctionError("c"))) as caller:
        assert "Direktiv-ErrorMessage" not in caller.call().headers


def test_error_needs_a_code() -> None:
    with pytest.raises(ValueError, match="needs a code"):
        FunctionError(" ", "message")


@pytest.mark.parametrize(
    "error", [KeyError("x"), SystemExit(3)], ids=["exception", "attempt-to-exit"]
)
def test_other_exceptions_are_500_with_a_traceback_in_the_log(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(fail(error)) as caller:
        answer = caller.call(headers={"Direktiv-ActionID": "a-7"})

    assert answer.status == 500
    assert type(error).__name__.encode() in answer.body
    assert "Direktiv-ErrorCode" not in answer.headers
    assert "action a-7 failed" in caplog.text
    assert "Traceback" in caplog.text


def test_answer_that_json_cannot_hold_is_500() -> None:
    with serving(lambda _: {1, 2}) as caller:
        answer = caller.call()

    assert answer.status == 500
    assert b"set is not JSON serializable" in answer.body


def test_input_that_is_no_json_is_400() -> None:
    with serving(lambda _: None) as caller:
        answer = caller.call(body=b"{")

    assert answer.status == 400


def test_chunked_input_is_refused() -> None:
    with serving(lambda _: None) as caller:
        answer = caller.call(headers={"Transfer-Encoding": "chunked"}, body=b"2\r\n{}\r\n0\r\n\r\n")

    assert answer.status == 411


def test_connection_stays_open_after_failures() -> None:
    outcomes = iter([FunctionError("c", "m"), ValueError("v")])

    def handler(_: Context) -> Any:
        for error in outcomes:
            raise error
        return "well"

    with serving(handler) as caller:
        answers = [caller.call() for _ in range(3)]

    assert [answer.body for answer in answers][-1] == b'"well"'


def test_delete_cancels_the_action_and_no_other() -> None:
    started = threading.Barrier(3)
    ended: dict[str, bool] = {}

    def handler(context: Context) -> str:
        started.wait(SOON)
        ended[context.action_id] = context.cancelled.wait(SOON if context.input else 0.05)
        return "over"

    with serving(handler) as caller:
        callers = [Caller(caller._connection.port) for _ in range(2)]
        threads = [
            threading.Thread(
                target=other.call, kwargs={"body": body, "headers": {"Direktiv-ActionID": aid}}
            )
            for other, body, aid in zip(callers, [b"true", b"false"], ["a-1", "a-2"], strict=True)
        ]
        for thread in threads:
            thread.start()
        started.wait(SOON)
        answer = caller.call("DELETE", b"", {"Direktiv-ActionID": "a-1"})
        for thread in threads:
            thread.join(SOON)
        for other in callers:
            other.close()

    assert answer.status == 200
    assert ended == {"a-1": True, "a-2": False}


def test_delete_of_an_unknown_action_is_no_error() -> None:
    with serving(lambda _: None) as caller:
        assert caller.call("DELETE", b"", {"Direktiv-ActionID": "gone"}).status == 200


def test_module_functions_work_for_the_running_action(monkeypatch: pytest.MonkeyPatch) -> None:
    with stand_in_sidecar.running() as stand_in, closing(Sidecar(stand_in.url)) as sidecar:
        monkeypatch.setattr(varflow_client._variables, "_given_sidecar", sidecar)

        def handler(context: Context) -> str:
            varflow_client.set("k", 1, scope="namespace")
            varflow_client.log("line")
            return varflow_client.current().action_id

        with serving(handler) as caller:
            answer = caller.call(headers={"Direktiv-ActionID": "a-9"})

    assert answer.body == b'"a-9"'
    assert [request.query["aid"] for request in stand_in.received] == ["a-9", "a-9"]


def test_module_functions_need_a_running_action() -> None:
    with pytest.raises(UnknownAction, match="no action runs in this thread"):
        varflow_client.get("k")


PROGRAM = """
import sys, threading
import varflow_client

def handle(context):
    print("started", flush=True)
    sys.stdin.readline()
    return "finished"

varflow_client.serve(handle)
"""


def start(*, port: str = "0") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "PORT": port},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_sigterm_lets_the_running_action_finish(free_port: int) -> None:
    with start(port=str(free_port)) as process:
        caller = wait_until_it_listens(free_port)
        answers: list[Answer] = []
        thread = threading.Thread(target=lambda: answers.append(caller.call()))
        thread.start()
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"

        process.send_signal(signal.SIGTERM)
        wait_until_it_refuses(free_port)
        assert process.poll() is None
        process.communicate("go on\n", timeout=SOON)
        thread.join(SOON)
        caller.close()

    assert process.returncode == 0
    assert [answer.body for answer in answers] == [b'"finished"']


def test_port_that_is_taken_is_named() -> None:
    with (
        Server(json.dumps) as first,
        pytest.raises(OSError, match=f"port {first.port} of 127"),
    ):
        Server(json.dumps, port=first.port)


def test_odd_port_is_named() -> None:
    with start(port="http") as process:
        _, errors = process.communicate(timeout=SOON)

    assert process.returncode != 0
    assert "PORT='http' is not a port" in errors


def test_import_loads_no_http() -> None:
    program = "import sys, varflow_client; print(*sys.modules, sep='\\n')"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert set(done.stdout.split()).isdisjoint({"http.client", "http.server", "ssl", "asyncio"})


def wait_until_it_listens(port: int) -> Caller:
    for _ in range(1000):
        caller = Caller(port)
        try:
            caller.call("DELETE", b"")
        except ConnectionError:
            caller.close()
            threading.Event().wait(0.01)
        else:
            return caller
    raise AssertionError("it never listened")


def wait_until_it_refuses(port: int) -> None:
    for _ in range(1000):
        caller = Caller(port)
        try:
            caller._connection.connect()
        except ConnectionError:
            return
        finally:
            caller.close()
        threading.Event().wait(0.01)
    raise AssertionError("it never refused")


@pytest.fixture
def free_port() -> int:
    with Server(json.dumps) as server:
        return server.port
