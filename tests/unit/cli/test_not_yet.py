"""`varflow run` of what is accepted and not run yet: refused before anything starts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from varflow_cli.__main__ import varflow
from varflow_cli.local import planning

WAITS = """\
direktiv_api: workflow/v1
states:
- id: wait
  type: consumeEvent
  event: {type: paid}
"""
CALLS = """\
direktiv_api: workflow/v1
functions:
- {id: child, type: subflow, workflow: waits}
states:
- id: call
  type: action
  action: {function: child}
"""
CLOCK = """\
direktiv_api: workflow/v1
start: {type: scheduled, cron: '@daily'}
states:
- {id: a, type: noop}
"""
SAID = (
    "waits.yaml:4: states[0].type: a state of type consumeEvent is accepted, and not run yet; "
    "until it is, the workflow runs only without it"
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, text in {"waits": WAITS, "calls": CALLS, "clock": CLOCK}.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(varflow, ["run", *arguments, "--store", "file://store"])


@pytest.mark.parametrize(
    "files",
    [
        pytest.param(["waits.yaml"], id="itself"),
        pytest.param(["calls.yaml", "waits.yaml"], id="a subflow of it"),
    ],
)
def test_a_workflow_that_cannot_run_yet_is_refused_with_its_line(
    folder: Path, files: list[str]
) -> None:
    done = run(*files)

    assert done.exit_code == 2
    assert done.stderr.strip() == SAID
    assert not (folder / "store").exists()


def test_a_program_is_told_a_code(folder: Path) -> None:
    done = run("waits.yaml", "--json")

    assert json.loads(done.stdout)["error"] == {"code": "not_yet", "message": SAID}


def test_what_a_clock_starts_is_run_with_a_warning(folder: Path) -> None:
    given = dict.fromkeys(("input", "store", "namespace", "expressions", "timeout_seconds"))
    plan = planning.make_plan(
        planning.Request(
            files=[Path("clock.yaml")],
            accepts_unsafe_store=False,
            secrets=[],
            functions=[],
            environ={},
            folder=folder,
            **given,
        )
    )

    (warning,) = plan.warnings
    assert warning.startswith("clock.yaml:2: start.type: a start of type scheduled is accepted")


@pytest.mark.usefixtures("folder")
def test_a_cluster_is_not_asked_to_run_it() -> None:
    done = CliRunner().invoke(varflow, ["run", "-k", "waits.yaml"])

    assert (done.exit_code, done.stderr.strip()) == (2, SAID)


@pytest.mark.usefixtures("folder")
def test_lint_accepts_it_with_a_warning() -> None:
    done = CliRunner().invoke(varflow, ["lint", "waits.yaml"])

    assert done.exit_code == 0
    assert done.stdout.splitlines()[0] == SAID.replace(":4: ", ":4: warning: ")
