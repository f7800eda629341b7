"""How a run's functions are to be started, decided from the file, the flags and the environment."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from varflow.language import loading
from varflow_cli.console.failures import Mistake
from varflow_cli.local import launching
from varflow_cli.local.launching import Launch

FOLDER = Path("/flows")
WORKING = Path("/here")


def plan(
    *functions: dict[str, Any],
    flags: tuple[str, ...] = (),
    environ: dict[str, str] | None = None,
    called: int | None = None,
) -> tuple[Launch, ...]:
    used = functions if called is None else functions[:called]
    states = [
        {
            "id": f"s{number}",
            "type": "action",
            "action": {"function": function["id"]},
            **({"transition": f"s{number + 1}"} if number + 1 < len(used) else {}),
        }
        for number, function in enumerate(used)
    ]
    document = {
        "direktiv_api": "workflow/v1",
        "functions": [{"image": "an/image", **function} for function in functions],
        "states": states,
    }
    definitions = loading.load_text(json.dumps(document), source="flow.yaml")
    return launching.plan(
        definitions.workflows["flow"],
        folder=FOLDER,
        commands=launching.parse_commands(flags),
        working_folder=WORKING,
        environ=environ or {},
    )


def test_a_command_of_the_file_runs_in_the_files_folder() -> None:
    [launch] = plan({"id": "f", "local": {"command": "python3 'my f.py' -v", "dir": "sub"}})

    assert launch.words == ("python3", "my f.py", "-v")
    assert launch.folder == FOLDER / "sub"


@pytest.mark.parametrize("name", ["f", "an/image"], ids=["id", "image"])
def test_a_command_of_the_caller_counts_and_runs_in_the_working_folder(name: str) -> None:
    local = {"command": "theirs", "dir": "sub", "port": 8080}

    [launch] = plan({"id": "f", "local": local}, flags=(f"{name}=mine --x=1",))

    assert launch.words == ("mine", "--x=1")
    assert launch.folder == WORKING
    assert launch.port == 8080


def test_functions_that_no_state_calls_need_no_command() -> None:
    launches = plan({"id": "f", "local": {"command": "c"}}, {"id": "unused"}, called=1)

    assert [launch.function for launch in launches] == ["f"]


def test_a_function_without_a_command_is_named_with_both_ways_out() -> None:
    with pytest.raises(Mistake, match=r"'f' \(an/image\).*local\.command.*--function f=COMMAND"):
        plan({"id": "f"})


@pytest.mark.parametrize("flag", ["f", "f=", "=c", "f='"])
def test_a_flag_that_is_no_assignment_is_refused(flag: str) -> None:
    with pytest.raises(Mistake, match="--function"):
        plan({"id": "f"}, flags=(flag,))


def test_a_port_in_the_environment_is_a_single_functions() -> None:
    one, two = {"id": "f", "local": {"command": "c"}}, {"id": "g", "local": {"command": "c"}}

    assert [launch.port for launch in plan(one, environ={"PORT": "9"})] == [9]
    assert [launch.port for launch in plan(one, two, environ={"PORT": "9"})] == [None, None]


@pytest.mark.parametrize("text", ["", "x", "0", "65536", "-1"])
def test_a_port_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(Mistake, match="PORT"):
        plan({"id": "f", "local": {"command": "c"}}, environ={"PORT": text})


def test_a_function_keeps_its_own_environment() -> None:
    source = {"secretKeyRef": {"name": "s", "key": "k"}}
    env = [{"name": "A", "value": "1"}, {"name": "B", "valueFrom": source}]

    [launch] = plan({"id": "f", "type": "container", "env": env, "local": {"command": "c"}})

    assert launch.environ == {"A": "1"}


@pytest.mark.parametrize("name", ["f", "an/image"], ids=["id", "image"])
def test_a_command_may_be_for_any_function_of_the_files(name: str) -> None:
    document = {
        "direktiv_api": "workflow/v1",
        "functions": [{"id": "f", "image": "an/image"}],
        "states": [{"id": "a", "type": "noop"}],
    }
    definitions = loading.load_text(json.dumps(document), source="flow.yaml")

    warnings = launching.find_unused([name, "g"], definitions.workflows.values())

    assert launching.find_unused([name], definitions.workflows.values()) == []
    assert warnings == ["--function g: no function has this id or image; there are f, an/image"]
