"""What `varflow lint` finds out about files, for people and for programs.

Each file is checked for itself: those of a folder are seldom meant to run together, and two may
define workflows of one name. Only what a workflow calls is looked for among all of them; not to
find it is a warning, since a cluster may have it.
"""

from __future__ import annotations

import dataclasses
import itertools
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from varflow.errors import InvalidWorkflowFile, Problem
from varflow.language import describing, loading, not_yet, recursion, subflows, suspicions
from varflow.language.codes import Code
from varflow.language.expressions import Dialect
from varflow.language.loading import Definitions, Origin
from varflow.language.workflow import Workflow
from varflow_cli.console import streams

_ENDINGS: Final = {".yaml", ".yml"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What is wrong in some files; when nothing is, what they define."""

    problems: Sequence[Problem]
    warnings: Sequence[Problem]
    """What may be meant as it is."""
    definitions: Sequence[Definitions]
    """What each valid file defines."""

    @property
    def is_valid(self) -> bool:
        """Tell whether the files can be run."""
        return not self.problems

    def as_text(self) -> str:
        """Return a line for each problem and for each thing that is defined."""
        described = itertools.chain.from_iterable(map(describing.describe, self.definitions))
        warnings = [it.described("warning") for it in self.warnings]
        lines = [*map(str, self.problems), *warnings, *map(streams.printable, described)]
        return "".join(f"{line}\n" for line in lines)

    def as_json(self) -> str:
        """Return the same as one object."""
        report = {
            "valid": self.is_valid,
            "problems": [dataclasses.asdict(problem) for problem in self.problems],
            "warnings": [dataclasses.asdict(warning) for warning in self.warnings],
            "workflows": [entry for found in self.definitions for entry in _workflows(found)],
        }
        return orjson.dumps(report).decode() + "\n"


def lint(paths: Iterable[Path], *, expressions: str | None) -> Report:
    """Check files, and all YAML files in folders."""
    dialect = None if expressions is None else Dialect(expressions)
    problems: list[Problem] = []
    definitions: list[Definitions] = []
    known: set[str] = set()
    files, unreadable = _find_files(paths)
    problems += unreadable
    for file in files:
        try:
            found = loading.load_files([file], dialect=dialect)
        except InvalidWorkflowFile as error:
            problems += map(_printable, error.problems)
            known |= {*error.workflows}
        else:
            definitions.append(found)
            known |= found.workflows.keys()
    warnings = [
        *_suspicions(definitions),
        *_missing_subflows(definitions, known),
        *_endless_subflows(definitions),
    ]
    return Report(
        problems=problems,
        warnings=loading.in_order([*map(_printable, warnings)]),
        definitions=definitions,
    )


def _find_files(paths: Iterable[Path]) -> tuple[list[Path], list[Problem]]:
    """Return each file once, and the folders that have none or cannot be read."""
    files: dict[Path, None] = {}
    problems: list[Problem] = []
    for path in paths:
        found, unreadable = _files_in(path) if path.is_dir() else ([path], [])
        files |= dict.fromkeys(found)
        problems += unreadable
        if not found and not unreadable:
            message = "is a folder without files that end in .yaml or .yml"
            problems.append(_unreadable(path, message))
    return [*files], problems


def _files_in(folder: Path) -> tuple[list[Path], list[Problem]]:
    """Return the YAML files in a folder and its sub-folders, without what is hidden.

    A link that leads nowhere is among them: whoever reads it says so.
    """
    found: list[Path] = []
    refused: list[OSError] = []
    for at, folders, names in os.walk(folder, onerror=refused.append):
        folders[:] = [name for name in folders if not name.startswith(".")]
        files = (Path(at, name) for name in names if not name.startswith("."))
        found += [file for file in files if file.suffix in _ENDINGS and _may_be_read(file)]
    problems = [
        _unreadable(Path(error.filename), f"cannot be read: {error.strerror}") for error in refused
    ]
    return sorted(found), problems


def _may_be_read(file: Path) -> bool:
    """Tell whether reading it comes to an end, which that of a pipe may not."""
    return file.is_file() or file.is_symlink()


def _unreadable(path: Path, message: str) -> Problem:
    return Problem(streams.printable(str(path)), message, code=Code.UNREADABLE_FILE)


def _suspicions(definitions: Iterable[Definitions]) -> Iterator[Problem]:
    for found in definitions:
        for name, workflow in found.workflows.items():
            for fault in (
                *suspicions.find_faults(workflow),
                *not_yet.find_faults(workflow),
                *not_yet.find_idle(workflow),
            ):
                yield found.origins[name].problem(fault)


def _missing_subflows(definitions: Iterable[Definitions], known: set[str]) -> Iterator[Problem]:
    for found in definitions:
        for name, workflow in found.workflows.items():
            for fault in subflows.find_missing(workflow, known):
                yield found.origins[name].problem(fault)


def _endless_subflows(definitions: Iterable[Definitions]) -> Iterator[Problem]:
    origins: dict[str, Origin] = {}
    workflows: dict[str, Workflow] = {}
    for found in definitions:  # of two workflows of one name, the first
        origins = found.origins | origins
        workflows = found.workflows | workflows
    for name, fault in recursion.find_faults(workflows):
        yield origins[name].problem(fault)


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
