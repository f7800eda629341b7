"""Console sessions as documentation shows them, run for real.

    $ command, as somebody would type it
    > its second line
    what it prints on standard output, with ... for what differs from run to run

A command must succeed unless its session shows otherwise, with `echo "exit $?"`.
"""

from __future__ import annotations

import doctest
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Step:
    """A command and what it prints."""

    command: str
    expected: str


def parse(session: str) -> list[Step]:
    """Return the steps of a session."""
    steps: list[Step] = []
    for line in session.splitlines():
        if line.startswith("$ "):
            steps.append(Step(line[2:], ""))
        elif line.startswith("> ") and not steps[-1].expected:
            steps[-1] = Step(f"{steps[-1].command}\n{line[2:]}", "")
        else:
            steps[-1] = Step(steps[-1].command, f"{steps[-1].expected}{line}\n")
    return steps


def environment(store: Path) -> dict[str, str]:
    """Return the environment of a user who works with this store."""
    own = str(Path(sys.executable).parent)
    path = f"{own}{os.pathsep}{os.environ['PATH']}"
    kept = {name: value for name, value in os.environ.items() if name not in {"PORT", "NO_COLOR"}}
    return {**kept, "PATH": path, "VARFLOW_STORE": f"file://{store}"}


def run(
    session: str, *, folder: Path, environ: Mapping[str, str], wrapper: Sequence[str] = ()
) -> None:
    """Run the session's commands in `folder`, behind `wrapper`, and compare what they print."""
    for step in parse(session):
        done = subprocess.run(
            [*wrapper, "bash", "-c", step.command],
            cwd=folder,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
        )
        assert done.returncode == 0, f"{step.command}\n{done.stdout}\n{done.stderr}"
        check(step, done.stdout)


def check(step: Step, printed: str) -> None:
    """Assert that a command printed what its session shows."""
    got = "\n".join(line.rstrip() for line in printed.splitlines()) + "\n" * bool(printed)
    checker = doctest.OutputChecker()
    assert checker.check_output(step.expected, got, doctest.ELLIPSIS), (
        f"$ {step.command}\n--- expected\n{step.expected}--- printed\n{got}"
    )
