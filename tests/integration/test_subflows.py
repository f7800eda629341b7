"""`varflow run` with subflows, many actions at one time, and actions that nobody waits for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support import runs
from tests.support.runs import Caller, Ended

Json = Any
F = {"id": "f", "image": "an/image:v1"}


@pytest.fixture
def caller(tmp_path: Path) -> Caller:
    return Caller(tmp_path)


def write_parent(caller: Caller, **action: Json) -> Path:
    """Write a workflow that calls the workflow `child`."""
    state = {"id": "call", "type": "action", "action": {"function": "sub"}, **action}
    child = {"id": "sub", "type": "subflow", "workflow": "flows/child.yaml"}
    return runs.write_workflow(caller.folder, state, functions=[child], name="parent")


def write_child(caller: Caller, *states: Json) -> Path:
    return runs.write_workflow(caller.folder, *states, functions=[F], name="child")


def run_both(caller: Caller, parent: Path, child: Path, *arguments: str) -> Ended:
    return caller.run(parent, str(child), *arguments)


def find_left(caller: Caller) -> list[str]:
    """Return what is left of instances in the store."""
    files = (caller.folder / "store").rglob("*")
    return [str(path) for path in files if path.is_file() and "/i/" in str(path)]


def test_a_subflow_has_functions_and_instance_variables_of_its_own(caller: Caller) -> None:
    parent = write_parent(caller, transform="jq(.return)")
    keep = {"key": "k", "scope": "instance", "value": "jq(.n)"}
    child = write_child(
        caller,
        {"id": "keep", "type": "setter", "variables": [keep], "transition": "get"},
        {
            "id": "get",
            "type": "getter",
            "variables": [{"key": "k", "scope": "instance"}],
            "log": "jq(.n)",
            "transition": "call",
        },
        {"id": "call", "type": "action", "action": {"function": "f", "input": "jq({x: .var.k})"}},
    )

    ended = run_both(caller, parent, child, "--input", '{"n": 7}', *runs.option("f", "echo"))

    assert ended.answer["output"] == {"n": 7, "var": {"k": 7}, "return": {"x": 7}}, ended.log
    assert "→ child/get\n" in ended.log
    assert "child/get │ 7\n" in ended.log
    assert 'child/f  │ echoing {"x":7}\n' in ended.log
    assert find_left(caller) == []


def test_an_error_of_a_subflow_can_be_caught(caller: Caller) -> None:
    parent = write_parent(caller, catch=[{"error": "my.*"}])
    child = write_child(caller, {"id": "a", "type": "error", "error": "my.error", "message": "no"})

    ended = run_both(caller, parent, child)

    assert ended.answer["output"]["error"] == {"code": "my.error", "msg": "no"}


def test_a_subflow_that_takes_too_long_is_stopped(caller: Caller) -> None:
    parent = write_parent(caller, timeout="PT0.3S", catch=[{"error": "direktiv.cancels.*"}])
    call = {"id": "call", "type": "action", "action": {"function": "f"}}

    ended = run_both(caller, parent, write_child(caller, call), *runs.option("f", "hanging"))

    assert ended.answer["output"]["error"]["code"] == "direktiv.cancels.timeout.soft", ended.log
    assert find_left(caller) == []


def test_a_run_that_is_cancelled_ends_its_subflows_too(caller: Caller) -> None:
    child = write_child(caller, {"id": "wait", "type": "delay", "duration": "PT1H"})

    ended = run_both(caller, write_parent(caller), child, "--timeout", "1")

    assert ended.exit_code == 4
    assert ended.answer["status"] == "cancelled"
    assert find_left(caller) == []


def test_a_subflow_that_is_missing_is_an_error_before_anything_runs(caller: Caller) -> None:
    ended = caller.run(write_parent(caller))

    assert ended.exit_code == 2
    assert "functions[0].workflow: there is no workflow 'flows/child.yaml'" in ended.log
    assert "varflow run parent.yaml child.yaml" in ended.log


def test_what_is_not_waited_for_ends_before_the_run_does(caller: Caller) -> None:
    parent = write_parent(caller, **{"async": True})
    note = {"key": "k", "scope": "namespace", "value": "there"}
    child = write_child(
        caller,
        {"id": "wait", "type": "delay", "duration": "PT0.5S", "transition": "note"},
        {"id": "note", "type": "setter", "variables": [note]},
    )

    ended = run_both(caller, parent, child, "--input", '{"a": 1}')

    assert ended.answer["output"] == {"a": 1}
    assert ended.log.index("→ child/note") < ended.log.index("✔ complete")
    got = caller.call("var", "get", "k", "--scope", "namespace")
    assert got.stdout == b'"there"'


def test_an_asynchronous_action_is_neither_waited_for_nor_its_error_raised(caller: Caller) -> None:
    state = {"id": "call", "type": "action", "async": True, "action": {"function": "f"}}
    flow = runs.write_workflow(caller.folder, state, functions=[F])

    ended = caller.run(flow, "--input", '{"a": 1}', *runs.option("f", "dying"))

    assert ended.answer["output"] == {"a": 1}
    assert "asynchronous action of 'f': container failed" in ended.log


def test_the_answers_of_a_large_loop_are_put_aside_and_come_back(caller: Caller) -> None:
    each = {
        "id": "each",
        "type": "foreach",
        "array": 'jq([range(300) | {n: ., text: ("x" * 1000)}])',
        "action": {"function": "f"},
        "transform": "jq({numbers: [.return[].n], last: .return[299].text})",
    }
    flow = runs.write_workflow(caller.folder, each, functions=[F])

    ended = caller.run(flow, *runs.option("f", "echo"))

    assert ended.answer["output"] == {"numbers": list(range(300)), "last": "x" * 1000}
    assert find_left(caller) == []
