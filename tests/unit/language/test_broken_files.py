"""Files that are wrong: every problem, with its line, its field and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from varflow.errors import InvalidWorkflowFile
from varflow.language import loading

FIELDS = [
    pytest.param(
        "states:\n- id: a\n  type: noop\n  transform:\n    x:\n    - 'js(return {)'\n"
        "    - 'jq(.x'\n",
        [
            (
                "6: states[0].transform.x[0]: "
                "')' at character 12 closes nothing; '{' at character 11 is open"
            ),
            "7: states[0].transform.x[1]: 'jq(' at character 1 is never closed",
        ],
        id="strings that are no programs",
    ),
]


@pytest.mark.parametrize(("text", "expected"), FIELDS)
def test_all_problems_are_reported_with_their_places(text: str, expected: list[str]) -> None:
    with pytest.raises(InvalidWorkflowFile) as caught:
        loading.load_text(text, source="f.yaml")

    assert sorted(map(str, caught.value.problems)) == sorted(f"f.yaml:{it}" for it in expected)
    assert caught.value.code == "invalid_workflow"


def test_problems_come_in_the_order_of_lines() -> None:
    text = "states:\n- {id: a, type: noop, transition: x}\n- {id: a, type: bad}\n"

    with pytest.raises(InvalidWorkflowFile) as caught:
        loading.load_text(text, source="f.yaml")

    assert str(caught.value).splitlines() == [
        "f.yaml:2: states[0].transition: there is no state 'x'",
        "f.yaml:3: states[1].id: the id 'a' is already that of states[0].id",
        "f.yaml:3: states[1].type: unknown state type 'bad'",
    ]


def test_the_problems_of_all_files_are_reported_at_once(tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("states: []")

    with pytest.raises(InvalidWorkflowFile) as caught:
        loading.load_files([tmp_path / "none.yaml", bad, tmp_path])

    assert [str(it).removeprefix(f"{tmp_path}") for it in caught.value.problems] == [
        "/none.yaml: cannot be read: No such file or directory",
        ": cannot be read: Is a directory",
        "/bad.yaml:1: states: is empty; at least one is needed",
    ]


def test_a_thousand_problems_are_found_quickly() -> None:
    lines = (f"- {{id: s{i}, type: noop, transition: t{i}, x{i}: 1}}" for i in range(1000))
    text = "\n".join(["states:", *lines])

    with pytest.raises(InvalidWorkflowFile) as caught:
        loading.load_text(text, source="f.yaml")

    assert len(caught.value.problems) >= 1000


def test_a_complaint_about_a_long_program_is_short() -> None:
    text = f"id: x\nstates:\n- id: a\n  type: noop\n  transform: {'j' * 60_000}\n"

    with pytest.raises(InvalidWorkflowFile, match="jq cannot compile this: jjj") as caught:
        loading.load_text(text, source="f.yaml")

    assert len(str(caught.value)) < 400


def test_a_file_without_an_end_is_refused() -> None:
    with pytest.raises(InvalidWorkflowFile, match="/dev/zero:1:1: the file is larger than 2 MiB"):
        loading.load_files(["/dev/zero"])
