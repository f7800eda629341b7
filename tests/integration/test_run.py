"""`varflow run` with real processes: what it prints, how it ends, and what it leaves behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from pathlib import Path

import pytest

from tests.support import runs
from tests.support.runs import Caller


@pytest.fixture
def caller(tmp_path: Path) -> Caller:
    return Caller(tmp_path)


def test_a_function_gets_the_input_and_its_answer_is_the_return(caller: Caller) -> None:
    flow = runs.write_action(caller.folder, transform="jq(.return)")

    ended = caller.run(flow, "--input", '{"a": [1, 2]}', *runs.option("f", "echo"))

    assert ended.answer == {
        "instance": ended.answer["instance"],
        "status": "complete",
        "output": {"a": [1, 2]},
        "error": None,
    }
    assert ended.exit_code == 0


def test_a_functions_lines_are_shown_with_its_id(caller: Caller) -> None:
    flow = runs.write_action(caller.folder)

    ended = caller.run(flow, *runs.option("f", "echo"))

    assert 'f        │ echoing {"input":""}\n' in ended.log
    assert "→ call\n" in ended.log
    assert "✔ complete\n" in ended.log
    assert f"instance {ended.answer['instance']}" in ended.log
    assert f"store {caller.store}" in ended.log


def test_without_json_the_output_alone_is_printed(caller: Caller) -> None:
    flow = runs.write_workflow(caller.folder, {"id": "a", "type": "noop"})

    ended = caller.call("run", str(flow), "--input", '{"a": 1}')

    assert ended.stdout == b'{\n  "a": 1\n}\n'


@pytest.mark.parametrize(
    ("given", "stdin", "output"),
    [
        ([], b"", {"input": ""}),
        (["--input", "-"], b"", {"input": ""}),
        (["--input", "-"], b"\xff\x00", {"input": "/wA="}),
        (["--input", "@input.json"], b"", {"from": "file"}),
        (["--input", "3"], b"", {"input": 3}),
    ],
    ids=["nothing", "empty standard input", "bytes", "a file", "a number"],
)
def test_input_follows_the_engines_rule(
    caller: Caller, given: list[str], stdin: bytes, output: object
) -> None:
    (caller.folder / "input.json").write_text('{"from": "file"}')
    flow = runs.write_workflow(caller.folder, {"id": "a", "type": "noop"})

    assert caller.run(flow, *given, stdin=stdin).answer["output"] == output


def test_variables_persist_from_run_to_run(caller: Caller) -> None:
    flow = runs.write_action(caller.folder, transform="jq({n: .return})")

    answers = [caller.run(flow, *runs.option("an/image:v1", "counting")).answer for _ in range(2)]

    assert [answer["output"] for answer in answers] == [{"n": 1}, {"n": 2}]


def test_nothing_is_left_after_a_run(caller: Caller) -> None:
    flow = runs.write_action(caller.folder)

    ended = caller.run(flow, *runs.option("f", "counting"))

    assert ended.answer["status"] == "complete"
    assert list((caller.folder / "tmp").iterdir()) == []
    instance = ended.answer["instance"]
    assert not list((caller.folder / "store").glob(f"**/{instance}/**/*"))


def test_the_file_says_how_a_function_is_started(caller: Caller) -> None:
    (caller.folder / "sub").mkdir()
    program = (
        "import json, os; from tests.support.functions.answering import serve;"
        "serve(lambda *_: json.dumps(os.path.basename(os.getcwd())).encode())"
    )
    local = {"command": [sys.executable, "-c", program], "dir": "sub"}
    flow = runs.write_workflow(
        caller.folder,
        {
            "id": "call",
            "type": "action",
            "action": {"function": "f"},
            "transform": "jq({in: .return})",
        },
        functions=[{"id": "f", "image": "an/image:v1", "local": local}],
    )

    assert caller.run(flow).answer["output"] == {"in": "sub"}


def test_a_function_without_a_command_is_refused_before_anything_starts(caller: Caller) -> None:
    flow = runs.write_action(caller.folder)

    ended = caller.run(flow)

    assert ended.exit_code == 2
    assert ended.answer["instance"] is None
    assert "'f' (an/image:v1)" in ended.log
    assert "local.command" in ended.log
    assert "--function f=COMMAND" in ended.log
    assert not (caller.folder / "store").exists()


def test_an_invalid_file_is_told_by_line_and_field(caller: Caller) -> None:
    flow = caller.folder / "flow.yaml"
    flow.write_text("direktiv_api: workflow/v1\nstates:\n- id: a\n  type: noop\n  transition: b\n")

    ended = caller.run(flow)

    assert ended.exit_code == 2
    assert ended.answer["status"] == "failed"
    assert ended.log == f"{flow}:5: states[0].transition: there is no state 'b'\n"


def test_a_failed_instance_tells_its_error(caller: Caller) -> None:
    error = {"id": "a", "type": "error", "error": "my.code", "message": "it is wrong"}
    flow = runs.write_workflow(caller.folder, error)

    ended = caller.run(flow)

    assert ended.exit_code == 1
    assert ended.answer["status"] == "failed"
    assert ended.answer["error"] == {"code": "my.code", "message": "it is wrong"}


def test_a_store_that_cannot_be_opened_is_one_line(caller: Caller) -> None:
    flow = runs.write_workflow(caller.folder, {"id": "a", "type": "noop"})
    (caller.folder / "file").touch()

    ended = caller.run(flow, "--store", (caller.folder / "file" / "store").as_uri())

    assert ended.exit_code == 1
    assert ended.answer["status"] == "crashed"
    assert "Traceback" not in ended.log


# Functions that misbehave


@pytest.mark.parametrize(
    ("name", "code", "message"),
    [
        ("refusing", "container failed", "ended with exit code 1 before it listened"),
        ("silent", "container failed", "does not listen after 0.3 s"),
        ("garbage", "container failed", "'f'"),
    ],
)
def test_a_broken_function_fails_the_action(
    caller: Caller, name: str, code: str, message: str
) -> None:
    flow = runs.write_action(caller.folder)
    seconds = "0.3" if name == "silent" else "30"

    ended = caller.run(flow, *runs.option("f", name), VARFLOW_FUNCTION_START_SECONDS=seconds)

    assert ended.exit_code == 1
    assert ended.answer["status"] == "failed"
    assert ended.answer["error"]["code"] == code
    assert message in ended.answer["error"]["message"]


def test_a_state_does_not_wait_longer_than_its_timeout_for_a_function(caller: Caller) -> None:
    flow = runs.write_action(caller.folder, timeout="PT0.3S")

    ended = caller.run(flow, *runs.option("f", "silent"))

    assert ended.answer["error"] == {
        "code": "direktiv.cancels.timeout.soft",
        "message": "function 'f' did not listen on $PORT before the deadline",
    }


def test_the_last_lines_of_a_function_that_did_not_come_up_are_told(caller: Caller) -> None:
    flow = runs.write_action(caller.folder)

    ended = caller.run(flow, *runs.option("f", "refusing"))

    assert "no configuration found" in ended.answer["error"]["message"]


def test_a_program_that_does_not_exist_is_told(caller: Caller) -> None:
    flow = runs.write_action(caller.folder)

    ended = caller.run(flow, "--function", "f=no-such-program")

    assert "No such file or directory: no-such-program" in ended.answer["error"]["message"]


def test_a_function_that_died_is_started_again_for_the_next_attempt(caller: Caller) -> None:
    retries = {"max_attempts": 2, "delay": "PT0.01S", "codes": ["container failed"]}
    action = {"function": "f", "retries": retries}
    flow = runs.write_action(caller.folder, action=action, transform="jq({is: .return})")

    ended = caller.run(flow, *runs.option("f", "dying", caller.folder / "marker"))

    assert ended.answer["output"] == {"is": "alive"}, ended.log


def test_a_fixed_port_is_used(caller: Caller) -> None:
    port = free_port()
    local = {"command": runs.program("fixed", port), "port": port}
    flow = runs.write_workflow(
        caller.folder,
        {
            "id": "call",
            "type": "action",
            "action": {"function": "f"},
            "transform": "jq({is: .return})",
        },
        functions=[{"id": "f", "image": "an/image:v1", "local": local}],
    )

    assert caller.run(flow).answer["output"] == {"is": "fixed"}


def test_the_port_of_the_environment_is_used_for_a_single_function(caller: Caller) -> None:
    port = free_port()
    flow = runs.write_action(caller.folder, transform="jq({is: .return})")

    ended = caller.run(flow, *runs.option("f", "fixed", port), PORT=str(port))

    assert ended.answer["output"] == {"is": "fixed"}, ended.log


def test_a_taken_port_is_told(caller: Caller) -> None:
    flow = runs.write_action(caller.folder)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = caller.run(flow, *runs.option("f", "fixed", port), PORT=str(port))

    assert f"port {port}" in ended.answer["error"]["message"]


def test_the_sidecar_url_of_the_environment_is_used(caller: Caller) -> None:
    url = f"http://localhost:{free_port()}"
    flow = runs.write_action(caller.folder, transform="jq({n: .return})")

    ended = caller.run(flow, *runs.option("f", "counting"), VARFLOW_SIDECAR_URL=url)

    assert ended.answer["output"] == {"n": 1}, ended.log


# Ending early


def test_the_timeout_cancels_a_hanging_function_and_ends_its_group(caller: Caller) -> None:
    flow = runs.write_action(caller.folder)

    ended = caller.run(flow, "--timeout", "1.5", *runs.option("f", "hanging"))

    assert ended.exit_code == 4
    assert ended.answer["status"] == "cancelled"
    assert ended.answer["error"]["message"] == "the run took longer than --timeout 1.5 s"
    assert "told to stop" in ended.log
    group = int(ended.log.partition("group ")[2].split()[0])
    assert not runs.is_group_alive(group)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def test_a_signal_cancels_the_instance(caller: Caller, number: signal.Signals) -> None:
    if signal.getsignal(number) is signal.SIG_IGN:
        pytest.skip(f"{number.name} is ignored here, as in the background of a shell")
    flow = runs.write_action(caller.folder)
    running = caller.start("run", str(flow), "--json", *runs.option("f", "hanging"))
    group = int(running.wait_for("group "))
    running.wait_for("hanging")

    running.process.send_signal(number)
    ended = running.end()

    assert ended.exit_code == 1
    assert ended.answer["status"] == "cancelled"
    assert ended.answer["error"]["code"] == "direktiv.cancels.api"
    assert not runs.is_group_alive(group)


def test_a_second_signal_ends_everything_at_once(caller: Caller) -> None:
    flow = runs.write_action(caller.folder)
    running = caller.start("run", str(flow), "--json", *runs.option("f", "hanging"))
    group = int(running.wait_for("group "))
    running.wait_for("hanging")

    running.process.send_signal(signal.SIGTERM)
    running.wait_for("cancelling the instance")
    running.process.send_signal(signal.SIGTERM)
    ended = running.end()

    assert ended.answer["status"] == "cancelled"
    assert not runs.is_group_alive(group)


def test_functions_end_also_when_varflow_is_killed(caller: Caller) -> None:
    flow = runs.write_action(caller.folder)
    running = caller.start("run", str(flow), "--json", *runs.option("f", "hanging"))
    group = int(running.wait_for("group "))
    running.wait_for("hanging")

    os.killpg(running.process.pid, signal.SIGKILL)
    running.end()

    runs.wait_until(lambda: not runs.is_group_alive(group), what="end of the function's group")
    temp = caller.folder / "tmp"
    runs.wait_until(lambda: not list(temp.iterdir()), what="end of the temporary folder")


# Several things at once


def test_two_runs_at_once_do_not_meet(caller: Caller) -> None:
    flow = runs.write_action(caller.folder, name="first")
    held = caller.start("run", str(flow), "--json", *runs.option("f", "hanging"))
    held.wait_for("hanging")
    other = runs.write_action(caller.folder, name="second", transform="jq({n: .return})")

    ended = caller.run(other, *runs.option("f", "counting"))
    held.process.send_signal(signal.SIGTERM)

    assert ended.answer["output"] == {"n": 1}, ended.log
    assert held.end().answer["status"] == "cancelled"


def test_declared_variables_are_set_before_the_run(caller: Caller) -> None:
    variables = caller.folder / "variables.yaml"
    manifest = {
        "apiVersion": "varflow.dev/v1alpha1",
        "kind": "Variable",
        "metadata": {"name": "greeting"},
        "spec": {"scope": "namespace", "text": "hello"},
    }
    variables.write_text(json.dumps(manifest))
    getter = {"id": "a", "type": "getter", "variables": [{"key": "greeting", "scope": "namespace"}]}
    flow = runs.write_workflow(caller.folder, {**getter, "transform": "jq(.var)"})

    ended = caller.run(flow, str(variables))

    assert ended.answer["output"] == {"greeting": "aGVsbG8="}, ended.log


def test_a_secret_reaches_the_function_and_no_log(caller: Caller) -> None:
    action = {"function": "f", "secrets": ["token"], "input": "jq({t: .secrets.token})"}
    flow = runs.write_action(
        caller.folder, action=action, transform="jq({n: (.return.t | length)})"
    )

    ended = caller.run(flow, "--secret", "token=s3cr3t-value", *runs.option("f", "echo"))

    assert ended.answer["output"] == {"n": 12}
    assert "s3cr3t" not in ended.log
    assert 'echoing {"t":"***"}' in ended.log


def test_a_secret_that_was_not_given_fails_the_instance(caller: Caller) -> None:
    action = {"function": "f", "secrets": ["token"], "input": "jq(.secrets)"}
    flow = runs.write_action(caller.folder, action=action)

    ended = caller.run(flow, *runs.option("f", "echo"))

    assert ended.answer["error"]["code"] == "direktiv.secrets.notFound"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
