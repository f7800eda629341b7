"""What a run is given, here or in a cluster: workflow files, and an input."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from varflow.engine import inputs
from varflow.engine.messages import Json
from varflow.errors import NotRunYet
from varflow.language import loading, not_yet
from varflow.language.expressions import Dialect
from varflow.language.loading import Definitions
from varflow.language.workflow import Workflow
from varflow_cli.console.failures import Mistake

_ENCODED: Final = "the input is not JSON; the workflow sees it as base64"


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """What files define, and the workflow that runs."""

    definitions: Definitions
    workflow: Workflow


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """An instance's input."""

    value: Json
    warnings: Sequence[str] = ()
    """What is allowed but may not be meant."""


def load(files: Sequence[Path], *, expressions: str | None) -> Files:
    """Load files; the first workflow in them runs.

    Raises:
        InvalidWorkflowFile: the files' problems, all of them.
        Mistake: there is no workflow in them.
    """
    dialect = None if expressions is None else Dialect(expressions)
    definitions = loading.load_files(files, dialect=dialect)
    for workflow in definitions.workflows.values():
        return Files(definitions=definitions, workflow=workflow)
    raise Mistake(f"there is no workflow in {', '.join(map(str, files))}")


def check_runs(definitions: Definitions, workflows: Iterable[Workflow]) -> list[str]:
    """Return a warning for each thing that workflows say in vain.

    Raises:
        NotRunYet: with everything in them that this version cannot run.
    """
    found = [(definitions.origins[it.name], it) for it in workflows]
    gaps = [origin.problem(it) for origin, one in found for it in not_yet.find_faults(one)]
    if gaps:
        raise NotRunYet(loading.in_order(gaps))
    return [str(origin.problem(it)) for origin, one in found for it in not_yet.find_idle(one)]


def read_input(given: str | None) -> Input:
    """Return what `--input` stands for: a text, `@file`, or `-` for standard input.

    Raises:
        Mistake: the file, or standard input, cannot be read.
    """
    data = _read(given)
    warnings = [_ENCODED] if data and not inputs.is_json(data) else []
    return Input(value=inputs.parse_input(data), warnings=warnings)


def _read(given: str | None) -> bytes:
    if given is None:
        return b""
    if given != "-" and not given.startswith("@"):
        return given.encode("utf-8", "surrogateescape")
    try:
        return sys.stdin.buffer.read() if given == "-" else Path(given[1:]).read_bytes()
    except OSError as error:
        raise Mistake(f"--input {given}: {error.strerror}") from error
