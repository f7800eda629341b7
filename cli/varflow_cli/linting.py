"""What `varflow lint` finds out about files, for people and for programs."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from varflow.errors import InvalidWorkflowFile, Problem
from varflow.language import describing, loading
from varflow.language.expressions import Dialect
from varflow.language.loading import Definitions
from varflow_cli import streams


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What is wrong in some files; when nothing is, what they define."""

    problems: Sequence[Problem]
    definitions: Sequence[Definitions]
    """What each valid file defines."""

    @property
    def is_valid(self) -> bool:
        """Tell whether the files can be run."""
        return not self.problems

    def as_text(self) -> str:
        """Return a line for each problem and for each thing that is defined."""
        described = itertools.chain.from_iterable(map(describing.describe, self.definitions))
        lines = [*map(str, self.problems), *map(streams.printable, described)]
        return "".join(f"{line}\n" for line in lines)

    def as_json(self) -> str:
        """Return the same as one object."""
        report = {
            "valid": self.is_valid,
            "problems": [dataclasses.asdict(problem) for problem in self.problems],
            "workflows": [entry for found in self.definitions for entry in _workflows(found)],
        }
        return orjson.dumps(report).decode() + "\n"


def lint(files: Sequence[Path], *, expressions: str | None) -> Report:
    """Check each file for itself: those of a folder are seldom meant to run together."""
    dialect = None if expressions is None else Dialect(expressions)
    problems: list[Problem] = []
    definitions: list[Definitions] = []
    for file in files:
        try:
            definitions.append(loading.load_files([file], dialect=dialect))
        except InvalidWorkflowFile as error:
            problems += map(_printable, error.problems)
    return Report(problems=problems, definitions=definitions)


def _printable(problem: Problem) -> Problem:
    return dataclasses.replace(
        problem,
        file=streams.printable(problem.file),
        message=streams.printable(problem.message),
    )


def _workflows(definitions: Definitions) -> Iterator[dict[str, Any]]:
    for name, workflow in definitions.workflows.items():
        origin = definitions.origins[name]
        yield {
            "name": name,
            "file": streams.printable(origin.file),
            "line": origin.line,
            "expressions": workflow.dialect,
            "reason": origin.reason,
        }
