"""`varflow var`, `workflow rm`, `namespace rm`: each call is a process of its own."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from tests.support.runs import DEADLINE_SECONDS, Caller, Ended, wait_until

WORKFLOW = ("--scope", "workflow", "--workflow", "w")


@pytest.fixture
def caller(tmp_path: Path) -> Caller:
    return Caller(tmp_path)


def var(caller: Caller, *arguments: str, stdin: bytes = b"") -> Ended:
    return caller.call("var", *arguments, stdin=stdin)


@pytest.mark.parametrize("size", [0, 5, 300_000], ids=["empty", "small", "a body"])
def test_bytes_come_back_as_they_were(caller: Caller, size: int) -> None:
    data = bytes(number % 251 for number in range(size))

    written = var(caller, "set", "k", *WORKFLOW, stdin=data)
    read = var(caller, "get", "k", *WORKFLOW)

    assert (written.exit_code, written.stdout) == (0, b"")
    assert (read.exit_code, read.stdout) == (0, data)


@pytest.mark.parametrize("command", [("set", "k"), ("import", "-")], ids=["set", "import"])
def test_ctrl_c_ends_a_command_that_waits_for_input(
    caller: Caller, command: tuple[str, ...]
) -> None:
    running = caller.start("var", *command)
    wait_until((caller.folder / "store" / "varflow.json=").exists, what="open store")

    running.process.send_signal(signal.SIGINT)

    assert running.process.wait(DEADLINE_SECONDS) == 1  # its standard input is still open
    assert running.end().log == "\nAborted!\n"
    assert json.loads(var(caller, "ls", "--json").stdout) == []


def test_a_missing_variable_is_exit_code_3_and_prints_nothing(caller: Caller) -> None:
    (caller.folder / "store").mkdir()

    read = var(caller, "get", "k")

    assert (read.exit_code, read.stdout) == (3, b"")
    said = f"variable namespace/k does not exist in {caller.store} [not_found]"
    assert read.log == f"varflow: {said}\n"


def test_listing_shows_what_is_known_but_no_values(caller: Caller) -> None:
    var(caller, "set", "a", "--value", "1", "--content-type", "application/json")
    var(caller, "set", "b", "--value", "22", "--ttl", "3600")

    listed = json.loads(var(caller, "ls", "--json").stdout)
    table = var(caller, "ls").stdout.decode().splitlines()

    assert [(entry["key"], entry["size"], entry["contentType"]) for entry in listed] == [
        ("a", 1, "application/json"),
        ("b", 2, "application/octet-stream"),
    ]
    assert [bool(entry["expiresAt"]) for entry in listed] == [False, True]
    assert [line.split()[0] for line in table] == ["KEY", "a", "b"]


def test_removing_is_no_error_when_there_is_nothing(caller: Caller) -> None:
    var(caller, "set", "k", "--value", "1")

    assert [var(caller, "rm", "k").exit_code for _ in range(2)] == [0, 0]
    assert var(caller, "get", "k").exit_code == 3


def test_scopes_are_apart(caller: Caller) -> None:
    var(caller, "set", "k", "--value", "of the namespace")
    var(caller, "set", "k", *WORKFLOW, "--value", "of the workflow")
    var(caller, "set", "k", "--namespace", "other", "--value", "elsewhere")

    assert var(caller, "get", "k").stdout == b"of the namespace"
    assert var(caller, "get", "k", "--workflow", "w").stdout == b"of the workflow"


def test_a_removed_workflow_takes_its_variables_with_it(caller: Caller) -> None:
    var(caller, "set", "k", "--value", "1")
    var(caller, "set", "k", *WORKFLOW, "--value", "1")

    removed = caller.call("workflow", "rm", "w")

    assert removed.log == "1 variable removed\n"
    assert var(caller, "get", "k", *WORKFLOW).exit_code == 3
    assert var(caller, "get", "k").exit_code == 0


def test_a_removed_namespace_takes_everything_with_it(caller: Caller) -> None:
    var(caller, "set", "k", "--value", "1")
    var(caller, "set", "k", *WORKFLOW, "--value", "1")
    var(caller, "set", "k", "--namespace", "other", "--value", "1")

    removed = caller.call("namespace", "rm", "default")

    assert removed.log == "2 variables removed\n"
    assert var(caller, "get", "k", *WORKFLOW).exit_code == 3
    assert var(caller, "get", "k", "--namespace", "other").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["get", "a/b"], "contains '/'"),
        (["get", "k", "--scope", "workflow"], "--workflow"),
        (["get", "k", "--scope", "file"], "'file' is not one of"),
        (["set", "k", "--ttl", "soon"], "--ttl"),
        (["set", "k", "--file", "none"], "No such file"),
        (["ls", "--store", "somewhere"], "is no URL"),
        (["ls", "--namespace", "a/b"], "contains '/'"),
        (["ls", "--namespace", ""], "is empty"),
        (["rm", "k", "--workflow", ""], "is empty"),
        (["rm", "k", "--instance", ""], "is empty"),
        (["cp", "k", "l", "--to-workflow", ""], "is empty"),
    ],
    ids=[
        "key",
        "no owner",
        "scope",
        "ttl",
        "file",
        "store",
        "namespace",
        "empty namespace",
        "empty workflow",
        "empty instance",
        "empty target",
    ],
)
def test_a_mistake_is_exit_code_2_and_no_traceback(
    caller: Caller, arguments: list[str], said: str
) -> None:
    ended = var(caller, *arguments)

    assert ended.exit_code == 2
    assert said in ended.log
    assert "Traceback" not in ended.log


def test_the_default_store_is_in_the_users_data_folder_and_is_said(caller: Caller) -> None:
    ended = caller.call("var", "ls", VARFLOW_STORE="", XDG_DATA_HOME=str(caller.folder / "data"))

    assert ended.log == f"varflow: store {(caller.folder / 'data/varflow/store').as_uri()}\n"


# A store that is not there

NOT_MAKING = [
    pytest.param(["var", "ls"], id="ls"),
    pytest.param(["var", "get", "k"], id="get"),
    pytest.param(["var", "export", "all.tar"], id="export"),
    pytest.param(["var", "cp", "k", "l"], id="cp"),
    pytest.param(["var", "rm", "k"], id="rm"),
    pytest.param(["workflow", "rm", "w", "--yes"], id="workflow-rm"),
    pytest.param(["namespace", "rm", "n", "--yes"], id="namespace-rm"),
    pytest.param(["store", "check"], id="store-check"),
    pytest.param(["store", "check", "--repair"], id="store-check-repair"),
]
"""Commands that have nothing to do in a store that is not there."""


@pytest.mark.parametrize("arguments", NOT_MAKING)
def test_a_mistyped_store_is_exit_code_2_and_is_not_made(
    caller: Caller, arguments: list[str]
) -> None:
    ended = caller.call(*arguments, "--store", (caller.folder / "mistyped").as_uri())

    assert (ended.exit_code, ended.stdout) == (2, b"")
    said = f"varflow: there is no store at {caller.folder}/mistyped: the folder does not exist;"
    assert ended.log.startswith(said)
    assert ended.log.endswith(" [store_not_found]\n")
    assert [it.name for it in caller.folder.iterdir()] == ["tmp"]


@pytest.mark.parametrize("arguments", NOT_MAKING)
def test_a_folder_of_something_else_is_no_store_and_stays_as_it_is(
    caller: Caller, arguments: list[str]
) -> None:
    (caller.folder / "store/photos").mkdir(parents=True)

    ended = caller.call(*arguments)

    assert (ended.exit_code, ended.stdout) == (2, b"")
    assert "it has no varflow.json;" in ended.log
    assert [it.name for it in (caller.folder / "store").iterdir()] == ["photos"]


@pytest.mark.parametrize("arguments", NOT_MAKING)
@pytest.mark.parametrize("place", ["default", "empty folder"])
def test_a_store_that_is_still_to_come_is_empty_and_is_not_made(
    caller: Caller, place: str, arguments: list[str]
) -> None:
    data = caller.folder / "data"
    if place == "empty folder":
        data.mkdir()
    url = data.as_uri() if place == "empty folder" else ""

    ended = caller.call(*arguments, VARFLOW_STORE=url, XDG_DATA_HOME=str(data))

    assert ended.exit_code == (3 if {"get", "cp"} & {*arguments} else 0), ended.log
    assert not data.exists() or list(data.iterdir()) == []


def test_what_may_write_a_new_variable_makes_the_store(caller: Caller) -> None:
    var(caller, "set", "k", "--value", "1")
    archive = var(caller, "export", "-").stdout

    other = ("--store", (caller.folder / "new" / "store").as_uri())
    var(caller, "import", "-", *other, stdin=archive)

    assert var(caller, "get", "k", *other).stdout == b"1"
