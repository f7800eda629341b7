"""`varflow lint` of several files: what workflows call, and what folders hold."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.support.privileges import unprivileged
from varflow_cli.__main__ import varflow

PARENT = """\
direktiv_api: workflow/v1
functions:
- id: child
  type: subflow
  workflow: CALLED
states:
- id: call
  type: action
  action:
    function: child
"""
CHILD = "direktiv_api: workflow/v1\nstates:\n- {id: a, type: noop}\n"
BROKEN = "direktiv_api: workflow/v1\nstates:\n- {id: a, type: nop}\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(folder: Path, **texts: str) -> None:
    for name, text in texts.items():
        (folder / f"{name}.yaml").write_text(text)


def lint(*arguments: str) -> Result:
    return CliRunner().invoke(varflow, ["lint", *arguments])


def warnings(*arguments: str) -> list[str]:
    return [line for line in lint(*arguments).stdout.splitlines() if " warning: " in line]


def test_a_subflow_that_no_file_defines_is_a_warning_with_the_nearest_name(folder: Path) -> None:
    write(folder, parent=PARENT.replace("CALLED", "flows/chidl.yaml"), child=CHILD)

    done = lint("parent.yaml", "child.yaml")

    assert done.exit_code == 0
    assert done.stdout.splitlines()[0] == (
        "parent.yaml:5: warning: functions[0].workflow: there is no workflow 'flows/chidl.yaml'; "
        "give the file that defines it, or its folder, unless a cluster has it "
        "(did you mean 'child'?)"
    )


def test_strict_lets_warnings_fail(folder: Path) -> None:
    write(folder, parent=PARENT.replace("CALLED", "nowhere"), child=CHILD)

    assert lint("--strict", "parent.yaml").exit_code == 2
    assert lint("--strict", "child.yaml").exit_code == 0


def test_programs_find_warnings_beside_the_problems(folder: Path) -> None:
    write(folder, parent=PARENT.replace("CALLED", "nowhere"))

    report = json.loads(lint("--json", "parent.yaml").stdout)
    (warning,) = report["warnings"]

    assert (report["valid"], report["problems"]) == (True, [])
    assert (warning["code"], warning["line"], warning["column"], warning["field"]) == (
        "unknown_workflow",
        5,
        3,
        "functions[0].workflow",
    )


@pytest.mark.parametrize("called", ["child", "child.yaml", "/some/where/child.yaml"])
def test_a_subflow_is_found_in_another_file_and_in_a_folder(folder: Path, called: str) -> None:
    (folder / "flows").mkdir()
    write(folder, parent=PARENT.replace("CALLED", called))
    write(folder / "flows", child=CHILD)

    assert warnings("parent.yaml", "flows/child.yaml") == []
    assert warnings("parent.yaml", "flows") == []
    assert warnings(".") == []
    assert len(warnings("parent.yaml")) == 1


@pytest.mark.parametrize("text", [BROKEN, "states: [", "kind: Workflo"])
def test_a_subflow_in_a_file_that_is_wrong_is_there(folder: Path, text: str) -> None:
    write(folder, parent=PARENT.replace("CALLED", "child"), child=text)

    done = lint(".")

    assert done.exit_code == 2
    assert "child.yaml:" in done.stdout
    assert "warning" not in done.stdout


def test_a_circle_without_an_end_is_a_warning(folder: Path) -> None:
    write(folder, a=PARENT.replace("CALLED", "b"), b=PARENT.replace("CALLED", "a"))

    found = [line.partition(" is a circle")[0] for line in warnings("a.yaml", "b.yaml")]

    assert sorted(found) == [
        "a.yaml:5: warning: functions[0].workflow: a → b → a",
        "b.yaml:5: warning: functions[0].workflow: b → a → b",
    ]


def test_a_folder_stands_for_its_files_once_and_not_for_what_is_hidden(folder: Path) -> None:
    (folder / ".git").mkdir()
    write(folder / ".git", hidden=BROKEN)
    write(folder, one=CHILD)
    (folder / "two.yml").write_text(CHILD)
    (folder / "notes.txt").write_text("no workflow")

    lines = lint(".", "one.yaml").stdout.splitlines()

    assert [line.partition(":")[0] for line in lines] == ["one.yaml", "two.yml"]


def test_a_folder_without_files_is_an_error(folder: Path) -> None:
    done = lint(str(folder))

    assert done.exit_code == 2
    assert "is a folder without files that end in .yaml or .yml" in done.stdout


def test_a_folder_in_it_that_cannot_be_read_is_an_error(folder: Path) -> None:
    write(folder, valid=CHILD)
    (folder / "closed").mkdir()
    (folder / "closed").chmod(0)

    with unprivileged(folder):
        done = lint(".")

    assert done.exit_code == 2
    assert "closed: cannot be read: Permission denied" in done.output


def test_a_link_to_nowhere_in_a_folder_is_an_error(folder: Path) -> None:
    write(folder, valid=CHILD)
    (folder / "link.yaml").symlink_to("gone.yaml")

    done = lint(".")

    assert done.exit_code == 2
    assert "link.yaml: cannot be read: No such file" in done.output
