"""Files that are wrong, as people write them: `varflow lint` says what, where, and what to do.

Each file in tests/data/broken has its problems in a text beside it, a line for each: line and
column, code, field, message, and the name that was perhaps meant. A warning says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from click.testing import CliRunner

from varflow.errors import Problem
from varflow_cli import linting
from varflow_cli.__main__ import varflow

FOLDER: Final = Path(__file__).parents[2] / "data" / "broken"
FILES: Final = sorted(FOLDER.glob("*.yaml"))
FEWEST: Final = 50


def described(report: linting.Report) -> list[str]:
    problems = [line_of(problem) for problem in report.problems]
    return [*problems, *(f"warning {line_of(warning)}" for warning in report.warnings)]


def line_of(problem: Problem) -> str:
    return " ".join(words_of(problem))


def words_of(problem: Problem) -> Iterator[str]:
    yield f"{problem.line}:{problem.column}"
    yield problem.code
    if problem.field:
        yield f"{problem.field}:"
    yield problem.message
    if problem.hint:
        yield f"(did you mean {problem.hint!r}?)"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_everything_that_is_wrong_is_told_with_its_place(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(FOLDER)

    report = linting.lint([Path(file.name)], expressions=None)

    assert described(report) == file.with_suffix(".txt").read_text().splitlines()


def test_there_are_many_of_them_and_each_says_what_is_wrong() -> None:
    texts = [file.read_text() for file in FOLDER.glob("*.txt")]

    assert len(FILES) >= FEWEST
    assert len(texts) == len(FILES)
    assert all(texts)


def test_no_file_ends_the_command_otherwise_than_wrong_files_do() -> None:
    done = CliRunner().invoke(varflow, ["lint", "--strict", str(FOLDER)])

    named = {line.partition(".yaml:")[0] for line in done.stdout.splitlines()}
    assert (done.exit_code, done.stderr) == (2, "")
    assert {str(file.with_suffix("")) for file in FILES} <= {
        it.removesuffix(".yaml") for it in named
    }
