"""The client and the real sidecar understand each other."""

from __future__ import annotations

import http.client
import io
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from varflow.contract import Dispatch, FileMount, FileType, Outcome, OutcomeStatus, SidecarSettings
from varflow.variables.scopes import Owners
from varflow_client import (
    Context,
    FunctionError,
    InvalidConversion,
    InvalidInput,
    NotFound,
    PreconditionFailed,
    TooLarge,
    UnknownAction,
    VariableExists,
    Variables,
)
from varflow_client.serving import Handler, Server
from varflow_client.transport import Sidecar

OWNERS = Owners(cluster="c", namespace="n", workflow="w", instance="i")
SOON = 30.0
MAX_BYTES = 1024 * 1024


@dataclass
class Pod:
    """A sidecar process beside a function that each test gives its handler."""

    server: Server
    action_port: int
    sidecar: Sidecar
    actions: int = 0

    def run(
        self, handler: Handler, *, input: Any = None, files: tuple[FileMount, ...] = ()
    ) -> Outcome:
        """Have the sidecar run one action."""
        self.server.handler = handler
        self.actions += 1
        action_id = f"a-{self.actions}"
        dispatch = Dispatch(
            action_id=action_id,
            function="f",
            owners=OWNERS,
            decision=action_id,
            idempotency_key=f"key-of-{action_id}",
            epoch=1,
            deadline=time.time() + SOON,
            input=input,
            iterator=4,
            files=files,
            state="f/manual",
        )
        return Outcome.decode(
            self.call("POST", f"/actions/{action_id}?wait={SOON:g}", dispatch.encode())
        )

    def do(self, work: Callable[[Variables], Any], **given: Any) -> Any:
        """Have an action do something with its variables, and return what came of it."""
        results: list[Any] = []
        outcome = self.run(lambda context: results.append(work(context.variables)), **given)
        assert outcome.status is OutcomeStatus.COMPLETE, outcome
        return results[0]

    def call(self, method: str, target: str, body: bytes = b"") -> bytes:
        """Call the sidecar as the control plane does."""
        connection = http.client.HTTPConnection("127.0.0.1", self.action_port, timeout=2 * SOON)
        with closing(connection):
            connection.request(method, target, body)
            answer = connection.getresponse()
            data = answer.read()
        assert answer.status < 300, data
        return data


@pytest.fixture(scope="module")
def pod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pod]:
    folder = tmp_path_factory.mktemp("pod")
    variable_port, action_port, metrics_port = free_ports(3)
    client = Sidecar(f"http://localhost:{variable_port}")
    with Server(lambda _: None, sidecar=client) as server, running(server):
        settings = SidecarSettings(
            store=f"file://{folder}/store?history=2",
            shared_dir=str(folder / "shared"),
            function_port=server.port,
            action_port=action_port,
            variable_port=variable_port,
            metrics_port=metrics_port,
            max_variable_bytes=MAX_BYTES,
        )
        with sidecar_process(settings):
            wait_until_listening(metrics_port)
            yield Pod(server, action_port, client)
        client.close()


def free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


@contextmanager
def running(server: Server) -> Iterator[None]:
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield
    finally:
        server.stop()
        thread.join(SOON)


@contextmanager
def sidecar_process(settings: SidecarSettings) -> Iterator[None]:
    command = [sys.executable, "-m", "varflow_sidecar"]
    with subprocess.Popen(command, env={**os.environ, **settings.encode()}) as process:
        try:
            yield
        finally:
            process.terminate()


def wait_until_listening(port: int) -> None:
    deadline = time.monotonic() + SOON
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionError:
            assert time.monotonic() < deadline, "the sidecar never listened"
            time.sleep(0.01)
        else:
            return


@pytest.mark.parametrize(
    "value", [{"ä": [1, None, 1.5]}, "text", 0, False, [], {}, "", None], ids=repr
)
def test_value_comes_back_as_it_was_set(pod: Pod, value: Any) -> None:
    pod.do(lambda variables: variables.set("value", value, scope="workflow"))

    assert pod.do(lambda variables: variables.get("value", scope="workflow")) == value


@pytest.mark.parametrize("key", ["my key", "größe", "a&b=c", "100%", "#", ".hidden"])
def test_every_key_reaches_the_sidecar_as_it_is(pod: Pod, key: str) -> None:
    def work(variables: Variables) -> Any:
        variables.set(key, key)
        return [info.key for info in variables.list(key)]

    assert pod.do(work) == [key]


def test_missing_variable_is_none_and_not_found_when_required(pod: Pod) -> None:
    def work(variables: Variables) -> Any:
        with pytest.raises(NotFound):
            variables.get("missing", required=True)
        return variables.get("missing"), variables.find("missing")

    assert pod.do(work) == (None, None)


def test_types_are_checked(pod: Pod) -> None:
    def work(variables: Variables) -> Any:
        variables.set("n", 3.0)
        with pytest.raises(InvalidConversion):
            variables.get("n", as_=str)
        return variables.get("n", as_=int), variables.get("n", as_=float)

    assert pod.do(work) == (3, 3.0)


def test_text_of_a_shell_is_a_string(pod: Pod) -> None:
    def work(variables: Variables) -> Any:
        variables.set("text", b"echoed")
        variables.set("quoted", b'"quoted"', content_type="text/plain")
        return variables.get("text", as_=str), variables.get("quoted", as_=str)

    assert pod.do(work) == ("echoed", '"quoted"')


def test_variable_tells_its_type_revision_and_expiry(pod: Pod) -> None:
    def work(variables: Variables) -> Any:
        variables.set("t", b"x", content_type="image/png", ttl=60)
        return variables.find("t")

    found = pod.do(work)

    assert found.content_type == "image/png"
    assert found.revision
    assert 0 < found.expires_at.timestamp() - time.time() <= 61


def test_expiry_is_kept_and_cleared(pod: Pod) -> None:
    def work(variables: Variables) -> Any:
        variables.set("e", 1, ttl=60)
        variables.set("e", 2)
        kept = variables.find("e")
        variables.set("e", 3, ttl=None)
        cleared = variables.find("e")
        variables.set("e", 4, ttl=0)
        return kept, cleared, variables.find("e")

    kept, cleared, expired = pod.do(work)

    assert kept.expires_at is not None
    assert cleared.expires_at is None
    assert expired is None


def test_create_refuses_what_exists(pod: Pod) -> None:
    def work(variables: Variables) -> Any:
        variables.create("c", 1)
        with pytest.raises(VariableExists):
            variables.create("c", 2)
        return variables.get("c")

    assert pod.do(work) == 1


def test_stale_write_is_refused(pod: Pod) -> None:
    def work(variables: Variables) -> Any:
        variables.set("s", 1)
        found = variables.find("s")
        assert found is not None
        variables.set("s", 2, if_match=found.etag)
        with pytest.raises(PreconditionFailed):
            variables.set("s", 3, if_match=found.etag)
        return variables.get("s")

    assert pod.do(work) == 2


def test_updates_of_several_threads_all_count(pod: Pod) -> None:
    def work(variables: Variables) -> Any:
        def count() -> None:
            for _ in range(10):
                variables.update("many", lambda n: n + 1, default=0)

        threads = [threading.Thread(target=count) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return variables.get("many")

    assert pod.do(work) == 40


def test_delete_removes_and_is_content_with_nothing_to_remove(pod: Pod) -> None:
    def work(variables: Variables) -> Any:
        variables.set("d", 1)
        variables.delete("d")
        variables.delete("d")
        return variables.get("d")

    assert pod.do(work) is None


def test_listing_has_keys_by_prefix_and_no_values(pod: Pod) -> None:
    def work(variables: Variables) -> Any:
        for key in ("list-b", "list-a", "other"):
            variables.set(key, key, scope="namespace")
        return list(variables.list("list-", scope="namespace"))

    first, second = pod.do(work)

    assert (first.key, second.key) == ("list-a", "list-b")
    assert (first.size, first.content_type) == (len('"list-a"'), "application/json")
    assert abs(first.updated_at.timestamp() - time.time()) < SOON


def test_listing_that_cannot_be_had_fails_at_once(pod: Pod) -> None:
    unknown: Any = "galaxy"

    def work(variables: Variables) -> None:
        with pytest.raises(InvalidInput, match="galaxy"):
            variables.list(scope=unknown)

    pod.do(work)


def test_copy_goes_to_another_scope(pod: Pod) -> None:
    def work(variables: Variables) -> Any:
        variables.set("report", b"text", content_type="text/plain")
        variables.copy("report", "copied", to_scope="namespace", ttl=60)
        with pytest.raises(NotFound, match="instance/gone"):
            variables.copy("gone", "copied", to_scope="namespace")
        return variables.find("copied", scope="namespace")

    found = pod.do(work)

    assert (found.data, found.content_type) == (b"text", "text/plain")
    assert found.expires_at is not None


def test_older_revision_is_read_and_brought_back(pod: Pod) -> None:
    def work(variables: Variables) -> Any:
        variables.set("h", "good", scope="workflow")
        good = variables.find("h", scope="workflow")
        assert good is not None
        variables.set("h", "bad", scope="workflow")
        older = variables.find("h", scope="workflow", revision=good.revision)
        assert older == good
        variables.copy("h", "h", scope="workflow", to_scope="workflow", revision=good.revision)
        return variables.get("h", scope="workflow")

    assert pod.do(work) == "good"


def test_state_is_there_in_the_next_action(pod: Pod) -> None:
    def work(variables: Variables) -> Any:
        before = variables.get_state(default="first run")
        variables.set_state({"max": 7})
        return before

    assert pod.do(work) == "first run"
    assert pod.do(work) == {"max": 7}

    pod.do(lambda variables: variables.delete_state())
    assert pod.do(lambda variables: variables.get_state()) is None


def test_state_is_compared_and_swapped(pod: Pod) -> None:
    def work(variables: Variables) -> Any:
        variables.delete_state()
        variables.set_state(0, if_none=True)
        with pytest.raises(PreconditionFailed):
            variables.set_state(1, if_none=True)
        found = variables.find_state()
        assert found is not None
        variables.set_state(1, if_match=found.etag, ttl=60)
        with pytest.raises(PreconditionFailed):
            variables.set_state(2, if_match=found.etag)
        found = variables.find_state()
        assert found is not None
        return found.json(), found.expires_at is not None

    assert pod.do(work) == (1, True)


def test_state_of_a_mib_is_too_large(pod: Pod) -> None:
    def work(variables: Variables) -> None:
        with pytest.raises(TooLarge):
            variables.set_state("x" * 1024 * 1024)

    pod.do(work)


def test_files_stream_in_both_directions(pod: Pod) -> None:
    data = os.urandom(MAX_BYTES)

    def work(variables: Variables) -> Any:
        variables.set("file", io.BytesIO(data))
        copy = io.BytesIO()
        return variables.download("file", copy), copy.getvalue()

    assert pod.do(work) == (len(data), data)


def test_value_over_the_limit_is_too_large(pod: Pod) -> None:
    def work(variables: Variables) -> Any:
        with pytest.raises(TooLarge):
            variables.set("big", bytes(MAX_BYTES + 1))
        return variables.get("big", as_=bytes)

    assert pod.do(work) is None


@pytest.mark.parametrize("key", ["a/b", "..", "", "x" * 254])
def test_invalid_key_is_invalid_input(pod: Pod, key: str) -> None:
    def work(variables: Variables) -> Any:
        with pytest.raises(InvalidInput) as caught:
            variables.set(key, 1)
        return caught.value.code, caught.value.status

    assert pod.do(work) == ("invalid_key", 400)


def test_action_that_is_over_is_unknown(pod: Pod) -> None:
    kept: list[Context] = []
    pod.run(kept.append)

    with pytest.raises(UnknownAction):
        kept[0].variables.get("k")


def test_context_has_what_was_dispatched(pod: Pod) -> None:
    def handle(context: Context) -> Any:
        assert Path(context.temp_dir).is_dir()
        return [context.input, context.iterator, context.idempotency_key]

    outcome = pod.run(handle, input={"a": 1})

    assert outcome.output == [{"a": 1}, 4, f"key-of-a-{pod.actions}"]


def test_outputs_are_the_next_action_s_files(pod: Pod) -> None:
    def write(context: Context) -> None:
        (context.out("workflow") / "report").write_text("done")
        (context.out("workflow") / "folder").mkdir()
        (context.out("workflow") / "folder" / "inner").write_text("deep")

    def read(context: Context) -> list[str]:
        return [context.file("r").read_text(), (context.file("folder") / "inner").read_text()]

    assert pod.run(write).status is OutcomeStatus.COMPLETE
    outcome = pod.run(
        read,
        files=(
            FileMount(key="report", scope="workflow", as_name="r"),
            FileMount(key="folder", scope="workflow", type=FileType.TAR_GZ),
        ),
    )

    assert outcome.output == ["done", "deep"]


def test_function_error_fails_the_action_and_drops_its_outputs(pod: Pod) -> None:
    def write(context: Context) -> None:
        (context.out("workflow") / "dropped").write_text("x")
        raise FunctionError("shop.empty", "größer\nals")

    outcome = pod.run(write)

    assert (outcome.status, outcome.code) == (OutcomeStatus.FAILED, "shop.empty")
    assert outcome.message == "größer als"
    assert pod.do(lambda variables: variables.get("dropped", scope="workflow")) is None


def test_other_exceptions_fail_the_action_as_container_failed(pod: Pod) -> None:
    def fail(_: Context) -> None:
        raise KeyError("x")

    outcome = pod.run(fail)

    assert (outcome.status, outcome.code) == (OutcomeStatus.FAILED, "container failed")
    assert "KeyError" in outcome.message


def test_cancelling_an_action_sets_its_event(pod: Pod) -> None:
    seen: list[bool] = []
    started = threading.Event()

    def wait(context: Context) -> None:
        started.set()
        seen.append(context.cancelled.wait(SOON))

    thread = threading.Thread(target=pod.run, args=[wait])
    thread.start()
    assert started.wait(SOON)
    pod.call("DELETE", f"/actions/a-{pod.actions}")
    thread.join(SOON)

    assert seen == [True]


def test_log_is_taken(pod: Pod) -> None:
    pod.do(lambda variables: variables.log("a line"))
